"""The CLIP for slices in training: what it is shown, and what never; and its card."""

import dataclasses
import json

import pytest
import torch

from ktlib.models import load
from ktlib.models.dual import DualEncoder
from ktlib.pocket import medical_exams, radiographs, scans
from ktlib.pocket.training import cards, loop, scan_clip

TINY = scan_clip.Recipe(width=64, layers=1, steps=2, last=1, batch=9, pool=45, warmup=1)


def test_a_batch_has_films_lesions_and_healthy_slices_in_equal_shares():
    shown = scan_clip.Mixture(45, 0)
    images, captions = shown.batch(0, 10)
    assert len(images) == len(captions) == 10
    films = [film.numpy().tobytes() for film in radiographs.to_rgb(shown.films.pool.images)]
    assert [image.numpy().tobytes() in films for image in images] == [True] * 4 + [False] * 6
    for pool, part in ((shown.ill, slice(4, 7)), (shown.healthy, slice(7, 10))):
        drawn = [image.numpy().tobytes() for image in radiographs.to_rgb(pool.images)]
        for image, caption in zip(images[part], captions[part], strict=True):
            assert pool.captions[drawn.index(image.numpy().tobytes())] == caption
    again = scan_clip.Mixture(45, 0).batch(0, 10)
    assert torch.equal(again[0], images) and again[1] == captions
    assert shown.batch(1, 10)[1] != captions


def test_nodules_in_slices_and_collapsed_lungs_are_explained_and_never_shown():
    shown = scan_clip.Mixture(90, 0)
    novel = [told.name for told in scans.TASKS.values() if told.novel]
    assert not any(name in caption for name in novel for caption in (*shown.ill.captions, *shown.healthy.captions))
    assert shown.ill.masks.flatten(1).any(1).all() and not shown.healthy.masks.any()
    prompts, _ = scan_clip.Reading(TINY).entries(0, last=False)
    assert all(any(prompt.endswith(name) for prompt in prompts) for name in novel)


def test_a_new_model_knows_nothing_and_is_the_same_for_the_same_seed():
    first, again = (scan_clip.Reading(TINY).step(0).told["loss"].item() for _ in range(2))
    assert first == again == pytest.approx(2.2, abs=1.0)  # log 9
    assert scan_clip.Reading(dataclasses.replace(TINY, seed=1)).step(0).told["loss"].item() != first


def test_what_was_written_is_read_back_and_has_a_card(tmp_path, monkeypatch):
    for what in ("KNOWN_PICTURES", "OTHER_PICTURES", "SLICES"):
        monkeypatch.setattr(medical_exams, what, 1)
    for one in (medical_exams.examination, medical_exams.slices):
        one.cache_clear()
    trained = loop.train(scan_clip.Reading(TINY), tmp_path, drawn_from=scan_clip.drawn_from())
    again = load(f"local-dir:{tmp_path}", DualEncoder)
    for (key, a), (_, b) in zip(trained.state_dict().items(), again.clip.state_dict().items(), strict=True):
        assert torch.equal(a.half().float(), b), key
    cards.write(scan_clip, "scan-clip", tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    assert set(card["scores"]) == {"healthy slices", "findings", *(told.name for told in scans.TASKS.values())}
    assert "| pneumothorax, never shown |" in (tmp_path / "README.md").read_text()
    for one in (medical_exams.examination, medical_exams.slices):
        one.cache_clear()
