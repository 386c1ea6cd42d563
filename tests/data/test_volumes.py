"""BraTS 2023: any axes give one view, slices with a tumour are found, and every kind of damage is named."""

import gzip
import re
import shutil
import struct

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from ktlib.companion.sources import generated_medical as fixtures
from ktlib.data import volumes

FIRST, SECOND = "BraTS-GLI-00000-000", "BraTS-GLI-00002-000"


@pytest.fixture
def home(tmp_path):
    return fixtures.brats_2023(tmp_path)


def read(home, **settings):
    return volumes.brats_2023(home.parent, partial=True, **settings)


def file(home, case, kind, suffix=".nii.gz"):
    return next(home.rglob(case)) / f"{case}-{kind}{suffix}"


def test_slices_with_a_tumour_are_read_from_both_kinds_of_files(home):
    ours = read(home)
    assert ours.files == tuple(f"{case}/{z}" for case in (FIRST, SECOND, "BraTS-GLI-00002-001") for z in (1, 2))
    assert ours.units == (0, 0, 1, 1, 1, 1)  # patients; one was scanned twice
    assert ours.notes == ("9 slices without a tumour: not used",) and ours.left_out == {}
    image, mask, _ = ours.read(0)
    assert image.size == (16, 20) and mask.shape == (20, 16)
    assert mask.sum() == 4 * 5  # the whole tumour: swelling, enhancing and dead
    grey = torch.from_numpy(np.asarray(image)[..., 0].astype(int))
    assert grey[mask].min() > grey[~mask].max() and grey[0, 0] == 0


def test_the_face_is_up_and_the_patient_s_right_is_on_the_left(tmp_path):
    stored = np.zeros((4, 6, 1), np.uint8)
    stored[3, 5, 0] = 1  # axes to the right, to the front, up: right and front
    assert volumes.as_seen(stored, 0).shape == (6, 4)
    assert np.argwhere(volumes.as_seen(stored, 0)).tolist() == [[0, 0]]  # up and left


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "PIL"])
def test_any_order_and_direction_of_axes_gives_the_same_picture(home, codes):
    expected = [read(home).read(index) for index in range(2)]
    for kind, wanted in (("t2f", codes), ("seg", codes[::-1])):  # each in its own way
        path = file(home, FIRST, kind)
        volume = nib.load(path)
        turn = ornt_transform(io_orientation(volume.affine), axcodes2ornt(wanted))
        other = volume.as_reoriented(turn)
        assert nib.aff2axcodes(other.affine) == tuple(wanted)
        nib.save(nib.Nifti1Image(np.asarray(other.dataobj), other.affine), path)
    ours = read(home)
    for index, (image, mask, _) in enumerate(expected):
        assert np.array_equal(np.asarray(ours.read(index).image), np.asarray(image))
        assert torch.equal(ours.read(index).mask, mask)


def turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("seg", lambda v: (v, turned(20)), "found one turned by 20 degrees, .* resample it"),
        ("t2f", lambda v: (v, turned(20)), "found one turned by 20 degrees"),
        ("seg", lambda v: (np.where(v == 3, 4, v).astype(np.uint8), None), "found 4 too; up to 2022 4 stood for 3"),
        ("seg", lambda v: (v * 0.5, None), "expected the labels 0, 1, 2, 3 in .*, found 0.5, 1.5 too; fetch it again"),
        ("seg", lambda v: (v[1:], None), "found 16 x 20 x 5 in .*t2f.* and 15 x 20 x 5 in .*seg"),
        ("seg", lambda v: (v, np.diag([-1.0, -1, 2, 1])), "found other positions in"),
        ("t2f", lambda v: (np.stack([v, v], -1), None), r"three axes in .*t2f.*, found 4: \(16, 20, 5, 2\)"),
    ],
)
def test_a_case_on_other_axes_another_grid_or_with_other_labels_is_left_out(home, kind, change, why):
    path = file(home, FIRST, kind)
    values, affine = change(np.asarray(nib.load(path).dataobj))
    fixtures.volume(path, values, affine)
    ours = read(home)
    assert len(ours) == 4 and list(ours.left_out) == [FIRST]
    assert re.search(why, ours.left_out[FIRST]) and str(path) in ours.left_out[FIRST]


