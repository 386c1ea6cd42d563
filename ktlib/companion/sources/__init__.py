"""What is examined, searched and mapped: drawn, generated in the real formats, or real.

This is the one place that chooses between the three. What is drawn comes from `ktlib.pocket`; what is real
through the module `real` beside it; what `generated` writes is read as if it were real.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch

from ktlib import places
from ktlib.companion.sources import films, generated, generated_medical, real
from ktlib.companion.sources import masks as looked_for
from ktlib.companion.sources.masks import Lesion
from ktlib.data import coco, flickr30k, prompts
from ktlib.data.sets import Examination, Gallery, LabelledImages, MaskedImages
from ktlib.evaluate.calibration import CELLS, VILT, ZOOM_SHOT, Cell
from ktlib.evaluate.calibration import frozen as calibrated
from ktlib.pocket import exams, medical_exams
from ktlib.pocket import sets as drawn
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.folds import FOLDS
from ktlib.store import key

T = TypeVar("T")
SPLITS = {"validation": "val", "test": "test"}  # ours, and Flickr30k's word for it


def _chosen(what: str, name: str, offered: Mapping[str, T]) -> T:
    """One of what is offered.

    Raises:
        ValueError: it is not among them.
    """
    if name not in offered:
        raise ValueError(f"expected {what} ({', '.join(offered)}), found {name!r}")
    return offered[name]


def _fixtures() -> Path:
    """Where generated files lie."""
    return places.data() / "fixtures"


# -- examinations -----------------------------------------------------------------------------------
@functools.cache
def _imagenet() -> Examination:
    return real.imagenet_1000(places.data(), dataset="imagenet", cell=calibrated())


@functools.cache
def _generated_imagenet() -> Examination:
    root = _fixtures()
    generated.rare_concepts(root)
    generated.imagenet(root)
    return real.imagenet_1000(root, dataset="fixtures", cell=CELLS[1], partial=True)


@functools.cache
def _generated_imagenet_small() -> Examination:
    """Names and descriptions are the pocket's, whose words are all that the random ViLT reads."""
    exam = _generated_imagenet()
    names = exams.small_examination().known_names[: len(exam.known_names)]
    pictures, labels = (torch.cat(parts)[:4] for parts in zip(*exam.known, strict=True))
    return replace(
        exam,
        known=[(pictures, labels)],
        concepts=tuple(replace(c, main=DESCRIBED[c.name].medium) for c in exam.concepts[:2]),  # each costs many passes
        known_names=names,
        templates=("a photo of a {}",),
        digest=key(exam.digest, names),
    )


@functools.cache
def _imagenet_100() -> Examination:
    return real.imagenet_100(places.data(), cell=calibrated(VILT))


@functools.cache
def _coco80(source: str) -> Examination:
    """The eighty categories, with pictures of them from the validation images of a gallery."""
    return real.coco_classes(functools.partial(gallery, source, "validation"))


@functools.cache
def _films() -> Examination:
    return films.nodules(places.data())


@functools.cache
def _outside() -> Examination:
    return films.outside(places.data())


@functools.cache
def _generated_films() -> Examination:
    generated_medical.jsrt(_fixtures())
    generated_medical.chexpert_5x200(_fixtures())
    return films.nodules(_fixtures(), dataset="fixtures", partial=True, side=generated_medical.JSRT_SIDE)


@functools.cache
def _generated_outside() -> Examination:
    generated_medical.chexpert_5x200(_fixtures())
    return films.outside(_fixtures(), dataset="fixtures", partial=True)


@functools.cache
def _generated_masks() -> Path:
    for make in (
        generated_medical.unitochest, generated_medical.siim_pneumothorax, generated_medical.udiat,
        generated_medical.brats_2023,
    ):  # fmt: skip
        make(_fixtures())
    return _fixtures()


@functools.cache
def _lesions() -> Examination:
    return looked_for.examination(places.data())


@functools.cache
def _generated_lesions() -> Examination:
    return looked_for.examination(_generated_masks(), dataset="fixtures", partial=True)


