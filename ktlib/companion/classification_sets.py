"""The pictures and prompts of Zoom-shot: drawn, generated in the real formats, or real."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass, field, replace

from ktlib.companion import generated as fixtures
from ktlib.companion import testsets
from ktlib.data.manifests import MANIFESTS, data_root
from ktlib.data.sets import LabelledImages

# Numbers of classes, in the order of ZS Tab. 1. Coarse sets tell kinds of things apart, fine-grained ones
# kinds of one thing.
COARSE = {"CIFAR-10": 10, "CIFAR-100": 100, "ImageNet-100": 100, "ImageNet-1000": 1000}
FINE = {"CUB-200": 200, "Flowers-102": 102, "Herbarium-19": 683, "Oxford-IIIT Pets": 37, "Stanford Cars": 196}


@dataclass(frozen=True)
class Sets:
    """Everything notebook 06 looks at.

    Attributes:
        dataset: name, for the rows.
        train: unlabelled images that maps are trained on.
        tests: the nine sets by name, in the order of ZS Tab. 1.
        targets: training images of some of them, by the same names (ZS Tab. 6).
        validation: sets that settings are chosen on; none where the paper's settings are taken.
        left_out: sets that cannot be examined, and why.
        prompts: that guide distillation (ZS Fig. 5).
    """

    dataset: str
    train: LabelledImages
    tests: dict[str, LabelledImages]
    targets: dict[str, LabelledImages]
    prompts: tuple[str, ...]
    validation: dict[str, LabelledImages] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """What is known of a test set without reading it.

    Attributes:
        like: the published set that it is, or whose part it plays.
        classes: how many.
    """

    like: str
    classes: int

    @property
    def coarse(self) -> bool:
        """Whether it tells kinds of things apart."""
        return self.like in COARSE


def kinds(name: str) -> dict[str, Kind]:
    """The test sets of `sets(name)` in their order; no file is opened."""
    if name == "pocket":
        from ktlib.pocket.sets import SETS

        return {own: Kind(one.like, len(one.names)) for own, one in SETS.items()}
    return {published: Kind(published, count) for published, count in (COARSE | FINE).items()}


# Of drawn pictures. ImageNet's two sets have no target of their own (ZS Tab. 6): they are the source.
POCKET_TRAIN, POCKET_TARGET = 20_480, 2_048


@functools.cache
def pocket() -> Sets:
    """The drawn sets."""
    from ktlib.pocket import sets as drawn

    sources = ("ImageNet-100", "ImageNet-1000")
    return Sets(
        dataset="pocket",
        train=drawn.everything(POCKET_TRAIN),
        tests={name: drawn.drawn_set(name, "test") for name in drawn.SETS},
        targets={
            name: drawn.drawn_set(name, "train", count=POCKET_TARGET)
            for name, one in drawn.SETS.items()
            if one.like not in sources
        },
        prompts=drawn.PROMPTS,
        validation={name: drawn.drawn_set(name, "validation") for name in drawn.VALIDATION},
    )


def _from_files(dataset: str, *, partial: bool) -> Sets:
    root = _fixtures() if partial else None
    tests, train = testsets.test_sets(root, partial=partial), testsets.train_sets(root, partial=partial)
    left_out = {}
    for name, images in list(tests.items()):
        try:
            testsets.class_names(images)
        except ValueError as error:  # one set without names should not keep the other eight from being measured
            left_out[name] = str(error)
            del tests[name]
            train.pop(name, None)
    images = train.pop("ImageNet")
    if partial:  # two prompts a class and a few images prove as much as all, in a fraction of the time
        tests = {name: replace(one, templates=one.templates[:2]) for name, one in tests.items()}
        images = images.take(list(range(0, len(images), 4)))
    return Sets(dataset, images, tests, train, published_prompts(), left_out=left_out)


def _fixtures() -> str:
    root = data_root() / "fixtures"
    fixtures.zoom_shot(root)
    return str(root)


def published_prompts() -> tuple[str, ...]:
    """The 44 prompts of ZS Fig. 5 as printed, duplicates and misprint included (D21)."""
    with (MANIFESTS / "published" / "prompts.csv").open(newline="", encoding="utf-8") as file:
        return tuple(line["text"] for line in csv.DictReader(file) if line["set"] == "zoomshot_pgkd")


@functools.cache
def generated() -> Sets:
    """A handful of generated files in the real formats: proves the path, measures nothing."""
    return _from_files("fixtures", partial=True)


@functools.cache
def files() -> Sets:
    """The real sets, where `KT_DATA` says they are.

    Raises:
        FileNotFoundError: a set is absent or incomplete.
    """
    return _from_files("files", partial=False)


_SOURCES = {"pocket": pocket, "fixtures": generated, "files": files}


def sets(name: str) -> Sets:
    """The sets by name.

    Raises:
        ValueError: there are no such ones.
    """
    if name not in _SOURCES:
        raise ValueError(f"expected sets ({', '.join(_SOURCES)}), found {name!r}")
    return _SOURCES[name]()
