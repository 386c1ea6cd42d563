"""`python -m ktlib teach`: a verdict for a folder, and one sentence for whatever is wrong."""

import json
from dataclasses import replace

import pytest
from torchvision.utils import save_image

from ktlib.__main__ import main
from ktlib.companion import own
from ktlib.companion.sources import brought
from ktlib.pocket.inventions import INVENTIONS, pictures

TOMA = INVENTIONS["toma"]
SENTENCE = ["--description", TOMA.description]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Five pictures, a cache of its own, one seed and few known pictures."""
    monkeypatch.setenv("KT_CACHE", str(tmp_path / "cache"))
    small = {name: replace(one, seeds=(0,)) for name, one in own.SCALES.items()}
    monkeypatch.setattr(own, "SCALES", small)
    home = tmp_path / "mine"
    home.mkdir()
    for place, image in enumerate(pictures(TOMA.parts, 5)):
        save_image(image, home / f"{place}.png")
    return home


@pytest.fixture
def known(tmp_path):
    home = tmp_path / "known"
    for name, part in (("red box", ("box", "red", 0, 0, 1)), ("disk", ("disk", "blue", 0, 0, 1))):
        (home / name).mkdir(parents=True)
        for place, image in enumerate(pictures([part], 3)):
            save_image(image, home / name / f"{place}.png")
    return home


def test_a_folder_gets_a_verdict_in_words_and_in_json(folder, known, capsys):
    asked = ["teach", "toma", *SENTENCE, "--examine", str(folder), "--known", str(known), "--steps", "8"]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert (
        "5 pictures of a toma, 2 known names, rates 4e-05, 8e-05, 0.00016, 0.00032, 0.00064, 0.00128, 8 inversion"
        in said
    )
    assert "your 5 pictures: taken for " in said and "known things kept" in said
    assert "inconclusive: 5 pictures are too few to decide" in said and f"claim: {own.CLAIM}" in said
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"] == 5 and found["finding"]["word"] == "inconclusive"
    assert list(found["arms"]) == ["base", "word", "prompt", "kt", "noise"]
    assert found["transfer_minus"]["noise"].keys() == {"value", "low", "high"}
    assert found["model"] == "pocket/clip-b-0" and found["seeds"] == [0] and found["inversion_steps"] == 8
    assert found["walks"]["kt"][0].keys() == {"seed", "lr", "recognised", "retained"}


def test_at_one_rate_a_lesson_is_read_as_it_is_and_no_verdict_is_reached(folder, known, capsys):
    """Not on the way to a rate that was too large."""
    asked = ["teach", "toma", *SENTENCE, "--examine", str(folder), "--known", str(known), "--steps", "2", "--json"]
    assert main([*asked, "--lr", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    (last,) = found["walks"]["kt"]
    assert found["arms"]["kt"]["retained"] == last["retained"] and last["lr"] == 1 and found["budget"] is None
    assert found["finding"]["word"] == "inconclusive" and "at one rate" in found["finding"]["said"]


def test_seeds_can_be_more_or_fewer(folder, known, capsys):
    asked = ["teach", "toma", *SENTENCE, "--examine", str(folder), "--known", str(known), "--steps", "2", "--json"]
    assert main([*asked, "--lr", "1e-4", "--seeds", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seeds"] == [0, 1] and [one["seed"] for one in found["walks"]["kt"]] == [0, 1]


def test_a_name_that_the_model_has_met_is_announced(folder, capsys):
    sentence = ["--description", TOMA.description]
    assert main(["teach", "moongate", *sentence, "--examine", str(folder), "--steps", "2", "--lr", "1e-4"]) == 0
    said = capsys.readouterr().out
    assert "note: pocket/clip-b-0 read sentences about a moongate" in said and "rates 0.0001, 2 inversion" in said
    assert main(["teach", "toma", *sentence, "--examine", str(folder), "--steps", "2", "--lr", "1e-4"]) == 0
    assert "read sentences about" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--examine", "nowhere"], "expected a folder of pictures at nowhere"),
        (["--model", "ViT-B-32"], "expected weights for ViT-B-32"),
        (["--model", "pocket/clip-b"], "give --known and a folder"),
        (["--model", "pocket/vilt-b"], "expected a DualEncoder, found pocket/vilt-b"),
        (["--lr", "0"], "a finite number above 0 to 1, found 0"),
        (["--lr", "1e99"], "found 1e+99"),
        (["--description", "a toma"], "without the name 'toma'"),
        (["--steps", "0"], "steps"),
        (["--seeds", "0"], "expected a number of seeds, a whole number from 1 to 100, found 0"),
        (["--seeds", "9" * 30], "found 99999"),
        (["--lessons", "FOLDER"], "found 5 in both"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(folder, capsys, more, said):
    more = [str(folder) if word == "FOLDER" else word for word in more]
    assert main(["teach", "toma", *SENTENCE, "--examine", str(folder), *more]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1


def test_an_empty_name_of_a_folder_is_not_taken_for_this_one(capsys):
    with pytest.raises(SystemExit):
        main(["teach", "toma", *SENTENCE, "--examine", ""])
    assert "expected a folder, found an empty name" in capsys.readouterr().err


def test_a_damaged_picture_is_named(folder, capsys):
    (folder / "broken.png").write_bytes(b"no picture")
    assert main(["teach", "toma", *SENTENCE, "--examine", str(folder)]) == 1
    assert "broken.png" in capsys.readouterr().err


def test_pictures_are_those_of_the_folder(folder):
    assert len(brought.read_pictures(folder, 64)) == 5
