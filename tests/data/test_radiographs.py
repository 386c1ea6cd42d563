"""CheXpert-5x200 and JSRT: what the lists and the table say, the bytes of a film, and every kind of damage named."""

import codecs
import json
import re

import numpy as np
import pytest

from ktlib.companion.sources import generated_medical as fixtures
from ktlib.data import radiographs
from ktlib.data.finding_prompts import FINDINGS


# -- CheXpert-5x200 -----------------------------------------------------------------------------------
@pytest.fixture
def chexpert(tmp_path):
    return fixtures.chexpert_5x200(tmp_path)


def by_csv(home):
    (home / "chexpert_5x200.json").unlink(missing_ok=True)
    return home / "chexpert-5x200-meta.csv"


def rewrite(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_both_lists_say_the_same_of_every_film(chexpert):
    ours = radiographs.chexpert_5x200(chexpert.parent, partial=True)
    assert ours.names == FINDINGS == fixtures.FINDINGS
    assert ours.labels == tuple(range(5)) * 3  # of the fixture: finding of film 0, 1, ...
    assert ours.notes == ("chexpert_5x200.json: 15 films, 1 of them from the side",)
    assert ours.read(0).size == (32, 39) and ours.read(0).mode == "RGB"
    by_csv(chexpert)
    theirs = radiographs.chexpert_5x200(chexpert.parent, partial=True)
    assert (theirs.labels, theirs.files, theirs.left_out) == (ours.labels, ours.files, {})
    assert theirs.digest == ours.digest  # the same films with the same labels
    assert theirs.notes[0].startswith("chexpert-5x200-meta.csv")


def test_a_path_is_found_whatever_the_list_puts_in_front_of_it(chexpert):
    file = by_csv(chexpert)
    rewrite(
        file, "./data/CheXpert/data/CheXpert-v1.0-small/train/patient00000", r"C:\x\CheXpert-v1.0\train\patient00000"
    )
    rewrite(file, "imgpath", "Path")
    ours = radiographs.chexpert_5x200(chexpert.parent, partial=True)
    assert ours.files[0] == "train/patient00000/study1/view1_frontal.jpg"
    assert len(ours) == 15


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("patient00000,,,,,,,,,1.0", "patient00000,,,,,,,,,-1.0", "expected one finding of 5 for a film in .*found"),
        ("patient00000,,,,,,,,,1.0", "patient00000,,,,,,,,,", "expected one finding of 5"),
        ("patient00000,,,,,,,,,1.0,,", "patient00000,,,,,,,,,1.0,,1.0", "expected one finding of 5"),
        ("patient00000,,,,,,,,,1.0", "patient00000,,,,,,,,,present", "expected 1, 0, -1 or nothing"),
        ("patient00000,,,,,,,,,1.0", "patient00000,,,,,,,,,0.7", "expected one finding of 5"),
        ("patient00001/", "patient00000/", "expected .*patient00000.* found nothing"),  # its only film is frontal
    ],
)
def test_a_row_that_names_no_single_finding_is_left_out_and_the_rest_is_read(chexpert, old, new, why):
    rewrite(by_csv(chexpert), old, new)
    ours = radiographs.chexpert_5x200(chexpert.parent, partial=True)
    assert len(ours) == 14 and len(ours.left_out) == 1
    ((film, said),) = ours.left_out.items()
    assert film.startswith("train/patient00000/") and film not in ours.files
    assert re.search(why, said)


def test_a_film_that_is_listed_twice_is_left_out(chexpert):
    file = by_csv(chexpert)
    head, first, *rest = file.read_text().splitlines()
    file.write_text("\n".join([head, first, first, *rest]))
    ours = radiographs.chexpert_5x200(chexpert.parent, partial=True)
    assert len(ours) == 14
    assert "found several; take all but one away" in ours.left_out["train/patient00000/study1/view1_frontal.jpg"]


@pytest.mark.parametrize(("old", "new", "named"), [("Edema", "Oedema", "add Edema"), ("imgpath", "file", "rename one")])
def test_a_list_with_unknown_columns_is_refused_by_name(chexpert, old, new, named):
    rewrite(by_csv(chexpert), old, new)
    with pytest.raises(ValueError, match=rf"expected .*chexpert-5x200-meta\.csv, found .*; {named}"):
        radiographs.chexpert_5x200(chexpert.parent, partial=True)


