"""Images with masks: paired by name, read in the units of their format, and every kind of damage named."""

import csv
import re

import numpy as np
import openpyxl
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, JPEGLosslessSV1

from ktlib.companion.sources import generated_medical as fixtures
from ktlib.companion.sources.generated_medical import SLICE, ellipse
from ktlib.data import dicom, masked


def rewrite(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def truth(*ellipses, shape=SLICE):
    return torch.from_numpy(np.any([ellipse(shape, *one) for one in ellipses], axis=0))


def damaged(path, **tags):
    """A DICOM file with other tags; None takes one away."""
    data = pydicom.dcmread(path)
    for tag, value in tags.items():
        if value is None:
            delattr(data, tag)
        else:
            setattr(data, tag, value)
    data.save_as(path)


# -- run lengths -----------------------------------------------------------------------------------------
def test_runs_count_down_the_columns_from_the_end_of_the_run_before():
    mask = torch.zeros(6, 8, dtype=torch.bool)
    mask[1:3, 2:5] = True
    assert fixtures.encode_rle(mask.numpy()) == "13 2 4 2 4 2"  # by hand: 2 columns of 6 and one pixel come first
    assert torch.equal(masked.decode_rle("13 2 4 2 4 2", height=6, width=8), mask)
    assert torch.equal(masked.decode_rle(fixtures.encode_rle(mask.numpy().T), height=8, width=6), mask.T)
    assert not masked.decode_rle("", height=6, width=8).any()
    assert masked.decode_rle("0 48", height=6, width=8).all()


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ("0 49", "found one that ends at 49 of 48"),
        ("40 2 6 1", "found one that ends at 49 of 48"),
        ("1 2 3", "expected pairs of whole numbers, found 3 entries"),
        ("1 -2", "expected pairs of whole numbers"),
        ("1 2.5", "expected pairs of whole numbers"),
    ],
)
def test_runs_that_pass_the_image_or_are_no_pairs_are_refused(runs, why):
    with pytest.raises(ValueError, match=why):
        masked.decode_rle(runs, height=6, width=8)


# -- masks from files ------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "RGBA", "LA"])
def test_a_mask_is_what_is_not_black_whatever_the_file_holds(tmp_path, mode):
    there = ellipse(SLICE, (7, 9), (3, 5))
    if mode == "I;16":
        picture = Image.fromarray(there.astype(np.uint16))  # 1, which 8 bit of 16 would lose
    elif mode == "P":
        picture = Image.fromarray(there.astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 0, 0, 0])  # its numbers count, not its colours
    else:
        picture = Image.fromarray(there.astype(np.uint8) * 255).convert(mode)
    picture.save(tmp_path / "mask.png")
    assert torch.equal(masked.read_mask(tmp_path / "mask.png"), torch.from_numpy(there))


def test_a_transparent_black_mask_is_empty(tmp_path):
    Image.new("RGBA", (4, 3), (0, 0, 0, 255)).save(tmp_path / "mask.png")
    assert not masked.read_mask(tmp_path / "mask.png").any()


def test_soft_edges_count_from_half_the_brightest_on_and_a_picture_is_no_mask(tmp_path):
    values = np.zeros((16, 16), np.uint8)
    values[4:12, 4:12] = 254
    values[3, 4:12] = 120  # an edge that a resizing left, less than half as bright
    Image.fromarray(values).save(tmp_path / "mask.png")
    assert masked.read_mask(tmp_path / "mask.png").sum() == 64
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "image.png")
    with pytest.raises(ValueError, match=r"expected a mask in .*image\.png, found a picture: 80% of its pixels"):
        masked.read_mask(tmp_path / "image.png")


# -- DICOM -----------------------------------------------------------------------------------------------
def test_a_film_with_inverted_grey_levels_is_turned_and_says_so(tmp_path):
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    plain, note = dicom.film(fixtures.film(tmp_path / "a.dcm", grey))
    turned, inverted = dicom.film(fixtures.film(tmp_path / "b.dcm", grey, inverted=True))
    assert np.array_equal(plain, grey) and np.array_equal(turned, grey)
    assert (note, inverted) == ("", dicom.INVERTED)
    assert pydicom.dcmread(tmp_path / "b.dcm").pixel_array[0, 0] == 255


def test_more_than_eight_bits_are_scaled_to_eight(tmp_path):
    values = np.array([[100, 200], [300, 1100]], np.int16)
    shown, _ = dicom.film(fixtures.slice_of_ct(tmp_path / "a.dcm", values))
    assert shown.tolist() == [[0, 26], [51, 255]]  # 255 * 100 / 1000 = 25.5, to even
    assert not dicom.to_eight_bits(np.full((2, 2), 7), 7.0, 7.0).any()


