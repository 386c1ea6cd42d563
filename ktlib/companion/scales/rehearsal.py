"""The published architectures with random weights on generated files: it proves the path and measures nothing."""

from ktlib.captioning import CaptioningSettings
from ktlib.companion.scales.shapes import (
    ZOOM_SHOT_ENCODERS,
    Captioning,
    Films,
    Scale,
    Searching,
    Segmenting,
    Teaching,
    ZoomShot,
    each,
    vilt_inversion,
)
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.inversion import InversionSettings
from ktlib.transfer import MatchingSettings, TransferSettings
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings

INVERSION = InversionSettings(steps=3, sizes=((0, 64), (1, 128), (2, 224)))  # each size once, in notebook 01
BRIEF = InversionSettings(steps=1, sizes=((0, 224),))  # where many are inverted

REHEARSAL = Scale(
    name="rehearsal",
    clip=Teaching(
        # open_clip's own ViT-B-32 (another activation, no weights) in place of L/14, which takes seconds an image-step
        # on two cores; CoCa is rehearsed at that size
        models=each("fixtures", "random/ViT-B-32", "ViT-B-32"),
        inversion=INVERSION,
        transfer=TransferSettings(),
        rates=(2e-5,),
        rate=2e-5,
        images_per_concept=2,
        seeds=(0,),
    ),
    vilt=Teaching(
        models=each("fixtures small", "random/vilt-b32"),
        inversion=vilt_inversion(side=384, steps=2),
        transfer=MatchingSettings(),
        rates=(2e-5,),
        rate=2e-5,
        images_per_concept=2,
        seeds=(0,),
    ),
    coca=Teaching(
        models=each("fixtures coco", "random/coca-ViT-L-14"),
        inversion=InversionSettings(steps=2, sizes=((0, 112), (1, 224))),
        transfer=CaptioningSettings(batch=2),
        rates=(8e-5,),
        images_per_concept=1,
        seeds=(0,),
    ),
    medclip=Teaching(
        models=each("fixtures films", "random/medclip"),
        inversion=BRIEF,
        transfer=TransferSettings(),
        rates=(2e-4,),
        rate=2e-4,
        images_per_concept=2,
        seeds=(0,),
    ),
    scans=Teaching(
        # ViT-B-32 in place of BiomedCLIP's ViT-B-16, which takes four times as long; SAM has its published size
        models=each("fixtures slices", "random/ViT-B-32"),
        inversion=BRIEF,
        transfer=TransferSettings(),
        rates=(2e-5,),
        images_per_concept=2,
        seeds=(0,),
    ),
    captioning=Captioning(gallery="fixtures coco", classes=2, validation=1, test=2, shown=2),
    films=Films(
        pair="fixtures films",
        outside=tuple(
            Teaching(
                models=each("fixtures outside", name),
                inversion=BRIEF,
                transfer=TransferSettings(batch=batch),
                rates=(rate,),
                rate=rate,
                images_per_concept=2,
                seeds=(0,),
            )
            for name, batch, rate in (("random/ViT-B-32", 8, 5e-5), ("ViT-B-32", 4, 1e-5))
        ),
    ),
    segmenting=Segmenting(
        lesions="fixtures",
        segmenter="random/sam-vit-b",
        maps=SaliencySettings(steps=2, copies=2),
        betas=(0.1,),
        layers=(7,),
        validation=1,
        test=1,
        shown=1,
        checked=1,
    ),
    medical="generated noise, not medical data",
    retrieval=Searching(gallery="fixtures", rates=(1e-6,), batches=(2,), everyday_images=1, everyday=2),
    zoom_shot=ZoomShot(
        clip="random/ViT-B-16",
        encoders=tuple(f"random/{name}" for name in ZOOM_SHOT_ENCODERS),
        strongest=f"random/{ZOOM_SHOT_ENCODERS[-1]}",
        sets="fixtures",
        settings=ZoomShotSettings(batch=8),
        aligner=AlignerSettings(batch=8),
        rates=(1e-4,),
        aligner_rates=(0.01,),
    ),
    steps=(2, 3),
    seeds=(0,),
    is_result=False,
)
