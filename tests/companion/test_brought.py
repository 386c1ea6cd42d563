"""What a reader brings: one concept beside all that is known, and one sentence for whatever is wrong with it."""

import pytest
import torch
from torchvision.utils import save_image

from ktlib.companion.sources import brought, examination
from ktlib.pocket.inventions import INVENTIONS, pictures

TOMA = INVENTIONS["toma"]


@pytest.fixture(scope="module")
def whole():
    return examination("pocket 0")


@pytest.fixture(scope="module")
def shown():
    return pictures(TOMA.parts, 4)


def saved(images, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for place, image in enumerate(images):
        save_image(image, folder / f"{place}.png")
    return folder


def test_the_concept_is_the_only_one_and_what_is_known_stays(whole, shown):
    exam = brought.one(whole, " Toma ", f"{TOMA.description} ", shown, shown.flip(3))
    (concept,) = exam.concepts
    assert (concept.name, concept.main) == ("toma", TOMA.description)
    assert exam.known_names == whole.known_names and torch.equal(exam.pictures("toma"), shown)
    assert exam.lessons("toma", 2, 0).shape == (2, 3, 64, 64)
    assert brought.one(whole, "toma", TOMA.description, shown).lessons("toma", 2, 0) is None
    assert len({exam.digest, whole.digest, brought.one(whole, "wug", TOMA.description, shown).digest}) == 3


@pytest.mark.parametrize(
    ("name", "description", "said"),
    [
        ("", "a pink cross", "a name and a description"),
        ("toma", " ", "a name and a description"),
        ("to{}ma", "a pink cross", "without braces"),
        ("House", "a pink cross", "not among the 36 known ones, found 'house'"),
        ("toma", "a pink toma", "without the name 'toma'"),
        ("toma", "pink (a toma), round", "without the name 'toma'"),
    ],
)
def test_what_is_wrong_with_a_name_or_a_sentence_is_said(whole, shown, name, description, said):
    with pytest.raises(ValueError, match=said):
        brought.one(whole, name, description, shown)


def test_pictures_of_the_examination_are_not_learnt_from(whole, shown):
    with pytest.raises(ValueError, match="found 1 in both"):
        brought.one(whole, "toma", TOMA.description, shown, shown[:1])


def test_a_copy_counts_once_and_is_told(tmp_path, shown):
    folder = saved([*shown, shown[0]], tmp_path / "toma")
    with pytest.warns(UserWarning, match="1 of the 5 pictures in .* are copies"):
        assert len(brought.read_pictures(folder, 64)) == 4


def test_known_things_are_folders_of_pictures(tmp_path, shown):
    for name, images in (("red_house", shown[:1]), ("lamp", shown[1:])):
        saved(images, tmp_path / name)
    exam = brought.known_things(tmp_path, 64)
    ((images, labels),) = exam.known
    assert exam.known_names == ("lamp", "red house") and labels.tolist() == [0, 0, 0, 1] and len(images) == 4
    with pytest.raises(ValueError, match="two known things or more in .*, found 0"):
        brought.known_things(tmp_path / "lamp", 64)
    with pytest.raises(FileNotFoundError, match="a folder for each known thing"):
        brought.known_things(tmp_path / "none", 64)


def test_examples_are_made_up_or_an_examination_s_own():
    own = [exam.concepts[0].name for exam in brought.examples("pocket 0")]
    assert own == list(INVENTIONS)
    for exam in brought.examples("pocket 0"):
        assert not set(own) & set(exam.known_names) and len(exam.concepts) == 1


def test_two_folders_of_one_name_are_no_two_known_things(tmp_path):
    for name in ("a_b", "a b"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=r"expected a name for each known thing in .*found several folders for a b"):
        brought.known_things(tmp_path, 64)
