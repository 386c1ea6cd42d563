"""The pocket SAM in training: boxes, losses, and that it learns to outline."""

import dataclasses
import json

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


def test_boxes_are_exact_loose_or_the_whole_picture_and_stay_inside():
    exact = torch.tensor([[4.0, 30.0, 34.0, 60.0]]).repeat(600, 1)
    found = segmenter.loosened(exact, 0, 0)
    assert torch.equal(found, segmenter.loosened(exact, 0, 0)) and not torch.equal(
        found, segmenter.loosened(exact, 1, 0)
    )
    whole = (found == torch.tensor([0.0, 0.0, 64.0, 64.0])).all(1)
    same = (found == exact).all(1)
    assert whole.float().mean().item() == pytest.approx(segmenter.WHOLE, abs=0.04)
    assert same.float().mean().item() == pytest.approx(1 - segmenter.WHOLE - segmenter.LOOSE, abs=0.06)
    assert (found >= 0).all() and (found <= 64).all() and (found[:, 2:] > found[:, :2]).all()
    shared = torch.minimum(found[:, 2:], exact[:, 2:]) - torch.maximum(found[:, :2], exact[:, :2])
    assert (shared.prod(1) >= 0.5 * 30 * 30).all()  # 0.3 of 0.4 on each of four sides leaves 0.58


def test_the_loss_of_a_perfect_answer_is_nothing_and_of_none_log_two_and_all_of_dice():
    truth = masks()[1:]
    assert segmenter.loss(torch.where(truth, 40.0, -40.0), truth).item() == pytest.approx(0, abs=1e-6)
    inside = int(truth.sum())
    expected = 0.6931 + 1 - (inside + 1) / (0.5 * 64 * 64 + inside + 1)  # all one half: the overlap is half of it
    assert segmenter.loss(torch.zeros(1, 64, 64), truth).item() == pytest.approx(expected, abs=1e-3)


def test_it_learns_to_outline_one_slice():
    learner = segmenter.Outlining(dataclasses.replace(TINY, pool=4), "x")
    optimizer = torch.optim.AdamW(learner.network.parameters(), lr=5e-3)
    losses = []
    for _ in range(50):
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
    assert len(card["scores"]) == 2 * len(scans.TASKS) and all(0 <= dsc <= 1 for dsc in card["scores"].values())
    assert "| brain tumor |" in (tmp_path / "README.md").read_text()