def test_hounsfield_units_are_rescaled_and_padding_is_air(tmp_path):
    values = np.array([[-2000, 0], [1024, 1500]], np.int16)
    units = dicom.hounsfield(fixtures.slice_of_ct(tmp_path / "a.dcm", values))
    assert units.tolist() == [[-1024, -1024], [0, 476]]
    steep = fixtures.slice_of_ct(tmp_path / "b.dcm", values, RescaleSlope=2, RescaleIntercept=-1000)
    assert dicom.hounsfield(steep).tolist() == [[-1024, -1000], [1048, 2000]]


def test_a_slice_of_ct_upside_down_is_refused(tmp_path):
    upside = fixtures.slice_of_ct(
        tmp_path / "a.dcm", np.zeros((2, 2), np.int16), PhotometricInterpretation="MONOCHROME1"
    )
    with pytest.raises(ValueError, match=r"expected MONOCHROME2 in .*a\.dcm, found MONOCHROME1"):
        dicom.hounsfield(upside)


def test_a_film_that_was_compressed_as_jpeg_is_decoded_and_an_unknown_compression_is_named(tmp_path):
    grey = np.full((16, 16), 90, np.uint8)
    path = fixtures.film(tmp_path / "a.dcm", grey)
    Image.fromarray(grey).save(tmp_path / "a.jpg")
    data = pydicom.dcmread(path)
    data.PixelData = encapsulate([(tmp_path / "a.jpg").read_bytes()])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.save_as(path)
    assert np.abs(dicom.film(path)[0].astype(int) - grey).max() <= 1  # JPEG loses a little
    data.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    data.save_as(path)
    with pytest.raises(ValueError, match=r"a\.dcm, found one that cannot \(JPEG Lossless.*pip install pylibjpeg"):
        dicom.film(path)


