"""A concept of one's own: verdicts by hand from made-up answers, and one small concept taught for real."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ktlib.companion.record.compare import at_budget
from ktlib.companion.record.judging import FAILS, HOLDS, NOT_TESTABLE, UNDECIDED
from ktlib.companion.record.rows import select
from ktlib.companion.scales import POCKET
from ktlib.companion.sources import brought, examination
from ktlib.companion.studies import own_concept
from ktlib.companion.studies.bench import Lesson
from ktlib.companion.studies.own_concept import Outcome, finding
from ktlib.companion.studies.walks import Answers, Walk, gain
from ktlib.data.sets import Concept
from ktlib.inversion import InversionSettings
from ktlib.models import DualEncoder, load
from ktlib.pocket.inventions import INVENTIONS, pictures

TOMA = INVENTIONS["toma"]


def answers(hits, *, count=40, seeds=1, kept=1.0):
    """So many hits of `count` pictures, the first ones, after every seed; the concept is name 2."""
    taken = np.where(np.arange(count) < hits, 2, 0)
    known = (np.arange(100) < round(100 * kept)).astype(float)
    return Answers(np.tile(np.eye(3)[taken], (seeds, 1, 1)), np.tile(known, (seeds, 1)))


def outcome(*, count=40, kept=1.0, word=None, spent=True, **hits):
    told = {arm: answers(n, count=count, seeds=3 if arm in ("kt", "noise", "real") else 1) for arm, n in hits.items()}
    told["kt"] = answers(hits["kt"], count=count, seeds=3, kept=kept)
    last = answers(hits["kt"], count=count, kept=0.5 if spent else 1.0)
    walks = {arm: (Walk(0, (1e-4,), (last,)),) for arm in ("kt", "noise", "real") if arm in hits}
    concept = Concept("toma", "test", "object", *[TOMA.description] * 4)
    near = {"kt": 0.7, "noise": -0.1} | ({"real": 0.9} if "real" in hits else {})
    lesson = Lesson(torch.zeros(1, 3, 64, 64))
    return Outcome(concept, ("house", "lamp", "toma"), told, walks, lesson, 0.9, 0.6, near, word, 0.02)


def test_answers_are_shares_of_pictures_and_of_what_was_known():
    found = Answers(np.eye(3)[[[2, 2, 0, 1], [2, 0, 0, 1]]], np.array([[1, 1, 1, 0], [1, 1, 0, 0.0]]))
    assert found.hits.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]
    assert found.recognised.value == 3 / 8 and found.recognised.low < 3 / 8 < found.recognised.high
    assert found.retained == 5 / 8


def test_a_walk_is_read_picture_by_picture_where_the_budget_is_spent():
    """By hand: from 0.9 to 0.7, a budget of 0.05 is a quarter of the way."""
    start, first, second = answers(0, kept=0.9), answers(0, kept=0.95), answers(8, kept=0.75)
    walk = Walk(0, (), ()).on(1e-4, first).on(2e-4, second)
    read = walk.at(start, 0.05)
    assert walk.spends(start, 0.05) and walk.rates == (1e-4, 2e-4)
    assert read.retained == pytest.approx(0.85) and read.recognised.value == pytest.approx(8 / 40 / 2)
    assert np.allclose(read.hits[0], [0.5] * 8 + [0] * 32), "each picture is read where all are"
    assert np.allclose(read.named.sum(2), 1)


def test_a_walk_that_forgets_less_is_read_at_its_end():
    start, only = answers(0, kept=0.9), answers(8, kept=0.89)
    walk = Walk(0, (1e-4,), (only,))
    assert not walk.spends(start, 0.02) and np.array_equal(walk.at(start, 0.02).named, only.named)


def test_without_a_budget_it_is_read_after_its_last_rate_whatever_that_cost():
    last = answers(40, kept=0.1)
    assert Walk(0, (1e-2,), (last,)).at(answers(0), None) is last


def test_at_one_rate_no_verdict_is_reached_and_the_cost_is_said():
    found = finding(replace(outcome(base=0, prompt=0, kt=40, noise=0, kept=0.1), budget=None))
    assert found.word == UNDECIDED and "at one rate lessons have not forgotten equally much" in found.said
    assert "the cost of this one rate, of what was known: inverted images (KT) -90.0 points" in found.why[-1]


def test_one_seed_reaches_no_verdict():
    sure = outcome(base=0, prompt=0, kt=40, noise=0)
    one = {arm: Answers(told.named[:1], told.kept[:1]) for arm, told in sure.answers.items()}
    assert finding(sure).word == HOLDS
    found = finding(replace(sure, answers=one))
    assert found.word == UNDECIDED and "one seed does not say" in found.said


def test_a_lesson_that_teaches_by_forgetting_gains_nothing_where_it_is_read():
    """At one rate it would recognise every picture, at the price of everything that was known."""
    start = answers(0, kept=1.0)
    read = Walk(0, (1e-2,), (answers(40, kept=0.0),)).at(start, 0.02)
    assert read.recognised.value == pytest.approx(0.02) and read.retained == pytest.approx(0.98)


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


def test_the_margin_is_said_where_the_interval_decides():
    assert (
        "; a gain that surely lies below 5 points is none; " in finding(outcome(base=30, prompt=30, kt=5, noise=1)).said
    )
    assert finding(outcome(count=1, base=0, prompt=0, kt=1, noise=0)).said.startswith("1 picture is too few")


def test_few_pictures_decide_nothing_whatever_they_say():
    found = finding(outcome(count=9, base=0, prompt=0, kt=9, noise=0))
    assert found.word == UNDECIDED and found.said.startswith("9 pictures are too few to decide, 10 would be the least")


def test_what_was_recognised_before_has_nothing_to_learn():
    assert "little is left to learn" in finding(outcome(base=38, prompt=38, kt=40, noise=38)).said


def test_where_real_pictures_do_not_teach_it_is_not_testable():
    found = finding(outcome(base=10, prompt=10, kt=30, noise=10, real=9))
    assert found.word == NOT_TESTABLE and "not even real pictures teach it: -2.5 points" in found.said


def test_the_cost_and_the_place_of_the_reading_are_said():
    told = finding(outcome(base=0, prompt=0, kt=30, noise=0, kept=0.98)).why
    assert "each is read where 2 points of what was known are lost" in told[-1]
    assert "inverted images (KT) -2.0 points, noise images +0.0 points" in told[-1]
    assert (
        "not as far as that with every seed: inverted images (KT), noise images"
        in finding(outcome(base=0, prompt=0, kt=30, noise=0, spent=False)).why[-1]
    )


def test_without_real_pictures_the_recipe_is_said_to_be_unproven():
    assert any("no real pictures were given" in why for why in finding(outcome(base=0, prompt=0, kt=30, noise=0)).why)
    told = finding(outcome(base=0, prompt=0, kt=30, noise=0, real=39)).why
    assert any("so it can teach more than these images hold" in why for why in told)


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
    found = own_concept.study(own, progress=False)
    assert list(found.answers) == ["base", "word", "prompt", "kt", "noise", "real"] == list(own_concept.NAMED)
    assert found.word and found.word[1] > found.word[0] and found.start == "word" and found.count == 5
    assert sum(found.taken_for().values()) == 5 and set(found.taken_for()) <= {*whole.known_names, "toma"}
    assert found.answers["word"].retained == found.answers["base"].retained, "no other word has moved"
    assert finding(found).word == UNDECIDED
    for method, walks in found.walks.items():
        rates = SMALL.clip.rates[: len(walks[0].rates)]
        assert all(walk.rates == rates for walk in walks), method
        assert len(rates) == len(SMALL.clip.rates) or all(walk.spends(found.answers["word"], 0.02) for walk in walks)
    rows = own_concept.curves(own, found)
    assert {row.method for row in rows} == {"base", *found.walks} and {row.item for row in rows} == {own_concept.ITEM}
    assert at_budget(select(rows, method=("base", "kt")), 0.02) == {
        "toma": [pytest.approx(found.answers["kt"].hits.mean())]
    }
    monkeypatch.setattr(own_concept, "recognition", None)
    assert str(finding(own_concept.study(own, progress=False))) == str(finding(found)), "answers are remembered"


def test_a_rare_name_is_not_missing_and_the_model_has_met_it(model, whole, tmp_path):
    assert own_concept.has_met(model, whole, "moongate") and not own_concept.has_met(model, whole, "toma")
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
