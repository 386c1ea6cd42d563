"""The pocket MedCLIP in training: what it is shown and told, both stages, and its card."""

import dataclasses
import json

import pytest
import torch

from ktlib import places
from ktlib.models import load
from ktlib.models.medclip import MedCLIP
from ktlib.pocket import medical_exams, nodules, radiographs
from ktlib.pocket.nodules import NODULES, PAIR
from ktlib.pocket.training import cards, gates, loop, medical, words

TINY = medical.Recipe(width=12, steps=3, last=1, batch=8, pool=40, warmup=1)
CONTROLS = {
    ("base", 0.0): gates.Control({name: 0.25 for name in nodules.validation()}, 0.5),
    **{(arm, 1e-4): gates.Control({name: 0.5 for name in nodules.validation()}, 0.5) for arm in gates.ARMS},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(gates, "taught", lambda model, exam, rates: CONTROLS)
    for what, count in (("PICTURES", 2), ("KNOWN_PICTURES", 1), ("OTHER_PICTURES", 1)):
        monkeypatch.setattr(medical_exams, what, count)
    monkeypatch.setattr(medical, "PROBE", 1)
    medical_exams.examination.cache_clear()
    yield
    medical_exams.examination.cache_clear()


def test_a_new_model_knows_nothing_and_is_the_same_for_the_same_seed():
    torch.manual_seed(7)
    first, again = (medical.Reporting(TINY) for _ in range(2))
    assert torch.initial_seed() == 7  # the global generator is left as it was
    told = first.step(0).told["loss"].item()
    assert told == again.step(0).told["loss"].item() == pytest.approx(2.08, abs=1.0)  # log 8
    assert medical.Reporting(dataclasses.replace(TINY, seed=1)).step(0).told["loss"].item() != told


def test_the_dictionary_explains_nodules_that_no_film_shows():
    learner = medical.Reporting(TINY)
    prompts, explanations = learner.entries(0, last=True)
    names = (*radiographs.SEEN, *NODULES, *PAIR)
    assert len(prompts) == len(names)
    assert all(prompt.endswith(name) for prompt, name in zip(prompts, names, strict=True))
    told = NODULES["dorel"]
    assert explanations[prompts.index(next(p for p in prompts if p.endswith("dorel")))] in (told.short, told.long)
    shown = {name for one in learner.shown.pool.shown for name, _ in one.things}
    assert shown <= set(radiographs.SEEN)
    spots = {one.pellets for one in learner.shown.pool.shown} - {None}
    assert spots and not spots & set(NODULES.values())


def test_the_medium_description_which_is_inverted_is_explained_to_nobody():
    learner = medical.Reporting(TINY)
    for number in range(6):
        for last in (False, True):
            _, explanations = learner.entries(number, last=last)
            assert not any(told.medium in text for told in NODULES.values() for text in explanations)


def test_texts_are_read_in_training_as_the_finished_model_reads_them():
    learner = medical.Reporting(TINY)
    texts = ["edema", "a film of cardiomegaly in both lungs", NODULES["dorel"].long]
    trained = learner.encode_texts(words.encode(learner.words, texts))
    model = MedCLIP(learner.network, learner.words, name="x", mean=medical.MEAN, std=medical.STD)
    torch.testing.assert_close(model.encode_text(texts), trained, atol=1e-5, rtol=0)  # float32, other paddings


@pytest.mark.parametrize("name", ["medclip", "scan-clip"])
def test_the_shipped_tokenizers_are_those_of_the_code(name, tmp_path):
    tokenizer = medical.tokenizer()
    words.encode(tokenizer, ["a"])  # as training does: how it was last padded stands in the file
    words.write(tokenizer, tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / file).read_bytes() == (places.WEIGHTS / name / file).read_bytes()


def test_the_last_stage_trains_the_text_tower_alone():
    learner = medical.Reporting(TINY)
    for number, trained in ((1, True), (2, False)):
        learner.network.zero_grad()
        learner.step(number).loss.backward()
        visual = [p.grad for n, p in learner.network.named_parameters() if n.startswith(("vision", "logit_scale"))]
        assert all((gradient is not None) == trained for gradient in visual)
        assert learner.network.text_model.projection_head.weight.grad is not None


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    whole = loop.train(medical.Reporting(TINY), tmp_path / "whole")
    real = medical.Reporting.step

    def stopped(self, number):
        if number == 2:
            raise KeyboardInterrupt
        return real(self, number)

    monkeypatch.setattr(medical.Reporting, "step", stopped)
    with pytest.raises(KeyboardInterrupt):
        loop.train(medical.Reporting(TINY), tmp_path / "cut", save_every=2)
    monkeypatch.setattr(medical.Reporting, "step", real)
    resumed = loop.train(medical.Reporting(TINY), tmp_path / "cut")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_what_was_written_is_read_back_and_its_card_has_the_gates(tmp_path):
    trained = loop.train(medical.Reporting(TINY), tmp_path, drawn_from=medical.drawn_from())
    again = load(f"local-dir:{tmp_path}", MedCLIP)
    for (key, a), (_, b) in zip(trained.state_dict().items(), again.clip.state_dict().items(), strict=True):
        assert torch.equal(a.half().float(), b), key
    cards.write(medical, "medclip", tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    assert gates.from_rows(card["taught"]) == CONTROLS
    assert 0 <= medical.measured(card).probe <= 1 and card["validation"] == list(nodules.validation())
    page = (tmp_path / "README.md").read_text()
    assert page == medical.readable(card)
    assert "drawings and not medical data" in page and "| ten real pictures gain 20 points" in page
