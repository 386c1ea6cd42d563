"""What is examined, searched and mapped: by name, in the paper's order, drawn, generated or real."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ktlib.companion import sources
from ktlib.companion.sources import generated as fixtures
from ktlib.companion.sources import real
from ktlib.data import manifests
from ktlib.data.sets import LabelledImages
from ktlib.evaluate.calibration import CELLS, Cell
from ktlib.models import load
from ktlib.pocket import exams


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixtures.zoom_shot(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(root: Path) -> dict[str, LabelledImages]:
    return real.train_sets(root, partial=True)


def printed(item: str) -> list[str]:
    """Datasets of a table of ZS, in its order, as the published results have them."""
    with (manifests.MANIFESTS / "published" / "results.csv").open(newline="", encoding="utf-8") as lines:
        names = [row["dataset"] for row in csv.DictReader(lines) if row["paper"] == "ZS" and row["item"] == item]
    return [name for name in dict.fromkeys(names) if name != "Average"]


def test_the_test_sets_are_those_of_table_1_in_its_order(root: Path) -> None:
    sets = real.test_sets(root, partial=True)
    assert list(sets) == printed("Tab. 1")
    assert len(sets) == 9
    assert all(name == images.name for name, images in sets.items())
    assert len({images.digest for images in sets.values()}) == 9


def test_the_training_sets_are_those_of_table_6_and_imagenet(trained: dict[str, LabelledImages]) -> None:
    assert list(trained) == [*printed("Tab. 6"), "ImageNet"]
    assert len(trained["ImageNet"]) == 5 * 40


def test_every_set_gives_pictures_and_labels_within_its_names(root: Path, trained: dict[str, LabelledImages]) -> None:
    for images in [*real.test_sets(root, partial=True).values(), *trained.values()]:
        pictures = next(images.batches(4, 32))
        assert pictures.shape == (4, 3, 32, 32)
        assert 0 <= pictures.min() < pictures.max() <= 1
        assert not images.names or max(images.labels) < len(images.names)
        assert all("{}" in template for template in images.templates)


def test_fixtures_made_twice_are_the_same_bytes(root: Path, trained: dict[str, LabelledImages]) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert fixtures.zoom_shot(root) == root
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    again = real.train_sets(root, partial=True)
    assert {name: images.digest for name, images in again.items()} == {n: i.digest for n, i in trained.items()}


def test_real_sets_are_looked_for_in_the_data_folder_and_fixtures_do_not_pass_for_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KT_DATA", str(root))
    with pytest.raises(FileNotFoundError, match="expected the frozen class names .*ktlib calibrate zoom_shot"):
        sources.sets("files")
    monkeypatch.setattr(sources, "calibrated", lambda gate: gate.cells[0])
    with pytest.raises(ValueError, match=f"expected the published CIFAR-10 in {root}"):
        sources.sets("files")


def test_a_part_keeps_pictures_with_their_labels(trained: dict[str, LabelledImages]) -> None:
    images = trained["ImageNet"]
    label_of = {images.read(index).tobytes(): images.labels[index] for index in range(len(images))}
    part = images.take([150, 3, 77])
    assert [label_of[part.read(index).tobytes()] for index in range(3)] == list(part.labels)
    assert part.read(0).tobytes() == images.read(150).tobytes()
    assert part.digest not in (images.digest, images.take([3, 77, 150]).digest)


def test_a_set_without_names_is_refused_where_names_are_needed(root: Path) -> None:
    sets = real.test_sets(root, partial=True)
    assert real.class_names(sets["CUB-200"]) == ("Black footed Albatross", "Laysan Albatross")
    with pytest.raises(
        ValueError, match=r"zero-shot evaluation on Herbarium-19, found none: .*class_names\.txt, or leave"
    ):
        real.class_names(sets["Herbarium-19"])


def test_sets_that_may_lack_are_left_out_and_others_are_not(tmp_path: Path) -> None:
    root = fixtures.zoom_shot(tmp_path)
    every = list(real.test_sets(root, partial=True))
    for name, manifest in real.OPTIONAL.items():
        (root / manifests.dataset(manifest).where).rename(tmp_path / f"away {name}")
    kept = [name for name in every if name not in real.OPTIONAL]
    found = sources._sets_from("fixtures", root, partial=True)
    assert list(found.tests) == kept and len(kept) == 7
    assert list(found.targets) == [name for name in printed("Tab. 6") if name in kept]
    for name, manifest in real.OPTIONAL.items():
        assert re.match(f"there is no .*`python -m ktlib data show {manifest}`", found.left_out[name])
        with pytest.raises(FileNotFoundError, match=f"data show {manifest}"):
            real.test_sets(root, without={*real.OPTIONAL} - {name}, partial=True)
    shutil.rmtree(root / manifests.dataset("cub_200").where)
    with pytest.raises(FileNotFoundError, match="data show cub_200"):
        sources._sets_from("fixtures", root, partial=True)


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Generated files in a folder of their own."""
    cached = [f for f in vars(sources).values() if hasattr(f, "cache_clear") and "generated" in f.__name__]
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.parametrize("name", ["fixtures", "fixtures small"])
def test_generated_files_make_an_examination(name: str, generated: None) -> None:
    exam = sources.examination(name)
    every = ["gyroscope", "moongate", "tonometer"]
    assert [c.name for c in exam.concepts] == (every if name == "fixtures" else every[:2])
    assert exam.dataset == "fixtures" and exam.of("validation") == []
    for walk in (exam.known, exam.known):  # again and again
        assert sum(len(labels) for _, labels in walk) == (10 if name == "fixtures" else 4)
    assert len(exam.known_names) == 5
    assert exam.pictures("moongate").shape == (2, 3, 224, 224)
    assert exam.lessons("moongate", 2, 0) is None
    assert exam.concept("moongate").main.startswith("a " if name == "fixtures small" else "A ")