def test_a_dicom_file_that_is_no_grey_picture_is_refused_by_name(tmp_path):
    grey = np.zeros(SLICE, np.uint8)
    with pytest.raises(FileNotFoundError, match=r"expected a DICOM file at .*none\.dcm, found nothing"):
        dicom.film(tmp_path / "none.dcm")
    path = fixtures.film(tmp_path / "a.dcm", grey)
    whole = path.read_bytes()
    path.write_bytes(b"a picture")
    with pytest.raises(ValueError, match=r"expected a DICOM file, found .*a\.dcm \(9 bytes\), which is none"):
        dicom.film(path)
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"expected .* in .*a\.dcm, found .*fetch it again"):
        dicom.film(path)
    damaged(fixtures.film(path, grey), PixelData=None)
    with pytest.raises(ValueError, match=r"expected a picture in .*a\.dcm, found a DICOM file without pixel data"):
        dicom.film(path)
    damaged(fixtures.film(path, grey), NumberOfFrames=2, Rows=8)
    with pytest.raises(ValueError, match=r"one grey picture in .*a\.dcm, found an array of 2 x 8 x 24"):
        dicom.film(path)
    damaged(fixtures.slice_of_ct(path, grey.astype(np.int16)), RescaleIntercept=None)
    with pytest.raises(ValueError, match=r"expected RescaleSlope and RescaleIntercept in .*a\.dcm, found none"):
        dicom.hounsfield(path)
    damaged(fixtures.film(path, grey), PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(ValueError, match=r"expected MONOCHROME1 or MONOCHROME2 in .*a\.dcm, found 'PALETTE COLOR'"):
        dicom.film(path)
    damaged(fixtures.slice_of_ct(path, grey.astype(np.int16)), RescaleSlope="nan")
    with pytest.raises(ValueError, match=r"expected RescaleSlope and RescaleIntercept in .*a\.dcm, found nan"):
        dicom.hounsfield(path)


# -- UnitoChest --------------------------------------------------------------------------------------------
@pytest.fixture
def chest(tmp_path):
    return fixtures.unitochest(tmp_path)


def test_slices_with_a_nodule_are_read_in_the_lung_window(chest):
    ours = masked.unitochest(chest.parent)
    assert ours.files == ("001_1_80.dcm", "001_1_81.dcm", "002_1_83.dcm")
    assert ours.units == (0, 0, 1)  # patients
    assert ours.notes == ("1 slices of the test split without a nodule: not used",) and ours.left_out == {}
    image, mask, _ = ours.read(2)
    assert torch.equal(mask, truth(((7, 15), (3, 4))))
    shown = np.asarray(image)
    assert (shown[mask.numpy()] >= 238).all()  # 50 units and more: (50 + 1350) / 1500 of 255
    assert (shown[0, 0] == round(255 * 326 / 1500)).all()  # padding is air: -1024
    assert len({masked.unitochest(chest.parent, split).digest for split in ("train", "val", "test")}) == 3


def test_damaged_pairs_of_unitochest_are_left_out_by_name_and_the_rest_is_read(chest):
    masks = chest / "test" / "masks"
    (masks / "001_1_80_mask.png").unlink()
    (chest / "test" / "images" / "elsewhere").mkdir()
    film = chest / "test" / "images" / "patient_0001" / "001_1_81.dcm"
    (chest / "test" / "images" / "elsewhere" / film.name).write_bytes(film.read_bytes())
    ours = masked.unitochest(chest.parent)
    assert ours.files == ("002_1_83.dcm",)
    assert ours.left_out["001_1_80.dcm"].startswith("expected one mask of 001_1_80.dcm")
    assert "found none; fetch it again" in ours.left_out["001_1_80.dcm"]
    assert "elsewhere/001_1_81.dcm and " in ours.left_out["001_1_81.dcm"]
    (masks / "002_1_83_mask.png").unlink()
    with pytest.raises(ValueError, match="found none that can be used: expected one mask of 001_1_80"):
        masked.unitochest(chest.parent)


def test_several_masks_of_one_slice_are_named_and_not_chosen_from(chest):
    file = chest / "test_dataset.csv"
    with file.open("a", newline="") as lines:
        csv.writer(lines).writerow(("001", 1, 80, "001_1_80.dcm", "001_1_81_mask.png"))
    ours = masked.unitochest(chest.parent)
    assert ours.files == ("001_1_81.dcm", "002_1_83.dcm")
    assert "found 001_1_80_mask.png, 001_1_81_mask.png; join them" in ours.left_out["001_1_80.dcm"]


def test_nan_is_a_blank_and_an_unknown_column_is_refused(chest):
    file = chest / "test_dataset.csv"
    rewrite(file, "001_1_80_mask.png", "NaN")
    assert masked.unitochest(chest.parent).files == ("001_1_81.dcm", "002_1_83.dcm")
    rewrite(file, "patientID", "patient")
    with pytest.raises(ValueError, match=r"test_dataset\.csv, found .*; add patientID"):
        masked.unitochest(chest.parent)
    with pytest.raises(ValueError, match="expected a split of train, val, test, found 'validation'"):
        masked.unitochest(chest.parent, "validation")


def test_what_is_damaged_inside_is_named_when_it_is_read_and_counted_by_readable(chest):
    masks, images = chest / "test" / "masks", chest / "test" / "images"
    Image.new("L", (24, 16)).save(masks / "001_1_80_mask.png")  # empty
    Image.new("L", (16, 24), 255).save(masks / "001_1_81_mask.png")  # of another size
    ours = masked.unitochest(chest.parent)
    with pytest.raises(ValueError, match=r"found 24 x 16 pixels in .*81\.dcm and 16 x 24 in .*81_mask\.png; .*fetch"):
        ours.read(1)
    good = ours.readable()
    assert good.files == ("002_1_83.dcm",) and good.units == (1,)
    assert list(good.left_out) == ["001_1_80.dcm", "001_1_81.dcm"]
    assert "the mask of 001_1_80.dcm is empty" in good.left_out["001_1_80.dcm"]
    assert ours.readable(empty=True).files == ("001_1_80.dcm", "002_1_83.dcm")
    damaged(images / "patient_0002" / "002_1_83.dcm", PixelData=None)
    with pytest.raises(ValueError, match="expected images of UnitoChest that can be used, found none of 3: the mask"):
        ours.readable()


# -- SIIM ----------------------------------------------------------------------------------------------------
@pytest.fixture
def siim(tmp_path):
    return fixtures.siim_pneumothorax(tmp_path)


@pytest.mark.parametrize("stage", [1, 2])
def test_films_with_a_pneumothorax_are_read_from_the_lists_of_both_stages(siim, stage):
    ours = masked.siim_pneumothorax(siim.parent, stage=stage, partial=True)
    assert ours.files == ("film-1", "film-2", "film-4")
    assert torch.equal(ours.read(0).mask, truth(((5, 6), (3, 4)), ((10, 17), (3, 3))))  # two rows, one mask
    assert torch.equal(ours.read(1).mask, truth(((5, 6), (3, 4))))
    assert ours.notes[0] == "1 films without a pneumothorax: not used"
    assert ours.notes[1].startswith("1 films without a row in ")
    for index in range(3):  # where the mask is, these films are bright, the inverted one too
        image, mask, _ = ours.read(index)
        assert (np.asarray(image)[mask.numpy()] == 230).all()


def test_inverted_films_are_counted(siim):
    assert masked.siim_pneumothorax(siim.parent, partial=True).readable().notes[2:] == (f"1 {dicom.INVERTED}",)


def test_the_official_number_of_films_and_a_known_stage_are_asked_for(siim):
    with pytest.raises(ValueError, match=r"expected 12,047 films in stage_2_train\.csv in .*, found 4"):
        masked.siim_pneumothorax(siim.parent)
    with pytest.raises(ValueError, match="expected stage 1 or 2, found 3"):
        masked.siim_pneumothorax(siim.parent, stage=3)
    rewrite(siim / "stage_2_train.csv", "EncodedPixels", "rle")
    with pytest.raises(ValueError, match=r"stage_2_train\.csv, found .*; add EncodedPixels"):
        masked.siim_pneumothorax(siim.parent, partial=True)


def test_a_row_that_says_two_things_or_nothing_and_an_absent_film_are_left_out(siim):
    file = siim / "stage_2_train.csv"
    file.write_text(file.read_text() + "film-1,-1\nfilm-6,\nfilm-7,1 2\n")
    ours = masked.siim_pneumothorax(siim.parent, partial=True)
    assert ours.files == ("film-2", "film-4")
    assert "found both" in ours.left_out["film-1"] and "found neither" in ours.left_out["film-6"]
    assert re.search("expected one film of film-7 in .*, found none; fetch it again", ours.left_out["film-7"])


def test_a_run_past_its_image_names_film_and_list_and_the_rest_is_read(siim):
    file = siim / "stage_2_train.csv"
    head, *rows = file.read_text().splitlines()
    rows = ["film-2,380 5" if row.startswith("film-2") else row for row in rows]
    file.write_text("\n".join([head, *rows]))
    ours = masked.siim_pneumothorax(siim.parent, partial=True)
    with pytest.raises(ValueError, match=r"the mask of film-2 in .*stage_2_train\.csv cannot be read: .* 385 of 384"):
        ours.read(1)
    assert ours.readable().files == ("film-1", "film-4")


def test_a_film_without_pixel_data_is_left_out_and_the_rest_is_read(siim):
    damaged(next(siim.rglob("film-4.dcm")), PixelData=None)
    good = masked.siim_pneumothorax(siim.parent, partial=True).readable()
    assert good.files == ("film-1", "film-2")
    assert "film-4.dcm, found a DICOM file without pixel data" in good.left_out["film-4"]


def test_another_run_length_is_another_digest(siim):
    first = masked.siim_pneumothorax(siim.parent, partial=True).digest
    rewrite(siim / "stage_2_train.csv", "film-2,", "film-2,1 1 ")
    assert masked.siim_pneumothorax(siim.parent, partial=True).digest != first


# -- UDIAT -----------------------------------------------------------------------------------------------------
@pytest.fixture
def breasts(tmp_path):
    return fixtures.udiat(tmp_path)


def test_images_of_all_sizes_are_paired_by_number_with_masks_and_kinds(breasts):
    (breasts / "GT" / "000003.png").rename(breasts / "GT" / "3.png")
    ours = masked.udiat(breasts.parent, partial=True)
    assert ours.files == ("000001", "000002", "000003")
    assert ours.kinds == ("benign", "malignant", "benign")  # 1, "000002" and 3.0 in the workbook
    assert ours.notes == ("2 benign", "1 malignant")
    for index, shape in enumerate(((20, 30), (24, 28), (20, 36))):
        image, mask, _ = ours.read(index)
        assert image.size == shape[::-1]
        assert torch.equal(mask, truth(((9, 12), (4, 6)), shape=shape))
        assert (np.asarray(image)[mask.numpy()] == 20).all()


def test_an_image_without_its_mask_a_mask_without_its_image_and_two_masks_are_left_out(breasts):
    (breasts / "GT" / "000001.png").unlink()
    (breasts / "original" / "000002.png").unlink()
    ours = masked.udiat(breasts.parent, partial=True)
    assert ours.files == ("000003",) and ours.kinds == ("benign",)
    assert "expected one mask of 000001" in ours.left_out["000001"]
    assert "expected one image of 000002" in ours.left_out["000002"]
    (breasts / "GT" / "3.png").write_bytes((breasts / "GT" / "000003.png").read_bytes())
    with pytest.raises(ValueError, match="found none that can be used: .*mask of 000001"):
        masked.udiat(breasts.parent, partial=True)


def test_without_a_workbook_kinds_are_not_known_and_with_a_strange_one_it_is_refused(breasts):
    file = breasts / "DatasetB.xlsx"
    rows = [("Image", "Type"), (1, "Benign"), (2, "Malignant")]
    fixtures.workbook(file, rows)
    ours = masked.udiat(breasts.parent, partial=True)
    assert ours.files == ("000001", "000002") and "expected a row for 000003" in ours.left_out["000003"]
    fixtures.workbook(file, [*rows, (3, "cyst")])
    with pytest.raises(ValueError, match=r"benign or malignant .*DatasetB\.xlsx, found 'cyst' for 000003; correct it"):
        masked.udiat(breasts.parent, partial=True)
    fixtures.workbook(file, [("Picture", "Type"), (1, "Benign")])
    with pytest.raises(ValueError, match=r"columns Image and Type in .*DatasetB\.xlsx, found Picture, Type"):
        masked.udiat(breasts.parent, partial=True)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"expected a workbook .*DatasetB\.xlsx, found something else"):
        masked.udiat(breasts.parent, partial=True)
    file.unlink()
    ours = masked.udiat(breasts.parent, partial=True)
    assert ours.kinds == () and ours.notes == ("no DatasetB.xlsx: kinds not known",) and len(ours) == 3


