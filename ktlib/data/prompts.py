"""Prompts: KT's one for every class, and for Zoom-shot's test sets CLIP's list, where CLIP has one.

ZS averages "CLIP's templates" over each set and prints none of them. The lists are those of openai/CLIP
(MIT), `data/prompts.md`: 18 for CIFAR, 8 for cars, 1 for flowers and for pets. The 80 for ImageNet are
open_clip's. CLIP has no list for CUB-200 and for Herbarium 2019: birds get the one of Birdsnap, which
CLIP has, and herbarium sheets the plain prompt (ours; the paper does not say).
"""

from __future__ import annotations

from ktlib import places
from ktlib.data import tables

PLAIN = ("a photo of a {}",)  # one prompt a class (D8): KT's baselines are below the 80-template ensemble
_CIFAR = tuple(
    prompt
    for article in ("a", "the")
    for prompt in (
        *(
            f"a {look}photo of {article} {{}}."
            for look in ("", "blurry ", "black and white ", "low contrast ", "high contrast ", "bad ", "good ")
        ),
        *(f"a photo of {article} {size} {{}}." for size in ("small", "big")),
    )
)
_CARS = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of my {}.",
    "i love my {}!",
    *(f"a photo of my {state} {{}}." for state in ("dirty", "clean", "new", "old")),
)
_OF = {
    "CIFAR-10": _CIFAR,
    "CIFAR-100": _CIFAR,
    "CUB-200": ("a photo of a {}, a type of bird.",),
    "Flowers-102": ("a photo of a {}, a type of flower.",),
    "Herbarium-19": ("a photo of a {}.",),
    "Oxford-IIIT Pets": ("a photo of a {}, a type of pet.",),
    "Stanford Cars": _CARS,
}


def templates(name: str) -> tuple[str, ...]:
    """The prompts of a set, with a `{}` for the name of a class.

    Args:
        name: of the set as ZS Tab. 1 writes it, or `ImageNet`.

    Raises:
        KeyError: there are none for a set of that name.
    """
    if name in ("ImageNet", "ImageNet-100", "ImageNet-1000"):
        from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES  # here: a reader needs no model library

        return tuple(fill("{}") for fill in OPENAI_IMAGENET_TEMPLATES)  # open_clip's are functions of the name
    if name not in _OF:
        raise KeyError(f"expected a set of {', '.join(_OF)} or ImageNet, found {name!r}; add its prompts here")
    return _OF[name]


def published(kind: str) -> tuple[str, ...]:
    """Prompts as a paper prints them, duplicates and misprints included.

    Args:
        kind: the column `set` of `data_manifests/published/prompts.csv`: `kt_caption_templates` (KT v1, Sec. 8.8, the
            26 that a decoder is taught) or `zoomshot_pgkd` (ZS Fig. 5; D21).

    Raises:
        KeyError: there are none of that kind.
    """
    lines = tables.rows(places.manifests() / "published" / "prompts.csv", ("set", "text"))
    if not (found := tuple(line["text"] for line in lines if line["set"] == kind)):
        raise KeyError(f"expected a kind of {', '.join(sorted({line['set'] for line in lines}))}, found {kind!r}")
    return found
