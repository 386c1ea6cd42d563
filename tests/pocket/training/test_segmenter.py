"""The pocket SAM in training: boxes, losses, and that it learns to outline."""

import dataclasses
import json
from random import Random

import pytest
import torch

from ktlib.models import load
from ktlib.models.sam import Segmenter
from ktlib.pocket import scans
from ktlib.pocket.training import cards, loop, segmenter

TINY = segmenter.Recipe(width=24, layers=2, channels=16, steps=2, batch=4, pool=8, warmup=1)


def masks():
    """Two masks by hand: a pixel, and an L."""
    found = torch.zeros(2, 64, 64, dtype=torch.bool)
    found[0, 3, 5] = True
    found[1, 10:20, 30] = found[1, 19, 30:34] = True
    return found


def test_a_box_holds_its_mask_and_no_row_more():
    assert segmenter.boxes(masks()).tolist() == [[5, 3, 6, 4], [30, 10, 34, 20]]
    with pytest.raises(ValueError, match="found an empty one"):
        segmenter.boxes(torch.zeros(1, 64, 64, dtype=torch.bool))


def test_a_loose_box_stays_inside_and_holds_most_of_the_exact_one():
    exact = torch.tensor([4.0, 30.0, 34.0, 60.0])
    found = torch.stack([segmenter.loosened(exact, Random(seed)) for seed in range(200)])
    assert (found >= 0).all() and (found <= 64).all()
    shared = torch.minimum(found[:, 2:], exact[2:]) - torch.maximum(found[:, :2], exact[:2])
    assert (shared.prod(1) >= 0.57 * 30 * 30).all()  # 0.3 of 0.4 lost on each of four sides leaves 0.578
    assert (found[:, 2:] - found[:, :2]).max() > 36


def test_a_box_at_another_place_has_the_same_size_and_may_be_anywhere():
    found = torch.stack([segmenter.moved(torch.tensor([4.0, 30.0, 14.0, 60.0]), Random(seed)) for seed in range(200)])
    torch.testing.assert_close(found[:, 2:] - found[:, :2], torch.tensor([10.0, 30.0]).expand(200, 2))
    assert (found >= 0).all() and (found <= 64).all()
    assert found[:, 0].min() < 2 and found[:, 2].max() > 62 and found[:, 1].min() < 2 and found[:, 3].max() > 62


def test_a_box_is_answered_with_what_fits_it_best_or_with_its_ellipse():
    things = masks()  # a pixel; an L in 30, 10, 34, 20
    assert torch.equal(segmenter.answer(things, torch.tensor([32.0, 10.0, 36.0, 20.0])), things[1])  # IoU of a third
    away = segmenter.answer(things, torch.tensor([50.0, 40.0, 60.0, 60.0]))
    assert away.sum().item() == pytest.approx(3.1416 * 5 * 10, rel=0.05)
    assert segmenter.boxes(away[None]).tolist() == [[50, 40, 60, 60]]
    large = segmenter.answer(things, torch.tensor([20.0, 0.0, 50.0, 40.0]))  # holds the L, and much else
    assert large[20, 35] and not large[1, 21]


def test_the_box_decides_what_is_outlined_and_the_whole_picture_asks_for_the_largest():
    things = torch.cat([masks(), masks()[:1].roll(20, 2)])  # a pixel, an L, another pixel
    asked, wanted = segmenter.prompts([things] * 600, Random(0))
    whole = (asked == torch.tensor([0.0, 0.0, 64.0, 64.0])).all(1)
    assert whole.float().mean().item() == pytest.approx(segmenter.WHOLE, abs=0.05)  # four deviations
    assert (wanted[whole] == things[1]).all()
    of = torch.stack([(wanted == thing).flatten(1).all(1) for thing in things]) & ~whole
    ellipses = ~of.any(0) & ~whole
    assert ellipses.float().mean().item() == pytest.approx(segmenter.ELSEWHERE, abs=0.08)
    assert (of[0].sum() / of.sum()).item() == pytest.approx(segmenter.LESIONS, abs=0.1)
    exact = torch.stack([(asked == box).all(1) for box in segmenter.boxes(things)]) & of
    expected = 1 - segmenter.WHOLE - segmenter.LOOSE - segmenter.ELSEWHERE
    assert exact.any(0).float().mean().item() == pytest.approx(expected, abs=0.08)


def test_the_pool_has_the_slices_and_their_lesions_first():
    images, things = segmenter.Outlining(TINY, "x").pool
    drawn = scans.pool(tuple(scans.TASKS), TINY.pool)
    assert torch.equal(images, drawn.images)
    assert torch.equal(torch.stack([masks[0] for masks in things]), drawn.masks)
    assert all(len(masks) >= 3 and masks.flatten(1).any(1).all() for masks in things)


def test_the_loss_of_a_perfect_answer_is_nothing_and_of_none_log_two_and_all_of_dice():
    truth = masks()[1:]
    assert segmenter.loss(torch.where(truth, 40.0, -40.0), truth).item() == pytest.approx(0, abs=1e-6)
    inside = int(truth.sum())
    expected = 0.6931 + 1 - (inside + 1) / (0.5 * 64 * 64 + inside + 1)  # all one half: the overlap is half of it
    assert segmenter.loss(torch.zeros(1, 64, 64), truth).item() == pytest.approx(expected, abs=1e-3)


def test_neighbouring_places_are_coded_alike_and_far_ones_are_not():
    network = segmenter.Outlining(segmenter.Recipe(), "x").network
    code = network.get_image_wide_positional_embeddings()[0].flatten(1)  # (channels, places), rows of 8
    near, far = (torch.cosine_similarity(code[:, 0], code[:, place], dim=0) for place in (1, 63))
    assert near > 0.3 > far + 0.1  # 0.29 is expected of random waves, 0 of the far ones
    waves = network.shared_image_embedding.positional_embedding
    assert waves.std().item() == pytest.approx(1, abs=0.3) and not waves.requires_grad  # 64 draws
    assert network.prompt_encoder.shared_embedding.positional_embedding is waves  # boxes are coded by the same


def test_it_learns_to_outline_one_slice():
    learner = segmenter.Outlining(dataclasses.replace(TINY, pool=4), "x")
    optimizer = torch.optim.AdamW(learner.network.parameters(), lr=2e-3)
    losses = []
    for _ in range(80):
        found = learner.step(0).loss
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        losses.append(found.item())
    assert losses[-1] < 0.7 * losses[0]


def test_what_was_written_is_read_back_and_has_a_card(tmp_path, monkeypatch):
    monkeypatch.setattr(segmenter, "CHECKED", 2)
    trained = loop.train(segmenter.learner("x", TINY), tmp_path, drawn_from=segmenter.drawn_from())
    again = load(f"local-dir:{tmp_path}", Segmenter)
    for (key, a), (_, b) in zip(trained.state_dict().items(), again.sam.state_dict().items(), strict=True):
        assert torch.equal(a.half().float(), b), key
    cards.write(segmenter, "sam", tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    assert len(card["scores"]) == 4 * len(scans.TASKS) and all(0 <= dsc <= 1 for dsc in card["scores"].values())
    assert "| brain tumor |" in (tmp_path / "README.md").read_text()