def test_generated_files_make_a_gallery_and_sets(generated: None) -> None:
    assert len(sources.gallery("fixtures", "validation").images) == 2
    assert len(sources.gallery("fixtures", "test").images) == 4
    found = sources.sets("fixtures")
    assert list(found.tests) == [name for name in printed("Tab. 1") if name != "Herbarium-19"]
    assert set(found.left_out) == {"Herbarium-19"} and "Herbarium-19" not in found.targets
    assert all(len(images.templates) <= 2 for images in found.tests.values())
    assert len(found.train) == 12 and set(found.train.labels) == set(range(5)), "some of every class"
    parts = [*found.tests.values(), *found.targets.values()]
    assert {len(images) for images in parts} == {3}, "each costs a pass through six encoders"


def test_generated_files_make_captions_and_real_pictures_of_categories(generated: None) -> None:
    shown = sources.gallery("fixtures coco", "test")
    assert [len(shown.of(number)) for number in range(len(shown.images))] == [5, 5, 6]
    exam = sources.examination("fixtures coco")
    assert len(exam.concepts) == 80 and exam.concept("person").main.startswith("A human figure")
    lesson = exam.lessons("person", 3, 0)
    assert lesson is not None and lesson.shape == (2, 3, 224, 224)  # of the four validation images two are of a person
    assert exam.lessons("zebra", 3, 0) is None


