"""The sets of Zoom-shot by name and in the paper's order, their prompts, and random parts of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ktlib.companion import generated as fixtures
from ktlib.companion import testsets
from ktlib.data import manifests, prompts
from ktlib.data.sets import LabelledImages


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixtures.zoom_shot(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(root: Path) -> dict[str, LabelledImages]:
    return testsets.train_sets(root, partial=True)


def printed(item: str) -> list[str]:
    """Datasets of a table of ZS, in its order, as the published results have them."""
    with (manifests.MANIFESTS / "published" / "results.csv").open(newline="", encoding="utf-8") as lines:
        names = [row["dataset"] for row in csv.DictReader(lines) if row["paper"] == "ZS" and row["item"] == item]
    return [name for name in dict.fromkeys(names) if name != "Average"]


def test_the_test_sets_are_those_of_table_1_in_its_order(root: Path) -> None:
    sets = testsets.test_sets(root, partial=True)
    assert list(sets) == printed("Tab. 1")
    assert len(sets) == 9
    assert all(name == images.name for name, images in sets.items())
    assert len({images.digest for images in sets.values()}) == 9


def test_the_training_sets_are_those_of_table_6_and_imagenet(trained: dict[str, LabelledImages]) -> None:
    assert list(trained) == [*printed("Tab. 6"), "ImageNet"]
    assert len(trained["ImageNet"]) == 5 * 40


def test_every_set_gives_pictures_and_labels_within_its_names(root: Path, trained: dict[str, LabelledImages]) -> None:
    for images in [*testsets.test_sets(root, partial=True).values(), *trained.values()]:
        pictures = next(images.batches(4, 32))
        assert pictures.shape == (4, 3, 32, 32)
        assert 0 <= pictures.min() < pictures.max() <= 1
        assert not images.names or max(images.labels) < len(images.names)
        assert all("{}" in template for template in images.templates)


def test_fixtures_made_twice_are_the_same_bytes(root: Path, trained: dict[str, LabelledImages]) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert fixtures.zoom_shot(root) == root
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    again = testsets.train_sets(root, partial=True)
    assert {name: images.digest for name, images in again.items()} == {n: i.digest for n, i in trained.items()}


def test_the_data_folder_is_the_default(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KT_DATA", str(root))
    assert list(testsets.test_sets(partial=True)) == printed("Tab. 1")
    assert len(testsets.train_sets(partial=True)) == 8


def test_fixtures_do_not_pass_for_the_published_sets(root: Path) -> None:
    with pytest.raises(ValueError, match="expected the published CIFAR-10"):
        testsets.test_sets(root)


def test_a_part_keeps_pictures_with_their_labels(trained: dict[str, LabelledImages]) -> None:
    images = trained["ImageNet"]
    label_of = {images.read(index).tobytes(): images.labels[index] for index in range(len(images))}
    part = images.take([150, 3, 77])
    assert [label_of[part.read(index).tobytes()] for index in range(3)] == list(part.labels)
    assert part.read(0).tobytes() == images.read(150).tobytes()
    assert part.digest not in (images.digest, images.take([3, 77, 150]).digest)


def test_a_set_without_names_is_refused_where_names_are_needed(root: Path) -> None:
    sets = testsets.test_sets(root, partial=True)
    assert testsets.class_names(sets["CUB-200"]) == ("Black footed Albatross", "Laysan Albatross")
    with pytest.raises(
        ValueError, match=r"zero-shot evaluation on Herbarium-19, found none: .*class_names\.txt, or leave"
    ):
        testsets.class_names(sets["Herbarium-19"])


def test_prompts_are_as_many_as_clip_has() -> None:
    counts = {"CIFAR-10": 18, "CIFAR-100": 18, "Flowers-102": 1, "Oxford-IIIT Pets": 1, "Stanford Cars": 8}
    for name, count in (counts | {"ImageNet": 80, "ImageNet-100": 80, "ImageNet-1000": 80}).items():
        found = prompts.templates(name)
        assert len(found) == len(set(found)) == count
    assert all(len(prompts.templates(name)) == 1 for name in ("CUB-200", "Herbarium-19"))  # CLIP has none for these


def test_prompts_of_cifar_and_cars_are_built_as_clip_writes_them() -> None:
    """The lists of `data/prompts.md` of openai/CLIP, in its order and written out."""
    looks = ["photo", "blurry photo", "black and white photo", "low contrast photo", "high contrast photo"]
    plain = [f"a {look} of a {{}}." for look in [*looks, "bad photo", "good photo"]]
    plain += ["a photo of a small {}.", "a photo of a big {}."]
    assert list(prompts.templates("CIFAR-10")) == plain + [prompt.replace("of a", "of the") for prompt in plain]
    assert prompts.templates("CIFAR-100") == prompts.templates("CIFAR-10")
    assert list(prompts.templates("Stanford Cars")) == [
        "a photo of a {}.",
        "a photo of the {}.",
        "a photo of my {}.",
        "i love my {}!",
        "a photo of my dirty {}.",
        "a photo of my clean {}.",
        "a photo of my new {}.",
        "a photo of my old {}.",
    ]


def test_prompts_of_imagenet_are_open_clip_s() -> None:
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

    filled = [template.replace("{}", "crane") for template in prompts.templates("ImageNet-1000")]
    assert filled == [fill("crane") for fill in OPENAI_IMAGENET_TEMPLATES]


def test_a_set_without_prompts_is_named() -> None:
    with pytest.raises(KeyError, match="expected a set of CIFAR-10, .*or ImageNet, found 'SUN397'; add its prompts"):
        prompts.templates("SUN397")
