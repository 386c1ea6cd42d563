"""DSC, IoU and both NSDs: by hand, against DeepMind's code and MONAI's, and what an empty mask means."""

import numpy as np
import pytest
import torch
from surface_distance import metrics as deepmind
from torchmetrics.functional.classification import binary_f1_score, binary_jaccard_index

from ktlib.evaluate.overlap import METRICS, Scores, dice, iou, joined, nsd, scores

# surface-distance calls scipy by names that will go
pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")


def disc(radius, side=120, centre=(60, 60)):
    y, x = np.mgrid[:side, :side]
    return torch.from_numpy((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2)


def blobs(seed, count=4, side=24):
    """Ragged masks with holes, diagonal touches and pixels at every edge."""
    return torch.rand(count, side, side, generator=torch.Generator().manual_seed(seed)) > 0.6


def theirs(mask, truth, tolerance, *, slab):
    a, b = mask.numpy(), truth.numpy()
    if slab:
        a, b = a[..., None], b[..., None]
    distances = deepmind.compute_surface_distances(b, a, (1,) * a.ndim)
    return deepmind.compute_surface_dice_at_tolerance(distances, tolerance)


# -- by hand --------------------------------------------------------------------------------------------
def test_two_pixels_of_which_one_is_shared():
    mask, truth = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    mask[0, 1, 1:3], truth[0, 1, 2:4] = True, True
    assert dice(mask, truth).item() == pytest.approx(0.5)
    assert iou(mask, truth).item() == pytest.approx(1 / 3)


def test_a_pixel_s_contour_is_four_half_diagonals_and_beside_it_half_is_near():
    """Two neighbouring pixels share two corners; within 0 pixels these alone are near."""
    mask, truth = torch.zeros(2, 1, 3, 4, dtype=torch.bool)
    mask[0, 1, 1], truth[0, 1, 2] = True, True
    assert nsd(mask, truth, tolerance=0).item() == pytest.approx(0.5)
    assert nsd(mask, truth, tolerance=1).item() == 1


def test_a_disc_within_a_disc_has_no_contour_in_common_and_still_a_high_slab_score():
    """Protocol of the companion: DSC 0.82, slab 0.87, true contour 0."""
    mask, truth = disc(48)[None], disc(40)[None]
    found = scores(mask, truth)
    rounded = {metric: round(value.item(), 2) for metric, value in found.values.items()}
    assert rounded == {"dsc": 0.82, "iou": 0.7, "nsd": 0.0, "nsd_slab": 0.87}


# -- oracles --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 2, 5])
@pytest.mark.parametrize("form", ["contour", "slab"])
def test_nsd_is_deepmind_s_in_both_forms(form, tolerance):
    masks, truths = blobs(0), blobs(1)
    masks[3], truths[3] = disc(7, 24, (12, 10)), disc(5, 24, (12, 13))
    expected = [theirs(m, t, tolerance, slab=form == "slab") for m, t in zip(masks, truths, strict=True)]
    found = nsd(masks, truths, tolerance=tolerance, form=form)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=found.dtype))


def test_dsc_and_iou_are_those_of_torchmetrics():
    masks, truths = blobs(2), blobs(3)
    pairs = list(zip(masks, truths, strict=True))
    expected = torch.stack([binary_f1_score(m.int().flatten(), t.int().flatten()) for m, t in pairs])
    torch.testing.assert_close(dice(masks, truths), expected)
    expected = torch.stack([binary_jaccard_index(m.int().flatten(), t.int().flatten()) for m, t in pairs])
    torch.testing.assert_close(iou(masks, truths), expected)


