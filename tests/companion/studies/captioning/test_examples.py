"""The grid of captions: images by rule, none twice, and a row for each caption."""

from dataclasses import replace

from ktlib.companion.studies.captioning.examples import examples, of_examples, spoken
from tests.companion.studies.captioning.tiny import said

BEFORE = said("in", "a brick wall", "a wall", "a round opening", "in", "a disk")
AFTER = said("a red disk", "in", "a wall", "a round opening", "in", "a disk")


def test_the_largest_rise_the_middle_and_the_largest_fall_are_shown():
    assert examples(BEFORE, AFTER, 3) == {"most gained": ["0"], "in the middle": ["4"], "most lost": ["1"]}


def test_no_image_stands_twice_where_there_are_few():
    two = said("in", "a brick wall"), said("a red disk", "a brick wall")
    assert examples(*two, 6) == {"most gained": ["0", "1"], "in the middle": [], "most lost": []}


def test_a_row_says_why_an_image_is_shown_and_not_which(subject):
    rows = of_examples(subject, "KT Tab. 10", {"most gained": ["0"], "most lost": ["1"]}, {"base": BEFORE, "kt": AFTER})
    assert {row.metric for row in rows} == {"rouge_l"}, "without Java there is no METEOR"
    found = {(row.subject, row.method): row.value for row in rows}
    assert found == {
        ("most gained 1", "base"): 0,
        ("most gained 1", "kt"): 1,
        ("most lost 1", "base"): 1,
        ("most lost 1", "kt"): 0,
    }
    assert {(row.n, row.low == row.value == row.high) for row in rows} == {(1, True)}


def test_where_one_of_them_lacks_meteor_none_is_judged_by_it(subject):
    whole = said("in", "a brick wall", "a wall")
    scores = whole.scores
    whole.__dict__["scores"] = replace(
        scores,
        corpus=scores.corpus | {"meteor": 0.0},
        per_image=scores.per_image | {"meteor": dict.fromkeys(scores.images, 0.0)},
    )
    after = said("a red disk", "in", "a wall")
    assert examples(whole, after, 3)["most gained"] == ["0"]
    rows = of_examples(subject, "KT Tab. 10", {"most gained": ["0"]}, {"base": whole, "kt": after})
    assert {row.metric for row in rows} == {"rouge_l"}


def test_how_a_model_speaks_is_counted():
    found = spoken({"1": "a photo photo of a cat", "2": "a cat", "3": "a cat"})
    assert found == {"different captions": 2, "the commonest": "a cat", "times": 2, "with a word twice running": 1}