def test_the_official_number_of_images_is_asked_for(breasts):
    with pytest.raises(ValueError, match="expected 163 images in .*, found 3"):
        masked.udiat(breasts.parent)


def test_a_truncated_image_or_mask_is_left_out_by_readable(breasts):
    for file in (breasts / "original" / "000001.png", breasts / "GT" / "000003.png"):
        file.write_bytes(file.read_bytes()[:60])
    good = masked.udiat(breasts.parent, partial=True).readable()
    assert good.files == ("000002",) and good.kinds == ("malignant",)
    assert "original/000001.png" in good.left_out["000001"] and "GT/000003.png" in good.left_out["000003"]


@pytest.mark.parametrize("read", [masked.unitochest, masked.siim_pneumothorax, masked.udiat])
def test_an_absent_set_says_how_to_get_it(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r"expected the folder .*; `python -m ktlib data show .*` says how"):
        read(tmp_path)


@pytest.mark.parametrize(("background", "lesion"), [(1, 2), (1, 255), (-5, -1), (0, float("nan"))])
def test_a_mask_whose_background_is_not_zero_is_refused(tmp_path, background, lesion):
    values = np.full((8, 8), background, np.float32)
    values[2:4, 2:4] = lesion
    Image.fromarray(values).save(tmp_path / "mask.tiff")
    with pytest.raises(ValueError, match=r"expected a mask whose background is 0 in .*mask\.tiff, found "):
        masked.read_mask(tmp_path / "mask.tiff")