def test_half_a_list_is_refused_by_name(chexpert):
    file = chexpert / "chexpert_5x200.json"
    file.write_text(file.read_text()[:400])
    with pytest.raises(
        ValueError, match=r"expected image_path and label .*chexpert_5x200\.json, found .*JSONDecodeError"
    ):
        radiographs.chexpert_5x200(chexpert.parent, partial=True)
    file.write_text(json.dumps({"1": {"path": "a.jpg"}}))
    with pytest.raises(ValueError, match="found something else .*KeyError"):
        radiographs.chexpert_5x200(chexpert.parent, partial=True)


def test_without_partial_two_hundred_films_of_each_finding_are_asked_for(chexpert):
    with pytest.raises(ValueError, match=r"expected 200 films of each finding in .*, found 3 Atelectasis, 3 Card"):
        radiographs.chexpert_5x200(chexpert.parent)


def test_absent_films_are_counted_and_their_absence_as_a_whole_is_an_error(chexpert, tmp_path):
    films = sorted((chexpert / "CheXpert-v1.0-small").rglob("*.jpg"))
    films[0].unlink()
    ours = radiographs.chexpert_5x200(chexpert.parent, partial=True)
    assert len(ours) == 14 and "found nothing; extract CheXpert again" in next(iter(ours.left_out.values()))
    for film in films[1:]:
        film.unlink()
    with pytest.raises(FileNotFoundError, match="expected the 15 films .* found none .*says how to get it"):
        radiographs.chexpert_5x200(chexpert.parent, partial=True)
    (chexpert / "chexpert_5x200.json").unlink()
    by_csv(chexpert).unlink()
    with pytest.raises(FileNotFoundError, match=r"expected chexpert_5x200\.json or .* says how to get it"):
        radiographs.chexpert_5x200(chexpert.parent, partial=True)


def test_a_truncated_film_is_named_when_it_is_read_and_left_out_by_readable(chexpert):
    film = sorted((chexpert / "CheXpert-v1.0-small").rglob("*.jpg"))[2]
    film.write_bytes(film.read_bytes()[:200])
    ours = radiographs.chexpert_5x200(chexpert.parent, partial=True)
    with pytest.raises(ValueError, match="patient00002"):
        ours.read(2)
    good = ours.readable()
    assert len(good) == 14 and good.labels == ours.labels[:2] + ours.labels[3:]
    assert list(good.left_out) == [ours.files[2]] and good.files == ours.files[:2] + ours.files[3:]
    assert good.digest != ours.digest
    assert good.readable() == good


# -- JSRT ---------------------------------------------------------------------------------------------
def read(home, **settings):
    return radiographs.jsrt(home.parent, partial=True, side=fixtures.JSRT_SIDE, **settings)


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n", ""], ids=["CR", "LF", "CRLF", "none"])
def test_the_table_is_read_whatever_its_lines_end_in(tmp_path, ending):
    home = fixtures.jsrt(tmp_path, ending)
    table, bad = radiographs.jsrt_table(tmp_path)
    assert bad == {}
    assert list(table) == ["JPCLN001", "JPCLN002", "JPCLN003", "JPCLN004"]
    assert table["JPCLN001"] == radiographs.Nodule(5, 15.0, 53, "male", 25, 10, True, "l.upper lobe", "lung cancer")
    assert table["JPCLN002"].age is None  # "?"
    assert read(home).labels == (1, 1, 0, 0)


def test_bones_are_bright_and_the_bytes_come_largest_first(tmp_path):
    home = fixtures.jsrt(tmp_path)
    ours = read(home)
    stored = np.frombuffer((home / "All247images" / "JPCLN001.IMG").read_bytes(), np.uint8).astype(int)
    levels = (256 * stored[::2] + stored[1::2]).reshape(32, 32)
    shown = np.asarray(ours.read(0))
    assert shown.shape == (32, 32, 3)
    dark, bright = levels.min(), levels.max()
    assert np.abs(shown[..., 0] - 255 * (bright - levels) / (bright - dark)).max() <= 0.5 + 1e-3  # rounding
    assert levels[10, 25] == dark and shown[10, 25, 0] == 255  # the nodule: x 25, y 10


