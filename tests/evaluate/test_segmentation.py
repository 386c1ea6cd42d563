"""From a map to a mask: each step by hand, the fallbacks, the bounds, and how beta and layer are chosen."""

import pytest
import torch
from scipy.cluster.vq import kmeans2

from ktlib.evaluate import segmentation
from ktlib.evaluate.overlap import dice, scores
from ktlib.evaluate.saliency import SaliencySettings, saliency
from ktlib.evaluate.segmentation import Batch, bounds, boxes, choose, coarse, embedded, evaluate, foreground
from tests.conftest import tiny_clip
from tests.tiny_sam import tiny_sam

TEXT, FIRST = "a red disk", SaliencySettings(layer=0, steps=2, copies=2)


@pytest.fixture
def segmenter():
    return tiny_sam()


def square(top, left, side=8, size=32):
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[top : top + side, left : left + side] = True
    return mask


TRUTHS = torch.stack([square(4, 4), square(10, 20), square(0, 0, side=0)])  # the last has nothing to find


# -- from a map to a box --------------------------------------------------------------------------------
def squares(levels, cut):
    return sum(((part - part.mean()) ** 2).sum().item() for part in (levels[levels <= cut], levels[levels > cut]))


@pytest.mark.parametrize("side", [32, 64, 256])
def test_no_other_split_has_smaller_squares_and_k_means_stops_near_it(side):
    draw = torch.Generator().manual_seed(0)
    maps = torch.rand(3, side, side, generator=draw) * torch.tensor([1.0, 0.4, 0.7])[:, None, None]
    maps[:, : side // 3] += 0.3
    for map_, mask in zip(maps.clamp(0, 1), foreground(maps.clamp(0, 1)), strict=True):
        levels = (map_ * 255).round().double()
        cut = levels[~mask].max().item()
        assert cut < levels[mask].min()
        best = min(squares(levels, cut) for cut in range(int(levels.min()), int(levels.max())))
        assert squares(levels, cut) == pytest.approx(best)
        ends = torch.stack([levels.min(), levels.max()])
        centres, labels = kmeans2(levels.flatten().numpy(), ends.numpy(), iter=200, minit="matrix")
        stopped = levels.flatten()[labels == centres.argmin()].max().item()
        assert abs(stopped - cut) <= 8 and squares(levels, stopped) >= best * (1 - 1e-12)  # 8 of 255 levels


def test_a_map_that_is_the_same_everywhere_has_no_brighter_part_and_its_box_is_the_image():
    found = coarse(torch.full((1, 20, 30), 0.4))
    assert not found.masks.any()
    assert found.boxes.tolist() == [[0, 0, 30, 20]]
    assert found.fell_back.tolist() == [True]


def test_only_the_largest_part_is_kept_and_corners_connect():
    map_ = torch.zeros(1, 32, 32)
    map_[0, 2:6, 2:6] = 1  # 16 pixels, with 16 more at its corner
    map_[0, 6:10, 6:10] = 0.9
    map_[0, 20:25, 20:25] = 1  # 25
    found = coarse(map_)
    assert found.boxes.tolist() == [[2, 2, 10, 10]]
    assert found.parts.tolist() == [1]
    assert found.masks.sum().item() == 32


def test_parts_that_are_equally_large_are_all_kept_in_one_box():
    map_ = torch.zeros(1, 32, 32)
    map_[0, 2:6, 2:6] = map_[0, 20:24, 24:28] = 1
    map_[0, 30, 0] = 1
    found = coarse(map_)
    assert found.parts.tolist() == [2]
    assert found.boxes.tolist() == [[2, 2, 28, 24]]


def test_a_box_ends_on_the_first_pixel_outside():
    assert boxes(TRUTHS).tolist() == [[4, 4, 12, 12], [20, 10, 28, 18], [0, 0, 32, 32]]


def test_as_many_parts_are_kept_as_are_asked_for():
    mask = torch.stack([square(0, 0, 4) | square(10, 10, 6) | square(20, 20, 5)])
    kept, parts = segmentation.largest_parts(mask, [2])
    assert torch.equal(kept[0], square(10, 10, 6) | square(20, 20, 5))
    assert parts.tolist() == [2]
    nothing, parts = segmentation.largest_parts(torch.zeros_like(mask))
    assert not nothing.any() and parts.tolist() == [0]


# -- the whole way ----------------------------------------------------------------------------------------
def test_a_perfect_segmenter_and_a_perfect_map_give_a_perfect_mask(monkeypatch, segmenter, images):
    monkeypatch.setattr(segmentation, "saliency", lambda m, i, t, **_: TRUTHS[: len(i)].float())
    monkeypatch.setattr(segmenter, "segment", lambda i, b, **_: TRUTHS[: len(i)])
    found = evaluate(tiny_clip(), segmenter, [Batch(images[:2], TRUTHS[:2])], TEXT)
    assert found.masks.means() == found.coarse.means() == {"dsc": 1, "iou": 1, "nsd": 1, "nsd_slab": 1}
    assert not found.fell_back.any()


def test_the_steps_are_map_box_and_outline(segmenter, images):
    model = tiny_clip()
    found = segmentation.segment(model, segmenter, images[:3], TEXT, settings=FIRST)
    assert torch.equal(found.maps, saliency(model, images[:3], TEXT, settings=FIRST))
    by_hand = segmenter.segment(images[:3], coarse(found.maps).boxes)
    assert torch.equal(found.masks, segmentation.largest_parts(by_hand, found.coarse.parts.tolist())[0])


def test_images_with_nothing_to_find_are_counted_and_batches_make_no_difference(segmenter, images):
    model = tiny_clip()
    whole = evaluate(model, segmenter, [Batch(images[:3], TRUTHS)], TEXT, settings=FIRST)
    split = [Batch(images[:1], TRUTHS[:1]), Batch(images[1:3], TRUTHS[1:])]
    parts = evaluate(model, segmenter, embedded(segmenter, split), TEXT, settings=FIRST)
    assert whole.masks.left_out == parts.coarse.left_out == 1
    torch.testing.assert_close(parts.masks.values["dsc"], whole.masks.values["dsc"], atol=0.02, rtol=0)  # rounding


def test_embeddings_are_worked_out_once_for_all_models(monkeypatch, segmenter, images):
    batches = embedded(segmenter, [Batch(images[:3], TRUTHS)])
    monkeypatch.setattr(segmenter.sam.vision_encoder, "forward", None)  # not to be called again
    for seed in (0, 1):
        evaluate(tiny_clip(seed), segmenter, batches, TEXT, settings=FIRST)
    assert set(bounds(segmenter, batches)) == {"whole_image", "true_box"}


def test_the_bounds_are_boxes_around_the_whole_image_and_around_the_truth(monkeypatch, segmenter, images):
    asked = []

    def filled(pictures, where, **_):  # what a segmenter makes of a box that it fills
        asked.append(where.tolist())
        masks = torch.zeros(len(pictures), 32, 32, dtype=torch.bool)
        for mask, (left, top, right, bottom) in zip(masks, where.int().tolist(), strict=True):
            mask[top:bottom, left:right] = True
        return masks

    monkeypatch.setattr(segmenter, "segment", filled)
    found = bounds(segmenter, [Batch(images[:3], TRUTHS)])
    assert asked == [[[0, 0, 32, 32]] * 3, boxes(TRUTHS).tolist()]
    assert found["true_box"].means()["dsc"] == 1
    assert found["whole_image"].means()["dsc"] == pytest.approx(2 * 64 / (64 + 1024))
    assert found["true_box"].left_out == 1


def test_masks_of_another_size_or_without_an_image_are_refused(segmenter, images):
    for truths in (TRUTHS[:, :16], TRUTHS[:2]):
        with pytest.raises(ValueError, match="expected a mask for each image, as large as it is, .*pair them by name"):
            evaluate(tiny_clip(), segmenter, [Batch(images[:3], truths)], TEXT)
    with pytest.raises(ValueError, match="expected images to segment, found none"):
        bounds(segmenter, [])


# -- beta and layer -----------------------------------------------------------------------------------------
def maps_of(good):
    """Maps that show the truth at one pair of beta and layer only, and a corner elsewhere."""

    def made(model, images, text, *, settings, seed):
        shown = TRUTHS[:2] if (settings.beta, settings.layer) == good else torch.stack([square(24, 24)] * 2)
        return shown[: len(images)].float()

    return made


def test_the_best_pair_on_all_validation_images_is_chosen_and_the_rest_is_kept(monkeypatch, images):
    monkeypatch.setattr(segmentation, "saliency", maps_of((1.0, 8)))
    found = choose(tiny_clip(), [Batch(images[:3], TRUTHS)], TEXT, settings=SaliencySettings(steps=5))
    assert found.settings == SaliencySettings(steps=5, beta=1.0, layer=8)
    assert found.images == 2  # the one with nothing to find is left out
    assert len(found.table) == 9 and found.table[1.0, 8] == 1 and found.table[0.1, 7] == 0


def test_of_equals_the_first_is_chosen(monkeypatch, images):
    monkeypatch.setattr(segmentation, "saliency", maps_of(None))
    assert choose(tiny_clip(), [Batch(images[:2], TRUTHS[:2])], TEXT).settings == SaliencySettings(beta=0.1, layer=7)


def test_the_published_search_looks_at_the_map_above_0_3_in_three_images(monkeypatch, images):
    truths = torch.stack([square(i, i) for i in range(10)])
    seen = []

    def map_(model, pictures, text, *, settings, seed):
        seen.append(pictures)
        return torch.full((1, 32, 32), 0.29) + 0.02 * truths[:1]

    monkeypatch.setattr(segmentation, "saliency", map_)
    found = choose(tiny_clip(), [Batch(images, truths)], TEXT, rule="published", betas=[1.0], layers=[0])
    drawn = [next(i for i in range(10) if torch.equal(images[i], one[0])) for one in seen]
    assert found.images == len(drawn) == 3 and found.rule == "published"
    expected = torch.stack([dice(truths[:1], truths[i : i + 1])[0] for i in drawn]).mean().item()
    assert found.table == {(1.0, 0): pytest.approx(expected)}


def test_the_choice_by_validation_is_that_of_the_coarse_masks(images):
    model = tiny_clip()
    batch = Batch(images[:2], TRUTHS[:2])
    found = choose(model, [batch], TEXT, settings=FIRST, betas=[0.1, 2.0], layers=[0])
    for (beta, layer), value in found.table.items():
        settings = SaliencySettings(layer=layer, beta=beta, steps=2, copies=2)
        masks = coarse(saliency(model, batch.images, TEXT, settings=settings)).masks
        assert value == pytest.approx(scores(masks, batch.truths).means()["dsc"], abs=1e-6)


def test_another_rule_or_nothing_to_choose_by_is_refused(images):
    with pytest.raises(ValueError, match="expected a rule of validation, published, betas and layers, found 'test'"):
        choose(tiny_clip(), [Batch(images[:2], TRUTHS[:2])], TEXT, rule="test")
    with pytest.raises(ValueError, match="expected validation images with something to find, found empty masks only"):
        choose(tiny_clip(), [Batch(images[2:3], TRUTHS[2:])], TEXT)