def test_an_image_with_two_kinds_in_the_workbook_is_refused_and_a_row_that_ends_early_too(breasts):
    file = breasts / "DatasetB.xlsx"
    fixtures.workbook(file, [("Image", "Type"), (1, "Benign"), (2, "Benign"), (3, "Benign"), (1, "Malignant")])
    with pytest.raises(ValueError, match=r"one kind for 000001 in .*DatasetB\.xlsx, found benign and malignant; take"):
        masked.udiat(breasts.parent, partial=True)
    book = openpyxl.Workbook(write_only=True)  # which does not say how wide it is
    sheet = book.create_sheet()
    for row in (["Image", "Type"], [1, "Benign"], [2]):
        sheet.append(row)
    book.save(file)
    with pytest.raises(ValueError, match=r"benign or malignant .*found 'none' for 000002"):
        masked.udiat(breasts.parent, partial=True)


def test_a_slope_of_zero_gives_no_hounsfield_units(tmp_path):
    flat = fixtures.slice_of_ct(tmp_path / "a.dcm", np.array([[0, 1024]], np.int16), RescaleSlope=0)
    with pytest.raises(ValueError, match=r"expected RescaleSlope and RescaleIntercept in .*a\.dcm, found 0"):
        dicom.hounsfield(flat)


def test_a_slice_of_no_patient_or_of_two_is_left_out(tmp_path):
    home = fixtures.unitochest(tmp_path)
    file = home / "test_dataset.csv"
    with file.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["mask"]]
    first, second, *_ = rows
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows([first | {"patientID": " "}, *rows[1:], second | {"patientID": "999"}])
    ours = masked.unitochest(tmp_path)
    assert (
        "expected one patientID for" in ours.left_out[first["image"]] and "found none;" in ours.left_out[first["image"]]
    )
    assert f"found {second['patientID']} and 999;" in ours.left_out[second["image"]]
    assert ours.files == tuple(row["image"] for row in rows[2:]) and ours.units == (0,)
