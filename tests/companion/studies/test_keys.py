"""What is remembered is remembered of everything it depends on: each input is moved in turn, and the file is another.

A new place that remembers something joins `PLACES`; a test sees to that.
"""

import copy
import dataclasses
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ktlib import places
from ktlib.captioning import CaptioningSettings
from ktlib.companion import cells
from ktlib.companion.studies import bench, own_concept
from ktlib.companion.studies.bench import Course, Fold, Lesson, Subject
from ktlib.companion.studies.captioning import tables as captioning
from ktlib.companion.studies.medclip import nodules, outside
from ktlib.companion.studies.retrieval import tables as retrieval
from ktlib.companion.studies.segmentation import checks
from ktlib.companion.studies.segmentation import tables as segmentation
from ktlib.companion.studies.segmentation.instrument import Instrument
from ktlib.data.sets import Gallery, MaskedImages
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.inversion import InversionSettings
from ktlib.store import key
from ktlib.transfer import MatchingSettings, TransferSettings
from tests.companion.studies.segmentation import tiny
from tests.conftest import tiny_clip
from tests.tiny_sam import tiny_sam

SETTINGS = (InversionSettings, TransferSettings, MatchingSettings, CaptioningSettings, SaliencySettings)


# -- settings and courses ---------------------------------------------------------------------------------
def other(value):
    """Another value of the same kind, good or not: keys are made before anything is checked."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value}!"
    if isinstance(value, torch.Tensor):
        return value + 1
    if isinstance(value, tuple | list):
        return (*value, 7)
    if dataclasses.is_dataclass(value):
        return moved(value, dataclasses.fields(value)[0].name)
    return 7  # in the place of nothing


def moved(thing, field, value=None):
    """The same with one field changed, past every check."""
    found = copy.copy(thing)
    object.__setattr__(found, field, other(getattr(thing, field)) if value is None else value)
    return found


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field.name) for kind in SETTINGS for field in dataclasses.fields(kind)]
)
def test_every_setting_is_in_the_key(kind, field):
    assert key(moved(kind(), field)) != key(kind()) == key(kind())


COURSE = Course(
    Lesson(torch.zeros(2, 3, 4, 4)), "a moongate is round", ("a gyroscope spins",), 3, TransferSettings(),
    (("a picture of", "a moongate"),),
)  # fmt: skip
LESSON = Lesson(torch.ones(2, 3, 4, 4))


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Course)])
def test_everything_about_a_course_is_in_the_key(field):
    value = LESSON if field == "lesson" else None
    assert key(moved(COURSE, field, value)) != key(COURSE)


def test_what_says_what_it_depends_on_is_told_from_what_it_says():
    assert key(COURSE) != key(COURSE.parts)
    assert key(None) != key(COURSE)


# -- places that remember ---------------------------------------------------------------------------------
def changed(make, what):
    """A model like another one but for one thing that it computes with."""
    model = make()
    if what == "weights":
        with torch.no_grad():
            next(iter(model.parameters())).add_(1)
    elif what == "activation":
        layers = [m for m in model.modules() if any(isinstance(own, nn.GELU) for own in m.children())]
        name = next(name for name, own in layers[0].named_children() if isinstance(own, nn.GELU))
        setattr(layers[0], name, nn.ReLU())
    elif what == "normalisation":
        model.mean = model.mean + 0.1
    elif what == "size":
        model.image_size += 8
    return model


CHANGES = ("weights", "activation", "normalisation", "size")
MODEL, OTHERS = tiny_clip(), {what: changed(tiny_clip, what) for what in CHANGES}
SEGMENTER, SEGMENTERS = tiny_sam(), {what: changed(tiny_sam, what) for what in CHANGES if what != "activation"}


class Written(Exception):
    """The file that a result would be kept in."""


@pytest.fixture
def file(monkeypatch):
    """What a call would remember its result in."""

    def stop(path, compute):
        raise Written(path)

    for module in (cells, own_concept, checks):
        monkeypatch.setattr(module, "remembered", stop)

    def found(call):
        with pytest.raises(Written) as caught:
            call()
        return caught.value.args[0]

    return found


def subject(model=None, exam=None):
    fold = Fold(model or MODEL, exam or tiny.exam())
    return Subject("tiny", (fold,), replace(tiny.HERE.scans, models={}), tiny.HERE, Path("cache"))


def subjects():
    """The subject, and others that differ from it in one thing."""
    exam = tiny.exam()
    yield "as it is", subject()
    for what, model in OTHERS.items():
        yield what, subject(model)
    yield "pictures", subject(exam=replace(exam, digest="other pictures"))
    yield "templates", subject(exam=replace(exam, templates=("a film of {}",)))
    yield "phrases", subject(exam=replace(exam, phrases={"disk": ("a disk",)}))


def courses():
    yield "no course", None
    yield "course", COURSE
    for field in (f.name for f in dataclasses.fields(Course)):
        yield field, moved(COURSE, field, LESSON if field == "lesson" else None)


def differ(file, calls):
    """Every call has a file of its own, and the same one when it is made again."""
    found = {what: file(call) for what, call in calls.items()}
    assert len(set(found.values())) == len(found), found
    assert {what: file(call) for what, call in calls.items()} == found


def recognition(one, concept=0, **changed):
    return lambda: bench._scored(one, "item", "kt", [bench._Trial(one.exam.concepts[concept], **changed)])


def test_of_scores(file):
    calls = {what: recognition(one) for what, one in subjects()}
    calls |= {what: recognition(subject(), course=course) for what, course in courses() if course}
    calls |= {"concept": recognition(subject(), 1), "prompts": recognition(subject(), prompts=("a disk",))}
    differ(file, calls)


def test_of_answers_about_a_concept_of_one_s_own(file):
    def ask(one, concept=0, **changed):
        return lambda: own_concept._asked(one, one.only, one.exam.concepts[concept], **changed)

    calls = {what: ask(one) for what, one in subjects()}
    calls |= {what: ask(subject(), course=course) for what, course in courses() if course}
    differ(file, calls | {"concept": ask(subject(), 1), "prompts": ask(subject(), prompts=["a disk"])})


def test_of_looks_at_nodules(file):
    def look(one, concept=0, course=None):
        return lambda: nodules.look(one, one.exam.concepts[concept], course)

    calls = {what: look(one) for what, one in subjects()} | {"concept": look(subject(), 1)}
    differ(file, calls | {what: look(subject(), 0, course) for what, course in courses() if course})


def test_of_namings_of_films(file, monkeypatch):
    def name(one, course=None):
        return lambda: outside.name_films(one, outside.Trial(0, one.only), course)

    calls = {what: name(one) for what, one in subjects()}
    differ(file, calls | {what: name(subject(), course) for what, course in courses() if course})
    before = file(name(subject()))
    monkeypatch.setattr(outside, "FIRST_VALIDATION", outside.FIRST_VALIDATION + 1)
    assert file(name(subject())) != before


@pytest.mark.parametrize("study", [retrieval, captioning], ids=["searches", "captions"])
def test_of_searches_and_captions(file, monkeypatch, study):
    def gallery(subject, split):
        return Gallery(["an image"], ("a caption",), (0,), f"digest of {split}", split)

    def ask(one, split="test", **changed):
        call = retrieval.search if study is retrieval else captioning.caption
        return lambda: call(one, split, **changed)

    monkeypatch.setattr(study, "gallery", gallery)
    models = {what: subject(model) for what, model in OTHERS.items()} | {"as it is": subject()}
    calls = {what: ask(one) for what, one in models.items()} | {"split": ask(subject(), "validation")}
    calls |= {what: ask(subject(), course=course) for what, course in courses() if course}
    differ(file, calls | {"how": ask(subject(), **{"score" if study is retrieval else "search": "softmax"})})


def instrument(model=None, segmenter=None, **segmenting):
    here = replace(tiny.HERE, segmenting=replace(tiny.HERE.segmenting, **segmenting))
    return Instrument(replace(subject(model), scale=here), segmenter or SEGMENTER, tiny.LESIONS)


@pytest.fixture
def images(monkeypatch):
    """Images of a lesion, whose digests a test can change."""
    digests = {}

    def of(self, lesion, split):
        name = f"{lesion.name} {split}"
        return MaskedImages(name, ("one",), lambda index: None, digests.get(name, name))

    monkeypatch.setattr(Instrument, "images", of)
    return digests


def models():
    yield "as it is", instrument()
    for what, model in OTHERS.items():
        yield what, instrument(model)
    for what, model in SEGMENTERS.items():
        yield f"{what} of the segmenter", instrument(segmenter=model)


def test_of_masks(file, images):
    def look(own, lesion=0, split="test", course=None, settings=tiny.MAPS):
        return lambda: segmentation.look(own, own.lesions[lesion], split, [course], settings, progress=False)

    calls = {what: look(own) for what, own in models()}
    calls |= {what: look(instrument(), course=course) for what, course in courses() if course}
    calls |= {f.name: look(instrument(), settings=moved(tiny.MAPS, f.name)) for f in dataclasses.fields(tiny.MAPS)}
    differ(file, calls | {"lesion": look(instrument(), 1), "split": look(instrument(), split="validation")})


def test_of_limits(file, images):
    def limits(own, lesion=0, split="test"):
        return lambda: segmentation.limits(own, own.lesions[lesion], split)

    outlining = {what: own for what, own in models() if "segmenter" in what or what == "as it is"}
    calls = {what: limits(own) for what, own in outlining.items()}
    differ(file, calls | {"lesion": limits(instrument(), 1), "split": limits(instrument(), split="validation")})


def test_of_choices(file, images):
    def choice(own, lesion=0, **changed):
        return lambda: segmentation.choice(own, own.lesions[lesion], **changed)

    calls = {what: choice(own) for what, own in models()} | {"lesion": choice(instrument(), 1)}
    calls |= {what: choice(instrument(), rule="published", course=course) for what, course in courses()}
    grids = {"betas": (0.3,), "layers": (1,), "maps": SaliencySettings(steps=9)}
    differ(file, calls | {what: choice(instrument(**{what: value})) for what, value in grids.items()})


def test_of_checks(file, images):
    def check(own, lesion=0, settings=tiny.MAPS):
        return lambda: checks.checks(own, own.lesions[lesion], settings)

    calls = {what: check(own) for what, own in models()} | {"lesion": check(instrument(), 1)}
    differ(
        file, calls | {"layers": check(instrument(layers=(1,))), "settings": check(instrument(), 0, SaliencySettings())}
    )
    before = file(check(instrument()))
    images["disk validation"] = "other images to choose the layer on"
    assert file(check(instrument())) != before


def test_no_other_place_remembers_anything():
    tested = {module.__name__.replace(".", "/") + ".py" for module in (bench, nodules, outside, retrieval, captioning)}
    tested |= {module.__name__.replace(".", "/") + ".py" for module in (own_concept, segmentation, checks)}
    found = {
        str(path.relative_to(places.ROOT))
        for path in (places.ROOT / "ktlib").rglob("*.py")
        if re.search(r"\bremembered\(|companion\.cells import .*\bCell\b", path.read_text(encoding="utf-8"))
        and path.name not in ("store.py", "cells.py")
    }
    assert found == tested
