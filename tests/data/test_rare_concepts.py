"""A folder for each concept, with and without a manifest, whole and damaged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from ktlib.companion.sources import generated as fixtures
from ktlib.data import images, rare_concepts
from tests.damage import Damage, damage


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return fixtures.rare_concepts(tmp_path)


def test_the_concepts_are_the_folders(home: Path) -> None:
    assert rare_concepts.concepts(home.parent) == ["gyroscope", "moongate", "tonometer"]


def test_paths_of_a_concept_ignore_the_case_of_its_name(home: Path) -> None:
    assert rare_concepts.paths("Moongate", home.parent) == [home / "moongate" / "0.jpg", home / "moongate" / "1.png"]


def test_pictures_of_every_mode_become_one_batch(home: Path) -> None:
    for concept in fixtures.CONCEPTS:
        pictures = [images.resize(images.read_image(path), 32) for path in rare_concepts.paths(concept, home.parent)]
        batch = images.to_tensor(pictures)
        assert batch.shape == (2, 3, 32, 32)
        assert 0 <= batch.min() < batch.max() <= 1
        assert not torch.equal(batch[0], batch[1])


def test_the_root_defaults_to_the_environment_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KT_DATA", str(home.parent))
    assert len(rare_concepts.paths("gyroscope")) == 2


def test_without_a_manifest_nothing_is_checked(home: Path) -> None:
    (home / "manifest.csv").unlink()
    damage(home, "digest mismatch")
    assert len(rare_concepts.paths("moongate", home.parent)) == 2


def test_an_empty_digest_is_not_checked(home: Path) -> None:
    manifest = home / "manifest.csv"
    manifest.write_text(re.sub(r"[0-9a-f]{64}", "", manifest.read_text()))
    damage(home, "digest mismatch")
    assert len(rare_concepts.paths("moongate", home.parent)) == 2


def test_an_absent_concept_names_those_that_are_there(home: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="expected a folder 'theremin' .*found gyroscope, moongate, tonometer; "
    ):
        rare_concepts.paths("theremin", home.parent)


def test_an_absent_data_set_says_that_the_pictures_must_be_collected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a folder for each concept .*found no such folder.*collect"):
        rare_concepts.concepts(tmp_path)
    (tmp_path / "rare_concepts").mkdir()
    with pytest.raises(FileNotFoundError, match="expected a folder for each concept .*found none; make .*moongate"):
        rare_concepts.concepts(tmp_path)


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("digest mismatch", ValueError, r"expected sha256 [0-9a-f]{64} for .*1\.png .*found [0-9a-f]{64}; fetch"),
        ("truncated image", ValueError, r"expected sha256 .*1\.png .*fetch the file again"),
        ("missing image", FileNotFoundError, r"expected 1\.png in .*moongate because .*manifest\.csv lists it.*fetch"),
        ("empty folder", FileNotFoundError, r"expected files ending in .*moongate, found nothing; put the pictures"),
    ],
)
def test_a_damaged_folder_is_refused(home: Path, how: Damage, error: type[Exception], message: str) -> None:
    damage(home, how)
    assert rare_concepts.paths("tonometer", home.parent)  # the other concepts still read
    with pytest.raises(error, match=message):
        rare_concepts.paths("moongate", home.parent)


def test_a_truncated_picture_is_named_even_without_a_manifest(home: Path) -> None:
    (home / "manifest.csv").unlink()
    damage(home, "truncated image")
    with pytest.raises(ValueError, match=r"expected a complete picture, found .*1\.png .*fetch it again"):
        images.read_folder(home / "moongate", size=32)


def test_a_picture_that_the_manifest_does_not_list_is_refused(home: Path) -> None:
    (home / "moongate" / "2.png").write_bytes((home / "moongate" / "1.png").read_bytes())
    with pytest.raises(ValueError, match=r"expected a row for every picture .*found none for 2\.png; add its source"):
        rare_concepts.paths("moongate", home.parent)


def test_a_manifest_without_a_column_is_refused(home: Path) -> None:
    manifest = home / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("licence", "license", 1))
    with pytest.raises(ValueError, match=r"expected the columns concept, file, .*found .*license.*; add licence"):
        rare_concepts.paths("moongate", home.parent)


def test_a_user_describes_concepts_that_the_papers_do_not(home: Path) -> None:
    assert rare_concepts.descriptions(home.parent) == {}  # no such file
    fixtures.patterns(home.parent)
    found = rare_concepts.descriptions(home.parent)
    assert list(found) == ["madras", "chantilly"]
    assert found["madras"].kind == "pattern" and found["madras"].main == found["madras"].long
    assert (found["madras"].short, found["chantilly"].short) == ("", "a wood floor of squares")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("Madras", "Chantilly", r"expected each concept once in .*found 'chantilly' again; correct it"),
        ("Madras,pattern", "Madras,plaid", r"expected the kind object or pattern of madras .*found 'plaid'"),
        ("A floor of oak, in squares", "", r"expected a long description of chantilly .*found none; write one"),
        ("A plaid", "A madras plaid", r"expected descriptions without the name 'madras' .*found 'A madras plaid"),
        ("medium", "middle", r"expected the columns concept, kind, .*; add medium"),
    ],
)
def test_a_damaged_description_is_refused(home: Path, before: str, after: str, message: str) -> None:
    file = fixtures.patterns(home.parent) / "descriptions.csv"
    file.write_text(file.read_text().replace(before, after, 1))
    with pytest.raises(ValueError, match=message):
        rare_concepts.descriptions(home.parent)


def test_a_folder_that_no_concept_would_match_is_named(home: Path) -> None:
    (home / "Great Wheel").mkdir()
    with pytest.raises(
        ValueError, match="expected folders named as concepts are, in lower case, in .*found Great Wheel"
    ):
        rare_concepts.concepts(home.parent)


def test_a_file_that_a_manifest_lists_twice_is_named(home: Path) -> None:
    manifest = home / "manifest.csv"
    lines = manifest.read_text().splitlines()
    row = next(line for line in lines if line.startswith("moongate"))
    manifest.write_text("\n".join([*lines, row]) + "\n")
    with pytest.raises(
        ValueError, match="expected one row for each file in .*manifest.csv, found .* twice; remove one"
    ):
        rare_concepts.paths("moongate", home.parent)