def test_a_case_without_a_mask_or_with_a_file_twice_is_left_out(home):
    file(home, FIRST, "seg").unlink()
    twice = file(home, "BraTS-GLI-00002-001", "t2f")
    twice.with_suffix("").write_bytes(b"")
    ours = read(home)
    assert ours.files == (f"{SECOND}/1", f"{SECOND}/2")
    assert f"expected {FIRST}-seg.nii.gz in" in ours.left_out[FIRST]
    assert "found .nii.gz and .nii; take one away" in ours.left_out["BraTS-GLI-00002-001"]


def test_a_truncated_mask_is_noticed_at_once_and_a_truncated_volume_when_it_is_read(home):
    mask, image = file(home, FIRST, "seg"), file(home, SECOND, "t2f", ".nii")
    mask.write_bytes(mask.read_bytes()[:60])
    image.write_bytes(image.read_bytes()[:-500])
    ours = read(home)
    assert list(ours.left_out) == [FIRST] and "found " + str(mask) in ours.left_out[FIRST]
    assert "which cannot be read" in ours.left_out[FIRST]
    with pytest.raises(ValueError, match=rf"expected a volume in NIfTI, found .*{SECOND}-t2f\.nii .* fetch it again"):
        ours.read(0)
    assert ours.readable().files == ("BraTS-GLI-00002-001/1", "BraTS-GLI-00002-001/2")


def overwrite(path, place, content):
    """Bytes of a header, at a place."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as stored:
        whole = bytearray(stored.read())
    whole[place : place + len(content)] = content
    with opened(path, "wb") as stored:
        stored.write(whole)


def test_a_damaged_header_costs_its_case_and_no_other(home):
    overwrite(file(home, FIRST, "seg"), 70, (9999).to_bytes(2, "little"))  # the code of the data's type
    ours = read(home)
    assert list(ours.left_out) == [FIRST] and "HeaderDataError" in ours.left_out[FIRST] and ours.files


def test_a_volume_that_lies_nowhere_is_left_out_by_name(home):
    mask = file(home, FIRST, "seg")
    overwrite(mask, 280, struct.pack("<f", np.nan))  # the first number of its place in space
    assert f"expected where the volume lies in space in {mask}" in read(home).left_out[FIRST]


def test_a_file_that_is_no_volume_and_one_with_missing_numbers_are_refused(home):
    file(home, FIRST, "seg").write_bytes(b"a mask")
    image = file(home, SECOND, "t2f", ".nii")
    values = np.asarray(nib.load(image).dataobj).astype(np.float32)
    values[0, 0, 0] = np.nan
    fixtures.volume(image, values)
    ours = read(home)
    assert "which cannot be read" in ours.left_out[FIRST]
    with pytest.raises(ValueError, match=r"expected numbers in .*t2f\.nii, found some that are not finite"):
        ours.read(0)


def test_the_official_number_of_cases_a_part_of_it_and_other_modalities(home):
    with pytest.raises(ValueError, match="expected 1,251 cases in .*, found 3"):
        volumes.brats_2023(home.parent)
    assert len(read(home, first=1)) == 2
    assert len({read(home).digest, read(home, first=1).digest, read(home, modality="t1c").digest}) == 3
    with pytest.raises(ValueError, match="expected a modality of t1c, t1n, t2f, t2w, found 'flair'"):
        read(home, modality="flair")


def test_a_set_of_which_nothing_is_left_is_an_error(home, tmp_path):
    for path in home.rglob("*-seg.nii*"):
        path.unlink()
    with pytest.raises(ValueError, match=rf"found none that can be used: expected {FIRST}-seg\.nii\.gz"):
        read(home)
    with pytest.raises(FileNotFoundError, match=r"data show brats_2023` says how to get it"):
        volumes.brats_2023(tmp_path / "elsewhere")


def test_a_case_that_stands_there_twice_is_left_out_and_a_negative_number_of_cases_refused(home):
    before = read(home)
    case = next(path for path in sorted(home.rglob("BraTS-GLI-*")) if path.is_dir())
    shutil.copytree(case, home / "copy" / case.name)
    ours = read(home)
    assert f"expected one folder {case.name}" in ours.left_out[case.name]
    assert ours.files == tuple(file for file in before.files if not file.startswith(case.name))
    with pytest.raises(ValueError, match="expected a number of cases, or 0 for all, found first=-1"):
        read(home, first=-1)