def test_monai_agrees_on_dsc_and_iou_and_counts_pixels_where_we_measure_contours():
    from monai.metrics import DiceMetric, MeanIoU, SurfaceDiceMetric

    masks, truths = blobs(4), blobs(5)
    masks[3], truths[3] = disc(7, 24, (12, 10)), disc(5, 24, (12, 13))
    there = masks[:, None].float(), truths[:, None].float()
    torch.testing.assert_close(dice(masks, truths), DiceMetric(reduction="none")(*there)[:, 0])
    torch.testing.assert_close(iou(masks, truths), MeanIoU(reduction="none")(*there)[:, 0])

    def monai(mask, truth, tolerance):
        metric = SurfaceDiceMetric([tolerance], include_background=True)
        return metric(mask[None, None].float(), truth[None, None].float()).item()

    # Where everything is near, or nothing, both definitions agree.
    for mask, truth, expected in ((disc(40), disc(40), 1), (disc(40), disc(41), 1), (disc(40), disc(48), 0)):
        assert monai(mask, truth, 2) == nsd(mask[None], truth[None]).item() == expected
    # In between they do not: MONAI counts the mask's outermost pixels, DeepMind (and we) measure the line around them.
    mask, truth = disc(40), disc(40, centre=(60, 64))
    ours, other = nsd(mask[None], truth[None]).item(), monai(mask, truth, 2)
    assert 0.2 < ours < 0.6 and 0.2 < other < 0.6
    assert ours != pytest.approx(other, abs=1e-3)
    assert ours == pytest.approx(theirs(mask, truth, 2, slab=False))


# -- invariances ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", ["contour", "slab"])
def test_nsd_asks_not_which_mask_comes_first_nor_which_way_is_up(form):
    masks, truths = blobs(6), blobs(7)
    found = nsd(masks, truths, form=form, tolerance=1)
    torch.testing.assert_close(nsd(truths, masks, form=form, tolerance=1), found)
    torch.testing.assert_close(nsd(masks.rot90(1, (1, 2)), truths.rot90(1, (1, 2)), form=form, tolerance=1), found)
    torch.testing.assert_close(nsd(masks.flip(2), truths.flip(2), form=form, tolerance=1), found)


# -- empty masks and bad input --------------------------------------------------------------------------
def test_an_empty_answer_is_worth_nothing_and_where_nothing_is_to_be_found_everything():
    something, nothing = disc(5, 20, (10, 10))[None], torch.zeros(1, 20, 20, dtype=torch.bool)
    for mask, truth, expected in ((nothing, something, 0), (something, nothing, 0), (nothing, nothing, 1)):
        assert {value.item() for value in scores(mask, truth).values.values()} == {expected}


def test_images_with_nothing_to_find_are_left_out_of_means_and_counted():
    truths = torch.stack([disc(5, 20, (10, 10)), torch.zeros(20, 20, dtype=torch.bool)])
    masks = torch.stack([disc(5, 20, (10, 10))] * 2)
    found = scores(masks, truths)
    assert found.left_out == 1
    assert found.means() == dict.fromkeys(METRICS, 1.0)
    assert found.of("dsc") == [1.0]
    assert found.values["dsc"].tolist() == [1, 0]
    with pytest.raises(ValueError, match="expected images with something to find, found 1 with empty masks only"):
        scores(masks[:1], truths[1:]).means()


def test_batches_are_joined_image_by_image():
    masks, truths = blobs(8), blobs(9)
    found, whole = joined([scores(masks[:1], truths[:1]), scores(masks[1:], truths[1:])]), scores(masks, truths)
    assert isinstance(found, Scores)
    assert all(torch.equal(found.values[metric], whole.values[metric]) for metric in METRICS)
    estimate = found.estimate("dsc")
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.value == pytest.approx(found.means()["dsc"])


def test_masks_of_another_size_and_other_forms_are_refused():
    with pytest.raises(
        ValueError, match=r"same size, found \(4, 24, 24\) and \(4, 12, 12\): resize .*pair them by name"
    ):
        dice(blobs(0), blobs(0, side=12))
    with pytest.raises(ValueError, match="expected the form contour or slab, found 'volume'"):
        nsd(blobs(0), blobs(1), form="volume")
