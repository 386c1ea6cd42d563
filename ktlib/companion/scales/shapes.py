"""What a scale says: how models are taught, and what each notebook looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ktlib.evaluate.saliency import SaliencySettings
from ktlib.evaluate.segmentation import BETAS, LAYERS
from ktlib.inversion import InversionSettings
from ktlib.pocket.folds import FOLDS
from ktlib.transfer import Recipe
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


def each(examination: str, *models: str) -> dict[str, dict[str, str]]:
    """Models that were pretrained once, examined with the same."""
    return {model: {model: examination} for model in models}


def folds(name: str) -> dict[str, str]:
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
        chosen_on: how many of the pretrainings of such a model its rate is chosen on; all by default.
    """

    pair: str
    outside: tuple[Teaching, ...]
    chosen_on: int | None = None


@dataclass(frozen=True)
class Segmenting:
    """What notebook 03 looks for in which images, and how.

    Attributes:
        lesions: a name for `sources.lesions` and `sources.masked_images`.
        segmenter: a name for `ktlib.load`; outlines what lies in a box.
        maps: how a map is made; beta and layer are chosen.
        betas, layers: to choose from.
        validation, test: how many images of each lesion; None for all.
        shown, checked: how many test images of each lesion are shown, and are asked whether their maps mean anything.
    """

    lesions: str
    segmenter: str
    maps: SaliencySettings = SaliencySettings()
    betas: tuple[float, ...] = BETAS
    layers: tuple[int, ...] = LAYERS
    validation: int | None = None
    test: int | None = None
    shown: int = 3
    checked: int = 8


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
        scans: how dual encoders are taught whose maps are looked at (KT).
        retrieval: what notebook 04 searches.
        captioning: what notebook 05 captions.
        films: what notebook 02 shows.
        segmenting: what notebook 03 looks for.
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
    scans: Teaching
    retrieval: Searching
    captioning: Captioning
    films: Films
    segmenting: Segmenting
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

        taught: dict[str, Any] = {
            name: moved(getattr(self, name)) for name in ("clip", "vilt", "coca", "medclip", "scans")
        }
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


def vilt_inversion(*, side: int, steps: int = 5000) -> InversionSettings:
    """KT v1, Sec. 4.3: no affine views, the rest "as CLIP" (D30).

    A step of 0.1 in ViLT's range of [-1, 1] is one of 0.05 in pixels.
    """
    return InversionSettings(steps=steps, lr=0.05, schedule="cosine", sizes=((0, side),), probability=0.0)
