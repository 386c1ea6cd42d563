"""The three scales. A scale is data: which models, which pictures, how many steps.

No function asks which scale it is in; it is given the values that stand here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ktlib.captioning import CaptioningSettings
from ktlib.inversion import InversionSettings
from ktlib.pocket.folds import FOLDS
from ktlib.transfer import MatchingSettings, Recipe, TransferSettings
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings


@dataclass(frozen=True)
class Teaching:
    """How one family of models is taught rare concepts, and what it is examined with.

    Attributes:
        models: as rows name them, the small one first. Each was pretrained once or several times: names for
            `ktlib.load`, and for each what it is examined with, a name for `sources.examination`.
        inversion: how descriptions are inverted.
        transfer: the fine-tuning recipe; its rate is replaced by those below.
        rates: learning rates of the sweep, from small to large.
        rate: the one rate where one is needed; None to choose it on the validation concepts.
        images_per_concept: inverted for each concept and seed.
        seeds: of inversion and transfer.
    """

    models: Mapping[str, Mapping[str, str]]
    inversion: InversionSettings
    transfer: Recipe
    rates: tuple[float, ...]
    rate: float | None = None
    images_per_concept: int = 10
    seeds: tuple[int, ...] = (0, 1, 2)


def _each(examination: str, *models: str) -> dict[str, dict[str, str]]:
    """Models that were pretrained once, examined with the same."""
    return {model: {model: examination} for model in models}


def _folds(name: str) -> dict[str, str]:
    """The pretrainings of a pocket CLIP, each with concepts that it has never seen."""
    return {f"{name}-{fold.number}": f"pocket {fold.number}" for fold in FOLDS}


@dataclass(frozen=True)
class Searching:
    """What is searched in notebook 04, and what is taught before.

    Attributes:
        gallery: a name for `sources.gallery` and `sources.everyday`.
        rates, batches: the grid of the everyday concepts (KT v1, Tab. 8).
        everyday_images: inverted for each everyday concept and seed.
        everyday: how many everyday concepts; None for all.
    """

    gallery: str
    rates: tuple[float, ...]
    batches: tuple[int, ...]
    everyday_images: int = 10
    everyday: int | None = None

    @property
    def cells(self) -> list[tuple[float, int]]:
        """Every learning rate with every batch."""
        return [(rate, batch) for rate in self.rates for batch in self.batches]


@dataclass(frozen=True)
class Captioning:
    """What is captioned in notebook 05, and how what is taught before may be varied.

    Attributes:
        gallery: a name for `sources.gallery`.
        classes: how many are taught, the first ones; None for all.
        epochs: passes over the lesson to choose from; the rates are the teaching's.
        validation, test: how many images of each split; None for all.
        search: of `Captioner.generate`.
        shown: how many images the grid of captions has.
    """

    gallery: str
    classes: int | None = None
    epochs: tuple[int, ...] = (1,)
    validation: int | None = None
    test: int | None = None
    search: str = "beam_logits"
    shown: int = 6


@dataclass(frozen=True)
class Films:
    """Which films of the chest notebook 02 shows, and to whom beside a MedCLIP.

    Attributes:
        pair: a name for `sources.examination`: benign and malignant nodules, one name each (KT v1, Tab. 2).
        outside: models that have seen no film, the small one first; each has a recipe of its own (KT v1, Sec. 8.5).
    """

    pair: str
    outside: tuple[Teaching, ...]


@dataclass(frozen=True)
class ZoomShot:
    """What notebook 06 maps to what, on which pictures.

    Attributes:
        clip: a name for `ktlib.load`; the paper's ViT-B/16.
        encoders: names for `ktlib.load`, in the order of ZS Tab. 1.
        strongest: the encoder that tells coarse classes best apart given labels; known before any map is made (Z2).
        sets: a name for `sources.sets`.
        settings, aligner: recipes of Zoom-shot and of the Linear Aligner.
        rates, aligner_rates: learning rates to choose from on validation sets; one where there is none to choose.
        limits: how far those ranges may be widened where the best rate lies at an end (D45).
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
    limits: tuple[float, float] = (1e-4, 1.0)
    share: float = 0.2