def test_the_published_split_is_looked_for_in_the_data_folder(generated: None, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected Karpathy's split file .*mscoco.dataset_coco\.json"):
        sources.gallery("mscoco", "test")
    fixtures.coco(tmp_path)
    with pytest.raises(ValueError, match="expected 5,000 images of the split val in .* found 4"):
        sources.gallery("mscoco", "validation")  # generated files do not pass for it


def test_the_small_examination_is_a_part_of_the_whole_one() -> None:
    small = sources.examination("pocket small")
    ((images, labels),) = small.known
    assert len(small.known_names) == 28
    assert len(images) == len(labels) == 28 * exams.SMALL_KNOWN_PICTURES
    assert all(set(c.look_alikes) <= set(small.known_names) for c in small.concepts)
    assert len(small.pictures("moongate")) == exams.SMALL_PICTURES


@pytest.mark.parametrize("number", range(4))
def test_the_examination_of_a_fold_has_its_dozen_and_what_its_models_know(number: int) -> None:
    exam = sources.examination(f"pocket {number}")
    assert len(exam.of("validation")) == 3 and len(exam.of("test")) == 9
    assert len(exam.known_names) == 36 and not {c.name for c in exam.concepts} & set(exam.known_names)
    ((images, labels),) = exam.known
    assert len(images) == len(labels) == 36 * exams.KNOWN_PICTURES
    assert all(c.look_alikes and set(c.look_alikes) <= set(exam.known_names) for c in exam.concepts)
    assert exam.pictures(exam.concepts[0].name).shape == (exams.PICTURES, 3, 64, 64)


def test_real_lessons_are_not_among_the_examined_pictures() -> None:
    exam = sources.examination("pocket 0")
    examined, lesson = exam.pictures("moongate"), exam.lessons("moongate", 10, 2)
    assert lesson is not None
    assert not any(torch.equal(a, b) for a in examined for b in lesson)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected an examination \(pocket 0, .*, lesions\), found 'coco'"):
        sources.examination("coco")
    with pytest.raises(ValueError, match=r"expected a gallery \(pocket, pocket coco, .*, mscoco\), found 'coco'"):
        sources.gallery("coco", "test")
    with pytest.raises(ValueError, match=r"expected a split \(validation, test\), found 'train'"):
        sources.gallery("pocket", "train")
    with pytest.raises(ValueError, match=r"expected sets \(pocket, fixtures, files\), found 'imagenet'"):
        sources.sets("imagenet")


def test_the_eighty_categories_are_the_papers_and_fit_forty_tokens_by_words():
    told = sources.everyday("flickr30k")
    assert len(told) == 80
    assert told["person"].startswith("A human figure")
    assert max(len(f"A {name} is {text}".split()) for name, text in told.items()) <= 30


def test_the_pocket_s_everyday_things_are_described_in_its_own_words():
    told = sources.everyday("pocket")
    assert len(told) == 36
    model = load("random/vilt-b32")
    ids = model.tokenizer([f"a {name} is {text}" for name, text in told.items()]).input_ids
    assert all(model.tokenizer.unk_token_id not in row for row in ids)
    assert all("{" not in text for text in told.values())


@pytest.fixture
def described(tmp_path: Path) -> Path:
    fixtures.rare_concepts(tmp_path)
    fixtures.imagenet(tmp_path)
    fixtures.imagenet_train(tmp_path, per_class=1)
    return fixtures.patterns(tmp_path).parent


def test_patterns_come_from_the_users_own_descriptions_and_those_left_out_are_named(described: Path) -> None:
    assert real.undescribed() == ("bengal stripe", "floral", "madras", "chantilly")
    with pytest.warns(UserWarning, match=r"left out of RareConcepts: bengal stripe: .*; floral: .*descriptions\.csv"):
        exam = real.imagenet_1000(described, dataset="fixtures", cell=CELLS[1], partial=True)
    assert [c.name for c in exam.concepts if c.kind == "pattern"] == ["chantilly", "madras"]
    assert set(exam.left_out) == {"bengal stripe", "floral"}
    assert "its pictures in" in exam.left_out["bengal stripe"] and "its pictures" not in exam.left_out["floral"]
    assert exam.pictures("madras").shape == (1, 3, 224, 224)


def test_vilt_is_taught_short_descriptions_and_reads_whole_pictures_where_the_gate_says_so(described: Path) -> None:
    whole, centre = Cell("first", "a photo of a {}.", "whole"), Cell("all", "{}", "centre")
    with pytest.warns(UserWarning, match="left out for ViLT: madras: it lacks a short description"):
        exam = real.imagenet_100(described, cell=whole, side=32, partial=True)
    assert "madras" not in [c.name for c in exam.concepts] and "madras" in exam.left_out
    assert exam.concept("chantilly").main == "a wood floor of squares"
    assert {tuple(images.shape[1:]) for images, _ in exam.known} == {(3, 48, 64)}
    assert exam.known_names == ("tench", "crane", "crane") and exam.templates == (whole.template,)
    with pytest.warns(UserWarning):
        cut = real.imagenet_100(described, cell=centre, side=32, partial=True)
    ((images, labels),) = cut.known
    assert images.shape == (len(labels), 3, 32, 32) and cut.digest != exam.digest
    assert cut.known_names[0] == "tench, Tinca tinca"


def test_a_user_may_not_describe_what_the_papers_describe(described: Path) -> None:
    file = described / "rare_concepts" / "descriptions.csv"
    file.write_text(file.read_text() + "moongate,object,,,a round door\n")
    with pytest.raises(ValueError, match="expected no description of moongate .*the papers print theirs"):
        real.imagenet_1000(described, dataset="fixtures", cell=CELLS[1], partial=True)


def test_zoom_shots_imagenets_are_named_and_prompted_as_the_gate_says(root: Path) -> None:
    usual = real.test_sets(root, partial=True)
    sets = real.test_sets(root, cell=Cell("first", "a photo of a {}"), partial=True)
    assert sets["ImageNet-1000"].names == ("tench", "crane", "Cardigan", "cardigan", "crane")
    assert sets["ImageNet-100"].names == ("tench", "crane", "crane")
    assert sets["ImageNet-1000"].templates == ("a photo of a {}",) and len(usual["ImageNet-1000"].templates) == 80
    assert sets["CUB-200"].templates == usual["CUB-200"].templates