def test_clear_films_are_a_third_class_when_they_are_asked_for(tmp_path):
    home = fixtures.jsrt(tmp_path)
    assert read(home).names == ("Benign Nodule", "Lung Cancer")
    ours = read(home, clear=True)
    assert ours.names == ("Benign Nodule", "Lung Cancer", "No Nodule")
    assert ours.labels == (1, 1, 0, 0, 2, 2)
    assert ours.notes == ("2 Benign Nodule", "2 Lung Cancer", "2 No Nodule")
    assert len({ours.digest, read(home).digest}) == 2


def test_the_official_numbers_of_films_are_asked_for(tmp_path):
    home = fixtures.jsrt(tmp_path)
    with pytest.raises(ValueError, match="expected 154 films with a nodule in .*, found 4"):
        radiographs.jsrt(home.parent, side=fixtures.JSRT_SIDE)


def test_a_film_of_another_length_is_left_out_and_the_rest_is_read(tmp_path):
    home = fixtures.jsrt(tmp_path)
    film = home / "All247images" / "JPCLN002.IMG"
    film.write_bytes(film.read_bytes()[:-2])
    ours = read(home)
    assert len(ours) == 3
    assert "expected 2,048 bytes" in ours.left_out["JPCLN002"] and "found 2,046" in ours.left_out["JPCLN002"]
    assert str(film) in ours.left_out["JPCLN002"]


def test_a_film_with_its_bytes_in_the_other_order_is_refused_when_it_is_read(tmp_path):
    home = fixtures.jsrt(tmp_path)
    film = home / "All247images" / "JPCLN003.IMG"
    np.fromfile(film, ">u2").astype("<u2").tofile(film)
    ours = read(home)
    with pytest.raises(ValueError, match=r"numbers below 4096 in .*JPCLN003\.IMG, found 1,024 up to .*another order"):
        ours.read(2)
    good = ours.readable()
    assert len(good) == 3 and list(good.left_out) == ["All247images/JPCLN003.IMG"]


def test_a_film_that_is_absent_twice_there_or_in_no_table_is_left_out(tmp_path):
    home = fixtures.jsrt(tmp_path)
    films = home / "All247images"
    (films / "JPCLN001.IMG").unlink()
    (home / "again").mkdir()
    (home / "again" / "JPCLN003.img").write_bytes((films / "JPCLN003.IMG").read_bytes())
    (films / "JPCLN009.IMG").write_bytes((films / "JPCLN002.IMG").read_bytes())
    ours = read(home)
    assert ours.files == ("All247images/JPCLN002.IMG", "All247images/JPCLN004.IMG")
    assert "found none; extract the archive again" in ours.left_out["JPCLN001"]
    assert "JPCLN003.IMG and again/JPCLN003.img; take one away" in ours.left_out["JPCLN003"]
    assert "expected a row for JPCLN009" in ours.left_out["JPCLN009"]


@pytest.mark.parametrize(
    ("old", "new"), [("\tbenign\tr.lower", "\tunsure\tr.lower"), ("\t71\t", "\told\t"), ("JPCLN004", "JPCLN003")]
)
def test_a_row_that_cannot_be_read_takes_its_film_with_it(tmp_path, old, new):
    home = fixtures.jsrt(tmp_path, "\n")
    rewrite(home / "CLNDAT_EN.txt", old, new)
    ours = read(home)
    assert "JPCLN003" in ours.left_out and "correct the row" in ours.left_out["JPCLN003"]
    assert "All247images/JPCLN003.IMG" not in ours.files
    assert {"All247images/JPCLN001.IMG", "All247images/JPCLN002.IMG"} <= set(ours.files)


def test_a_set_without_a_table_or_a_usable_film_is_an_error(tmp_path):
    home = fixtures.jsrt(tmp_path)
    for film in (home / "All247images").iterdir():
        film.write_bytes(b"")
    with pytest.raises(ValueError, match=r"found none that can be used: expected 2,048 bytes"):
        read(home)
    (home / "CLNDAT_EN.txt").write_text("nothing")
    with pytest.raises(ValueError, match="expected records JPCLN001"):
        read(home)
    (home / "CLNDAT_EN.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected CLNDAT_EN\.txt in .*data show jsrt` says how to get it"):
        read(home)


def test_a_byte_order_mark_is_no_film(tmp_path):
    home = fixtures.jsrt(tmp_path)
    right = radiographs.jsrt_table(tmp_path)
    table = home / "CLNDAT_EN.txt"
    table.write_bytes(codecs.BOM_UTF8 + table.read_bytes())
    assert radiographs.jsrt_table(tmp_path) == right