def examination(name: str) -> Examination:
    """Concepts to be taught, and everything that should be kept.

    Args:
        name: `pocket 0` to `pocket 3` (drawn, a fold each), `fixtures` (generated files: proves the path,
            measures nothing) or `imagenet` (RareConcepts and ImageNet-1k); and, where every class prompt costs
            a pass, the smaller `pocket small`, `fixtures small` and `imagenet-100`, as the papers examine ViLT (D37);
            and what is taught before captions are written, with nothing to be examined: `pocket coco`,
            `fixtures coco` and `coco80` (the papers' eighty categories; KT v1, Tab. 17); and films of the chest:
            `pocket films` (thirty-two nodules), `pocket pair`, `fixtures films` and `films` (benign and malignant
            ones), `pocket outside`, `fixtures outside` and `outside` (the five findings, for whoever knows none);
            and lesions that are looked for in `masked_images`: `pocket slices`, `fixtures slices` and `lesions`.

    Raises:
        ValueError: there is no such one.
        FileNotFoundError: files are absent, or the class names of `imagenet` are not calibrated yet.
    """
    offered: Mapping[str, Callable[[], Examination]] = {
        **{f"pocket {fold.number}": functools.partial(exams.examination, fold.number) for fold in FOLDS},
        "pocket small": exams.small_examination,
        "pocket coco": exams.scene_objects,
        "fixtures": _generated_imagenet,
        "fixtures coco": functools.partial(_coco80, "fixtures coco"),
        "fixtures small": _generated_imagenet_small,
        "imagenet": _imagenet,
        "imagenet-100": _imagenet_100,
        "coco80": functools.partial(_coco80, "mscoco"),
        # Everything that films show is on the list; what is to be kept are the findings, as in the paper (D68).
        "pocket films": functools.partial(
            medical_exams.examination, films=20, known=20, others=0, first=medical_exams.UNSEEN
        ),
        "pocket pair": functools.partial(medical_exams.pair, first=medical_exams.UNSEEN),
        "pocket outside": functools.partial(medical_exams.outside, first=medical_exams.UNSEEN),
        "fixtures films": _generated_films,
        "fixtures outside": _generated_outside,
        "films": _films,
        "outside": _outside,
        "pocket slices": functools.partial(medical_exams.slices, "test"),
        "fixtures slices": _generated_lesions,
        "lesions": _lesions,
    }
    return _chosen("an examination", name, offered)()


# -- galleries ----------------------------------------------------------------------------------------
@functools.cache
def _generated_flickr30k(split: str) -> Gallery:
    generated.flickr30k(_fixtures())
    return flickr30k.read(_fixtures(), split=SPLITS[split], partial=True)


def _flickr30k(split: str) -> Gallery:
    return flickr30k.read(split=SPLITS[split])


@functools.cache
def _generated_coco(split: str) -> Gallery:
    generated.coco(_fixtures())
    return coco.read(_fixtures(), split=SPLITS[split], partial=True)


def _coco(split: str) -> Gallery:
    return coco.read(split=SPLITS[split])


def gallery(name: str, split: str) -> Gallery:
    """The images and captions of a split.

    Args:
        name: `pocket`, `fixtures` or `flickr30k`, to be searched; `pocket coco`, `fixtures coco` or `mscoco`, to be
            captioned.
        split: `validation` (settings are chosen on it; Karpathy's where there is one) or `test`.

    Raises:
        ValueError: there is no such gallery or split.
        FileNotFoundError: files are absent.
    """
    _chosen("a split", split, SPLITS)
    offered: Mapping[str, Callable[[str], Gallery]] = {
        "pocket": exams.gallery,
        "pocket coco": exams.captioned,
        "fixtures": _generated_flickr30k,
        "fixtures coco": _generated_coco,
        "flickr30k": _flickr30k,
        "mscoco": _coco,
    }
    return _chosen("a gallery", name, offered)(split)


