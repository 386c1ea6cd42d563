"""The three scales. A scale is data: which models, which pictures, how many steps.

No function asks which scale it is in; it is given the values that stand here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ktlib.inversion import InversionSettings
from ktlib.transfer import TransferSettings
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings


@dataclass(frozen=True)
class ZoomShotScale:
    """What notebook 06 maps to what, on which pictures.

    Attributes:
        clip: name for `ktlib.load`; the paper's ViT-B/16.
        encoders: names for `ktlib.models.load_encoder`, in the order of ZS Tab. 1.
        strongest: the encoder that tells coarse classes best apart given labels; known before any map is made (Z2).
        sets: a name for `ktlib.data.zoom_shot.sets`.
        settings, aligner: recipes of Zoom-shot and of the Linear Aligner.
        rates, aligner_rates: learning rates to choose from on validation sets; one where there is none to choose.
        share: of the training images, where one is needed (ZS Sec. 4.1: 20 %).
    """

    clip: str
    encoders: tuple[str, ...]
    strongest: str
    sets: str
    settings: ZoomShotSettings
    aligner: AlignerSettings
    rates: tuple[float, ...]
    aligner_rates: tuple[float, ...]
    share: float = 0.2


@dataclass(frozen=True)
class Scale:
    """Everything that differs between a two-minute run on a laptop and a run on a GPU.

    Attributes:
        name: `pocket`, `rehearsal` or `paper`.
        small, large: names for `ktlib.load`; the papers' ViT-B/32 and ViT-L/14.
        dataset: a name for `ktlib.data.examination`.
        inversion: how descriptions are inverted.
        transfer: the fine-tuning recipe; its rate is replaced by those below.
        rates: learning rates of the sweep, from small to large.
        rate: the one rate where one is needed; None to choose it on the validation concepts.
        steps: inversion steps of the figure that varies them (KT v2, Fig. 5).
        images_per_concept: inverted for each concept and seed.
        seeds: of inversion and transfer.
        budget: the loss of retention at which methods are compared (ours: 0.02; D10).
        zoom_shot: what notebook 06 runs on.
        is_result: whether the numbers may be shown as results.
    """

    name: str
    small: str
    large: str
    dataset: str
    inversion: InversionSettings
    transfer: TransferSettings
    rates: tuple[float, ...]
    steps: tuple[int, ...]
    zoom_shot: ZoomShotScale
    rate: float | None = None
    images_per_concept: int = 10
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: float = 0.02
    is_result: bool = True


# ZS Sec. 4.1 names the architectures; which weights is ours (D25).
ZOOM_SHOT_ENCODERS = (
    "torchvision/mobilenet_v3_small",
    "torchvision/densenet121",
    "torchvision/resnet18",
    "timm/vit_base_patch16_224.dino",
    "timm/vit_base_patch14_dinov2.lvd142m",
)

SCALES = {
    "pocket": Scale(
        name="pocket",
        small="pocket/clip-b",
        large="pocket/clip-l",
        dataset="pocket",
        # The published proportions (64, 128, 224 from 0 %, 18 % and 36 % of the steps) at 64 pixels.
        inversion=InversionSettings(steps=200, sizes=((0, 16), (36, 32), (72, 64))),
        transfer=TransferSettings(),
        rates=(5e-5, 1e-4, 2e-4, 4e-4, 8e-4),
        steps=(10, 25, 75, 200),
        zoom_shot=ZoomShotScale(
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
    ),
    "rehearsal": Scale(
        name="rehearsal",
        small="random/ViT-B-32",
        large="random/ViT-B-16",  # in place of L/14, which takes seconds an image-step on two cores
        dataset="fixtures",
        inversion=InversionSettings(steps=3, sizes=((0, 64), (1, 128), (2, 224))),
        transfer=TransferSettings(),
        rates=(1e-5, 2e-5),
        steps=(2, 3),
        rate=2e-5,
        zoom_shot=ZoomShotScale(
            clip="random/ViT-B-16",
            encoders=tuple(f"random/{name}" for name in ZOOM_SHOT_ENCODERS),
            strongest=f"random/{ZOOM_SHOT_ENCODERS[-1]}",
            sets="fixtures",
            settings=ZoomShotSettings(batch=8),
            aligner=AlignerSettings(batch=8),
            rates=(1e-4,),
            aligner_rates=(0.01,),
        ),
        images_per_concept=2,
        seeds=(0,),
        is_result=False,
    ),
    "paper": Scale(
        name="paper",
        small="openai/ViT-B-32",
        large="openai/ViT-L-14",
        dataset="imagenet",
        inversion=InversionSettings(),
        transfer=TransferSettings(),
        rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5),  # KT v1, Tab. 1
        steps=(500, 1000, 2000, 3000, 5000),
        zoom_shot=ZoomShotScale(
            clip="openai/ViT-B-16",
            encoders=ZOOM_SHOT_ENCODERS,
            strongest=ZOOM_SHOT_ENCODERS[-1],
            sets="files",
            settings=ZoomShotSettings(),
            aligner=AlignerSettings(),
            rates=(1e-4,),  # ZS Sec. 4.1
            aligner_rates=(0.01,),
        ),
        rate=2e-5,  # of KT v1, Fig. 1: there are no validation concepts
    ),
}


def scale(name: str) -> Scale:
    """A scale by name.

    Raises:
        ValueError: there is no such scale.
    """
    if name not in SCALES:
        raise ValueError(f"expected a scale ({', '.join(SCALES)}), found {name!r}")
    return SCALES[name]