@dataclass(frozen=True)
class Scale:
    """Everything that differs between a run of minutes on a laptop and a run on a GPU.

    Attributes:
        name: `pocket`, `rehearsal` or `paper`.
        clip, vilt, coca, medclip: how dual encoders, pair scorers, captioners and MedCLIPs are taught (KT).
        retrieval: what notebook 04 searches.
        captioning: what notebook 05 captions.
        films: what notebook 02 shows.
        medical: what every figure of medical pictures says of them; empty where they are what they seem.
        zoom_shot: what notebook 06 maps (ZS).
        steps: inversion steps of the figure that varies them (KT v2, Fig. 5).
        seeds: of maps, and of what is taught before a gallery is searched.
        budget: the loss of retention at which methods are compared (ours: 0.02; D10).
        is_result: whether the numbers may be shown as results.
        kernels: of torch, as `record.kernels` names them; pinned where two machines should give the same bits (D44).
    """

    name: str
    clip: Teaching
    vilt: Teaching
    coca: Teaching
    medclip: Teaching
    retrieval: Searching
    captioning: Captioning
    films: Films
    zoom_shot: ZoomShot
    medical: str
    steps: tuple[int, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: float = 0.02
    is_result: bool = True
    kernels: str = "native"

    def shifted(self, seed: int) -> Scale:
        """The same with every seed larger by so much, for a run that repeats another."""

        def moved(one: Teaching) -> Teaching:
            return replace(one, seeds=tuple(seed + s for s in one.seeds))

        taught = {name: moved(getattr(self, name)) for name in ("clip", "vilt", "coca", "medclip")}
        films = replace(self.films, outside=tuple(moved(one) for one in self.films.outside))
        return replace(self, seeds=tuple(seed + s for s in self.seeds), films=films, **taught)


# ZS Sec. 4.1 names the architectures; which weights is ours (D25).
ZOOM_SHOT_ENCODERS = (
    "torchvision/mobilenet_v3_small",
    "torchvision/densenet121",
    "torchvision/resnet18",
    "timm/vit_base_patch16_224.dino",
    "timm/vit_base_patch14_dinov2.lvd142m",
)


def _vilt_inversion(*, side: int, steps: int = 5000) -> InversionSettings:
    """KT v1, Sec. 4.3: no affine views, the rest "as CLIP" (D30).

    A step of 0.1 in ViLT's range of [-1, 1] is one of 0.05 in pixels.
    """
    return InversionSettings(steps=steps, lr=0.05, schedule="cosine", sizes=((0, side),), probability=0.0)


SCALES = {
    "pocket": Scale(
        name="pocket",
        clip=Teaching(
            models={name: _folds(name) for name in ("pocket/clip-b", "pocket/clip-l")},
            # The published proportions (64, 128, 224 from 0 %, 18 % and 36 % of the steps) at 64 pixels. On validation
            # concepts 40 steps teach as well as 200, and time is better spent on concepts (D12).
            inversion=InversionSettings(steps=40, sizes=((0, 16), (7, 32), (14, 64))),
            transfer=TransferSettings(),
            rates=(4e-5, 8e-5, 1.6e-4, 3.2e-4, 6.4e-4, 1.28e-3),
            seeds=(0,),
        ),
        vilt=Teaching(
            models=_each("pocket small", "pocket/vilt-b"),
            inversion=_vilt_inversion(side=64, steps=60),
            transfer=MatchingSettings(),
            rates=(5e-5, 1e-4, 2e-4),
            seeds=(0,),
        ),
        coca=Teaching(
            # the pre-trained one first, then the one that was trained further on plain descriptions
            models=_each("pocket coco", "pocket/coca-web", "pocket/coca-plain"),
            inversion=InversionSettings(steps=40, sizes=((0, 16), (7, 32), (14, 64))),
            transfer=CaptioningSettings(),
            rates=(1e-4, 3e-4, 1e-3),
        ),
        medclip=Teaching(
            models=_each("pocket films", "pocket/medclip"),
            inversion=InversionSettings(steps=40, sizes=((0, 16), (7, 32), (14, 64))),
            transfer=TransferSettings(),
            rates=(4e-5, 8e-5, 1.6e-4, 3.2e-4, 6.4e-4, 1.28e-3),
            seeds=(0,),
        ),
        captioning=Captioning(gallery="pocket coco", classes=12, epochs=(1, 3, 10), validation=60, test=200),
        films=Films(
            pair="pocket pair",
            outside=tuple(
                Teaching(
                    models={name: dict.fromkeys(_folds(name), "pocket outside")},
                    inversion=InversionSettings(steps=40, sizes=((0, 16), (7, 32), (14, 64))),
                    transfer=TransferSettings(batch=batch, epochs=epochs),
                    rates=(2e-5, 5e-5, 1e-4, 2e-4),
                    seeds=(0,),
                )
                for name, batch, epochs in (("pocket/clip-b", 8, 5), ("pocket/clip-l", 4, 2))
            ),
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
    ),
    "rehearsal": Scale(
        name="rehearsal",
        clip=Teaching(
            # ViT-B-16 in place of L/14, which takes seconds an image-step on two cores
            models=_each("fixtures", "random/ViT-B-32", "random/ViT-B-16"),
            inversion=InversionSettings(steps=3, sizes=((0, 64), (1, 128), (2, 224))),
            transfer=TransferSettings(),
            rates=(1e-5, 2e-5),
            rate=2e-5,
            images_per_concept=2,
            seeds=(0,),
        ),
        vilt=Teaching(
            models=_each("fixtures small", "random/vilt-b32"),
            inversion=_vilt_inversion(side=384, steps=2),
            transfer=MatchingSettings(),
            rates=(2e-5,),
            rate=2e-5,
            images_per_concept=2,
            seeds=(0,),
        ),
        coca=Teaching(
            models=_each("fixtures coco", "random/coca-ViT-L-14"),
            inversion=InversionSettings(steps=2, sizes=((0, 112), (1, 224))),
            transfer=CaptioningSettings(batch=2),
            rates=(8e-5,),
            images_per_concept=1,
            seeds=(0,),
        ),
        medclip=Teaching(
            models=_each("fixtures films", "random/medclip"),
            inversion=InversionSettings(steps=3, sizes=((0, 64), (1, 128), (2, 224))),
            transfer=TransferSettings(),
            rates=(1e-5, 2e-4),
            rate=2e-4,
            images_per_concept=2,
            seeds=(0,),
        ),
        captioning=Captioning(gallery="fixtures coco", classes=2, validation=2, test=2, shown=2),
        films=Films(
            pair="fixtures films",
            outside=tuple(
                Teaching(
                    models=_each("fixtures outside", name),
                    inversion=InversionSettings(steps=3, sizes=((0, 64), (1, 128), (2, 224))),
                    transfer=TransferSettings(batch=batch),
                    rates=(rate,),
                    rate=rate,
                    images_per_concept=2,
                    seeds=(0,),
                )
                for name, batch, rate in (("random/ViT-B-32", 8, 5e-5), ("random/ViT-B-16", 4, 1e-5))
            ),
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
    ),
    "paper": Scale(
        name="paper",
        clip=Teaching(
            models=_each("imagenet", "openai/ViT-B-32", "openai/ViT-L-14"),
            inversion=InversionSettings(),
            transfer=TransferSettings(),
            rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5),  # KT v1, Tab. 1
            rate=2e-5,  # of KT v1, Fig. 1: there are no validation concepts
        ),
        vilt=Teaching(
            models=_each("imagenet-100", "dandelin/vilt-b32-mlm-itm"),
            inversion=_vilt_inversion(side=384),
            transfer=MatchingSettings(),
            rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5),  # KT v1, Tab. 1 and 11
            rate=2e-5,  # there are no validation concepts
        ),
        coca=Teaching(
            models=_each("coco80", "laion/coca-ViT-L-14", "laion/coca-ViT-L-14-mscoco"),
            inversion=InversionSettings(),
            transfer=CaptioningSettings(),
            rates=(5e-6, 2e-5, 6e-5, 8e-5, 9e-5),  # KT v1, Tab. 6 and 9: all that are printed, for both models
        ),
        medclip=Teaching(
            models=_each("films", "RyanWangZf/MedCLIP-ViT"),
            inversion=InversionSettings(),
            transfer=TransferSettings(),
            # KT v1, Tab. 2: the first five for benign nodules, the others for malignant ones
            rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4),
            rate=2e-4,  # there are no validation nodules; at this one the paper reads its gain (K7)
        ),
        captioning=Captioning(gallery="mscoco", validation=500),
        films=Films(
            pair="films",
            outside=tuple(
                Teaching(
                    models=_each("outside", name),
                    inversion=InversionSettings(),
                    transfer=TransferSettings(batch=batch, epochs=epochs),
                    rates=(rate,),
                    rate=rate,
                )
                for name, batch, epochs, rate in (("openai/ViT-B-32", 8, 5, 5e-5), ("openai/ViT-L-14", 4, 2, 1e-5))
            ),
        ),
        medical="",
        retrieval=Searching(
            gallery="flickr30k",
            # KT v1, Tab. 8
            rates=(8e-7, 9e-7, 1e-6, 2e-6, 3e-6, 4e-6, 5e-6, 8e-6, 1e-5, 2e-5, 3e-5),
            batches=(16, 32, 64, 128, 256),
        ),
        zoom_shot=ZoomShot(
            clip="openai/ViT-B-16",
            encoders=ZOOM_SHOT_ENCODERS,
            strongest=ZOOM_SHOT_ENCODERS[-1],
            sets="files",
            settings=ZoomShotSettings(),
            aligner=AlignerSettings(),
            rates=(1e-4,),  # ZS Sec. 4.1
            aligner_rates=(0.01,),
        ),
        steps=(500, 1000, 2000, 3000, 5000),
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