def everyday(name: str, seed: int = 0) -> dict[str, str]:
    """Everyday concepts and a description of each: what is taught before a gallery is searched (KT v1, Sec. 8.7).

    Args:
        name: `pocket`: the known objects of the drawn world; `flickr30k` and `fixtures`: the papers' eighty
            COCO categories (KT v1, Tab. 17).
        seed: of the colours of drawn objects.

    Raises:
        ValueError: there is no such gallery.
    """
    coco = functools.partial(real.descriptions, "coco80")
    told = {"pocket": functools.partial(exams.everyday, seed), "fixtures": coco, "flickr30k": coco}
    return _chosen("a gallery", name, told)()


# -- images with masks ----------------------------------------------------------------------------------
def lesions(name: str) -> tuple[Lesion, ...]:
    """What is looked for, in the order of KT v1, Tab. 4.

    Args:
        name: `pocket`, `fixtures` or `files`.

    Raises:
        ValueError: there are no such ones.
    """
    published = looked_for.lesions
    return _chosen("lesions", name, {"pocket": looked_for.drawn_lesions, "fixtures": published, "files": published})()


def masked_images(name: str, lesion: str, split: str) -> MaskedImages:
    """Images with one of the lesions, and their masks, paired by name.

    Args:
        name: as in `lesions`.
        lesion: its name.
        split: `validation` (settings are chosen on it), `lesson` (real pictures to learn from) or `test`.

    Raises:
        ValueError: there is no such one.
        FileNotFoundError: a set is absent.
    """
    _chosen("a split", split, dict.fromkeys(looked_for.SPLITS))
    _chosen("a lesion", lesion, {one.name: one for one in lesions(name)})
    if name == "pocket":
        return looked_for.drawn_images(lesion, split)
    generated_ = name == "fixtures"
    root = _generated_masks() if generated_ else places.data()
    return looked_for.read_images(root, lesion, split, partial=generated_)


# -- sets for Zoom-shot -------------------------------------------------------------------------------
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
        tests: sets by name, in the order of ZS Tab. 1; nine where none is left out.
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
        return {own: Kind(one.like, len(one.names)) for own, one in drawn.SETS.items()}
    return {published: Kind(published, count) for published, count in (COARSE | FINE).items()}


@functools.cache
def _drawn_sets() -> Sets:
    return Sets(
        "pocket", drawn.everything(), drawn.tests(), drawn.targets(), drawn.PROMPTS, validation=drawn.validation()
    )


@functools.cache
def _generated_sets() -> Sets:
    """A handful of generated files; two prompts a class and three images a set prove as much as all."""

    def some(images: LabelledImages, count: int) -> LabelledImages:
        return images.take(list(range(0, len(images), max(1, len(images) // count)))[:count])

    found = _sets_from("fixtures", generated.zoom_shot(_fixtures()), partial=True)
    return replace(
        found,
        tests={name: replace(some(one, 3), templates=one.templates[:2]) for name, one in found.tests.items()},
        train=some(found.train, 12),
        targets={name: some(one, 3) for name, one in found.targets.items()},
    )


@functools.cache
def _real_sets() -> Sets:
    return _sets_from("files", places.data(), cell=calibrated(ZOOM_SHOT))


def _sets_from(dataset: str, root: Path, *, cell: Cell | None = None, partial: bool = False) -> Sets:
    left_out = real.not_there(root)
    tests = real.test_sets(root, cell=cell, without=left_out, partial=partial)
    train = real.train_sets(root, without=left_out, partial=partial)
    for name, one in list(tests.items()):
        try:
            real.class_names(one)
        except ValueError as error:  # one set without names should not keep the other eight from being measured
            left_out[name] = str(error)
            del tests[name]
            train.pop(name, None)
    return Sets(dataset, train.pop("ImageNet"), tests, train, prompts.published("zoomshot_pgkd"), left_out=left_out)


def sets(name: str) -> Sets:
    """The sets that Zoom-shot is trained and tested on.

    Args:
        name: `pocket`, `fixtures` or `files` (the real ones, where `KT_DATA` says they are).

    Raises:
        ValueError: there are no such ones.
        FileNotFoundError: a set that cannot be left out (`real.OPTIONAL`) is absent, or one is incomplete.
    """
    return _chosen("sets", name, {"pocket": _drawn_sets, "fixtures": _generated_sets, "files": _real_sets})()
