"""Minutes on a laptop: tiny models on drawn pictures."""

from ktlib.captioning import CaptioningSettings
from ktlib.companion.scales.shapes import (
    Captioning,
    Films,
    Scale,
    Searching,
    Segmenting,
    Teaching,
    ZoomShot,
    each,
    folds,
    vilt_inversion,
)
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.inversion import InversionSettings
from ktlib.transfer import MatchingSettings, TransferSettings
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings

# The published proportions (64, 128, 224 from 0 %, 18 % and 36 % of the steps) at 64 pixels. On validation concepts 40
# steps teach as well as 200, and time is better spent on concepts (D12).
INVERSION = InversionSettings(steps=40, sizes=((0, 16), (7, 32), (14, 64)))

POCKET = Scale(
    name="pocket",
    clip=Teaching(
        models={name: folds(name) for name in ("pocket/clip-b", "pocket/clip-l")},
        inversion=INVERSION,
        transfer=TransferSettings(),
        rates=(4e-5, 8e-5, 1.6e-4, 3.2e-4, 6.4e-4, 1.28e-3),
        seeds=(0,),
    ),
    vilt=Teaching(
        models=each("pocket small", "pocket/vilt-b"),
        inversion=vilt_inversion(side=64, steps=60),
        transfer=MatchingSettings(),
        rates=(5e-5, 1e-4, 2e-4),
        seeds=(0,),
    ),
    coca=Teaching(
        # the pre-trained one first, then the one that was trained further on plain descriptions
        models=each("pocket coco", "pocket/coca-web", "pocket/coca-plain"),
        inversion=INVERSION,
        transfer=CaptioningSettings(),
        rates=(1e-4, 3e-4, 1e-3),
    ),
    medclip=Teaching(
        models=each("pocket films", "pocket/medclip"),
        inversion=INVERSION,
        transfer=TransferSettings(),
        rates=(8e-5, 1.6e-4, 3.2e-4, 6.4e-4, 1.28e-3, 2.56e-3),
        seeds=(0,),
    ),
    scans=Teaching(
        models=each("pocket slices", "pocket/scan-clip"),
        inversion=INVERSION,
        transfer=TransferSettings(),
        rates=(1e-4, 3e-4, 1e-3, 3e-3),
        seeds=(0, 1),
    ),
    captioning=Captioning(gallery="pocket coco", classes=12, epochs=(1, 3, 10), validation=60, test=200),
    films=Films(
        pair="pocket pair",
        outside=tuple(
            Teaching(
                models={name: dict.fromkeys(folds(name), "pocket outside")},
                inversion=INVERSION,
                transfer=TransferSettings(batch=batch, epochs=epochs),
                rates=(1e-4, 3e-4, 9e-4, 2.7e-3),
                seeds=(0,),
            )
            for name, batch, epochs in (("pocket/clip-b", 8, 5), ("pocket/clip-l", 4, 2))
        ),
        chosen_on=2,
    ),
    segmenting=Segmenting(
        lesions="pocket",
        segmenter="pocket/sam",
        maps=SaliencySettings(layer=2, copies=2),  # maps nearly as of ten copies, and time for more images (D71)
        layers=(1, 2),  # of four; behind the last only the class token is read
        validation=24,
        test=80,
    ),
    medical="drawings, not medical data",
    retrieval=Searching(gallery="pocket", rates=(1e-5, 5e-5, 2e-4), batches=(16, 64, 156), everyday_images=4),
    zoom_shot=ZoomShot(
        clip="pocket/clip-b",
        encoders=("pocket/mobilenet", "pocket/densenet", "pocket/resnet", "pocket/dino", "pocket/dinov2"),
        strongest="pocket/densenet",  # by the linear probe of the model cards
        sets="pocket",
        # 20,480 images for ImageNet's 1.28 million; batches of 16 leave a tenth of the paper's steps (D24).
        settings=ZoomShotSettings(batch=16),
        aligner=AlignerSettings(batch=16),
        rates=(3e-3, 1e-2, 3e-2, 1e-1),
        aligner_rates=(0.003, 0.01, 0.03, 0.1),
    ),
    steps=(5, 10, 20, 40),
    kernels="avx2",
)
