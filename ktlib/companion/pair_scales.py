"""The three scales of the pair scorer's experiments (ViLT, notebooks 01 and 04), as data."""

from __future__ import annotations

from dataclasses import dataclass

from ktlib.inversion import InversionSettings
from ktlib.matching import MatchingSettings


@dataclass(frozen=True)
class PairScale:
    """Everything that differs between the scales.

    Attributes:
        name: `pocket`, `rehearsal` or `paper`.
        model: for `ktlib.load_pair`.
        exam: for `ktlib.data.pair_examination`: concepts and known names.
        gallery: for `ktlib.data.galleries`: images and captions.
        inversion: how descriptions are inverted through the matching head.
        transfer: the fine-tuning recipe; its rate and batch are replaced by those below.
        rates: learning rates for single rare concepts.
        grid: learning rates and batches for the everyday concepts (KT v1, Tab. 8).
        rate: the one rate where one is needed; None to choose it on the validation concepts.
        images_per_concept: inverted for each rare concept and seed.
        everyday_images: inverted for each everyday concept and seed.
        everyday: how many everyday concepts; None for all.
        seeds: of inversion and transfer.
        budget: the loss of retention at which methods are compared (D10).
        is_result: whether the numbers may be shown as results.
    """

    name: str
    model: str
    exam: str
    gallery: str
    inversion: InversionSettings
    transfer: MatchingSettings
    rates: tuple[float, ...]
    grid: tuple[tuple[float, ...], tuple[int, ...]]
    rate: float | None = None
    images_per_concept: int = 10
    everyday_images: int = 10
    everyday: int | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: float = 0.02
    is_result: bool = True

    @property
    def cells(self) -> list[tuple[float, int]]:
        """Every learning rate with every batch."""
        return [(rate, batch) for rate in self.grid[0] for batch in self.grid[1]]


# KT v1, Sec. 4.3: no affine views, normal noise, the rest "as CLIP" (D30). A step of 0.1 in ViLT's range
# of [-1, 1] is one of 0.05 in pixels.
INVERSION = InversionSettings(lr=0.05, schedule="cosine", sizes=((0, 384),), probability=0.0)

PAIR_SCALES = {
    "pocket": PairScale(
        name="pocket",
        model="pocket/vilt-b",
        exam="pocket",
        gallery="pocket",
        inversion=InversionSettings(steps=60, lr=0.05, schedule="cosine", sizes=((0, 64),), probability=0.0),
        transfer=MatchingSettings(),
        rates=(5e-5, 1e-4, 2e-4),
        grid=((1e-5, 5e-5, 2e-4), (16, 64, 156)),
        everyday_images=4,
    ),
    "rehearsal": PairScale(
        name="rehearsal",
        model="random/vilt-b32",
        exam="fixtures",
        gallery="fixtures",
        inversion=InversionSettings(steps=2, lr=0.05, schedule="cosine", sizes=((0, 384),), probability=0.0),
        transfer=MatchingSettings(),
        rates=(2e-5,),
        grid=((1e-6,), (2,)),
        rate=2e-5,
        images_per_concept=2,
        everyday_images=1,
        everyday=2,
        seeds=(0,),
        is_result=False,
    ),
    "paper": PairScale(
        name="paper",
        model="dandelin/vilt-b32-mlm-itm",
        exam="imagenet_100",
        gallery="flickr30k",
        inversion=INVERSION,
        transfer=MatchingSettings(),
        rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5),  # KT v1, Tab. 1 and 11
        # KT v1, Tab. 8
        grid=((8e-7, 9e-7, 1e-6, 2e-6, 3e-6, 4e-6, 5e-6, 8e-6, 1e-5, 2e-5, 3e-5), (16, 32, 64, 128, 256)),
        rate=2e-5,  # there are no validation concepts
    ),
}


def pair_scale(name: str) -> PairScale:
    """A scale by name.

    Raises:
        ValueError: there is no such scale.
    """
    if name not in PAIR_SCALES:
        raise ValueError(f"expected a scale ({', '.join(PAIR_SCALES)}), found {name!r}")
    return PAIR_SCALES[name]
