"""A concept of one's own: verdicts by hand from made-up answers, and one small concept taught for real."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ktlib.companion.record.judging import FAILS, HOLDS, NOT_TESTABLE, UNDECIDED
from ktlib.companion.scales import PAPER, POCKET
from ktlib.companion.sources import brought, examination
from ktlib.companion.studies import own_concept
from ktlib.companion.studies.bench import Lesson
from ktlib.companion.studies.own_concept import Answers, Outcome, finding, gain
from ktlib.data.sets import Concept
from ktlib.inversion import InversionSettings
from ktlib.models import DualEncoder, load
from ktlib.pocket.inventions import INVENTIONS, pictures

TOMA = INVENTIONS["toma"]


def answers(hits, *, count=40, seeds=1, kept=1.0):
    """So many hits of `count` pictures, the first ones, after every seed; the concept is name 2."""
    taken = np.where(np.arange(count) < hits, 2, 0)
    known = np.where(np.arange(100) < 100 * kept, 1, 0)
    return Answers(np.tile(taken, (seeds, 1)), np.tile(known, (seeds, 1)), 2)


def outcome(*, count=40, kept=1.0, word=None, **hits):
    told = {arm: answers(n, count=count, seeds=3 if arm in ("kt", "noise", "real") else 1) for arm, n in hits.items()}
    told["kt"] = answers(hits["kt"], count=count, seeds=3, kept=kept)
    concept = Concept("toma", "test", "object", *[TOMA.description] * 4)
    near = {"kt": 0.7, "noise": -0.1} | ({"real": 0.9} if "real" in hits else {})
    return Outcome(
        concept, ("house", "lamp", "toma"), told, Lesson(torch.zeros(1, 3, 64, 64)), 0.9, 0.6, near, word, 1e-4, 0.02
    )


def test_answers_are_shares_of_pictures_and_of_what_was_known():
    found = Answers(np.array([[2, 2, 0, 1], [2, 0, 0, 1]]), np.array([[1, 1, 1, 0], [1, 1, 0, 0]]), 2)
    assert found.hits.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]
    assert found.recognised.value == 3 / 8 and found.recognised.low < 3 / 8 < found.recognised.high
    assert found.retained == 5 / 8


def test_a_gain_has_a_width_even_where_all_pictures_come_out_alike():
    sure = gain(answers(5, count=5, seeds=3), answers(0, count=5))
    assert sure.value == 1 and sure.high == 1 and sure.low < 0.6
    assert gain(answers(40, seeds=3), answers(0)).low > 0.85


def test_it_holds_where_it_beats_both_the_start_and_noise():
    found = finding(outcome(base=0, prompt=10, kt=30, noise=5))
    assert found.word == HOLDS and "+75.0 points" in found.said and "minus before" in found.said
    assert str(found).startswith("holds: ") and str(found).count("\n  - ") == len(found.why)


def test_it_does_not_hold_where_noise_does_better_and_says_where_it_broke():
    found = finding(outcome(base=0, prompt=30, kt=20, noise=36))
    assert found.word == FAILS and "noise under the same caption reaches 90% and the images 50%" in found.said
    assert any("so the caption teaches without any picture" in reason for reason in found.why)


def test_it_does_not_hold_where_nothing_is_added_to_the_start():
    found = finding(outcome(base=30, prompt=30, kt=5, noise=1))
    assert found.word == FAILS and "adds nothing worth claiming to 75% (before)" in found.said


def test_few_pictures_decide_nothing_whatever_they_say():
    found = finding(outcome(count=9, base=0, prompt=0, kt=9, noise=0))
    assert found.word == UNDECIDED and found.said.startswith("9 pictures are too few to decide, 10 would be the least")


def test_what_was_recognised_before_has_nothing_to_learn():
    assert "little is left to learn" in finding(outcome(base=38, prompt=38, kt=40, noise=38)).said


def test_where_real_pictures_do_not_teach_it_is_not_testable():
    found = finding(outcome(base=10, prompt=10, kt=30, noise=10, real=9))
    assert found.word == NOT_TESTABLE and "not even real pictures teach it: -2.5 points" in found.said


def test_the_cost_is_set_beside_the_budget():
    dear, cheap = (finding(outcome(base=0, prompt=0, kt=30, noise=0, kept=kept)).why[-1] for kept in (0.9, 0.99))
    assert "-10.0 points of what was known, more than the 2 points" in dear
    assert "-1.0 points of what was known, no more than the 2 points" in cheap


def test_a_rate_is_the_scale_s_or_the_one_published_for_the_family():
    assert own_concept.choose("openai/ViT-B-32", PAPER) == 2e-5
    assert own_concept.choose("pocket/clip-b-2", POCKET) in POCKET.clip.rates
    with pytest.raises(ValueError, match="expected a learning rate for pocket/else, found none; give one"):
        own_concept.choose("pocket/else", POCKET)


SMALL = replace(
    POCKET,
    seeds=(0,),
    clip=replace(POCKET.clip, images_per_concept=4, inversion=InversionSettings(steps=2, sizes=((0, 64),))),
)


@pytest.fixture(scope="module")
def model():
    return load("pocket/clip-b-0", DualEncoder)


@pytest.fixture(scope="module")
def whole():
    exam = examination("pocket 0")
    return replace(exam, known=[(images[::10], labels[::10]) for images, labels in exam.known])


def test_a_concept_is_taught_in_every_way_and_asked_for_once(model, whole, tmp_path, monkeypatch):
    exam = brought.one(whole, "toma", TOMA.description, pictures(TOMA.parts, 5), pictures(TOMA.parts, 6, first=50))
    own = own_concept.subject(model, exam, SMALL, cache=tmp_path)
    found = own_concept.study(own, 1e-3, progress=False)
    assert list(found.answers) == ["base", "word", "prompt", "kt", "noise", "real"] == list(own_concept.NAMED)
    assert found.word and found.word[1] > found.word[0] and found.start == "word" and found.count == 5
    assert sum(found.taken_for().values()) == 5 and set(found.taken_for()) <= {*whole.known_names, "toma"}
    assert found.answers["word"].retained == found.answers["base"].retained, "no other word has moved"
    assert finding(found).word == UNDECIDED
    monkeypatch.setattr(own_concept, "recognition", None)
    assert str(finding(own_concept.study(own, 1e-3, progress=False))) == str(finding(found)), "answers are remembered"


def test_a_rare_name_is_not_missing(model, whole, tmp_path):
    exam = replace(whole, concepts=(whole.concept("moongate"),))
    assert own_concept.missing_word(own_concept.subject(model, exam, SMALL, cache=tmp_path)) is None


@pytest.mark.parametrize(
    ("name", "description", "said"),
    [
        ("moonlamp", "a pink cross", "names that mean nothing yet \\(wug, dax"),
        ("toma", "a shiny cross", "does not know 'shiny'"),
        ("toma", "a " * 90, "tokens"),
    ],
)
def test_what_the_model_cannot_read_is_said_before_anything_is_computed(
    model, whole, tmp_path, name, description, said
):
    exam = brought.one(whole, name, description, pictures(TOMA.parts, 2))
    with pytest.raises(ValueError, match=said):
        own_concept.subject(model, exam, SMALL, cache=tmp_path)
