"""Captions are remembered, measured, compared by image and seed, and cells chosen on validation images."""

from dataclasses import replace

import pytest

from ktlib.companion.record.rows import select
from ktlib.companion.scales import scale
from ktlib.companion.studies import bench
from ktlib.companion.studies.captioning import SHARE, arms, decides, tables
from tests.companion.studies.captioning import tiny
from tests.companion.studies.captioning.tiny import said
from tests.tiny_vilt import tiny_vilt


@pytest.fixture
def course(subject):
    return arms.courses(subject, "templates")[0]


def test_as_many_images_of_a_split_as_the_scale_says_each_with_what_was_written(subject):
    assert len(tables.gallery(subject, "validation").images) == 2
    told = tables.references(tables.gallery(subject, "test"))
    assert told == {"0": ("a red disk", "a disk"), "1": ("a brick wall",), "2": ("a wall",)}


def test_captions_are_made_once_and_other_ones_after_a_course(subject, course, monkeypatch):
    before = tables.caption(subject, "test", progress=False)
    after = tables.caption(subject, "test", course=arms.at(course, (0.1, 3)), progress=False)
    assert list(before.captions) == ["0", "1", "2"] and before.course is None
    assert before.captions != after.captions
    monkeypatch.setattr(bench, "transfer", lambda *_, **__: pytest.fail("taught again"))
    monkeypatch.setattr(type(subject.model), "generate", lambda *_, **__: pytest.fail("captioned again"))
    again = tables.caption(subject, "test", course=arms.at(course, (0.1, 3)), progress=False)
    assert again.captions == after.captions


def test_they_are_what_the_model_generates_with_the_search_of_the_scale(subject):
    found = tables.caption(subject, "test", progress=False)
    pictures = tiny.torch.stack([*tiny.GALLERY.images][:3])
    assert list(found.captions.values()) == subject.model.generate(pictures, search="greedy")
    assert found.told == {} and tables.caption(subject, "test", search="beam").told == {"search": "beam"}


def test_a_model_that_writes_nothing_is_refused(subject):
    silent = replace(subject, folds=(replace(subject.only, model=tiny_vilt()),))
    with pytest.raises(ValueError, match="expected a captioner, found .*, which writes nothing"):
        tables.caption(silent, "test", progress=False)


def test_every_cell_is_tried_on_validation_images_and_one_cell_is_not(subject, course):
    found = tables.tried(subject, course, progress=False)
    assert list(found) == [(1e-3, 1), (1e-3, 2), (1e-2, 1), (1e-2, 2)]
    assert {one.split for one in found.values()} == {"validation"}
    assert {one.metrics for one in found.values()} == {tables.QUICK}
    single = replace(subject.scale, captioning=replace(subject.scale.captioning, epochs=(1,)))
    stated = replace(subject, scale=single, teaching=replace(subject.teaching, rates=(8e-5,)))
    assert tables.tried(stated, course) == {} and tables.choose(stated, {}) == (8e-5, 1)


def test_the_best_cell_is_chosen_and_of_equals_the_smallest_rate(subject):
    good, bad = said("a red disk", "a brick wall", "a wall"), said("wall", "disk", "in a photo")
    assert tables.choose(subject, {(1e-3, 1): bad, (1e-2, 2): good, (1e-2, 1): good, (1.0, 1): good}) == (1e-2, 1)


def test_meteor_decides_and_cider_where_there_is_no_java():
    assert decides(["cider", "meteor", "bleu4"]) == "meteor" and decides(["bleu4", "cider"]) == "cider"
    with pytest.raises(ValueError, match="expected meteor or cider among what was measured"):
        decides(["bleu4"])


def test_rows_hold_every_metric_that_could_be_computed_with_rate_and_passes(subject, course):
    taught = said("a red disk", "a wall", "a photo", course=arms.at(course, (0.1, 3)))
    rows = tables.measured(subject, "KT Tab. 6", "templates", [taught])
    assert [row.metric for row in rows] == ["bleu1", "rouge_l", "cider"]
    assert {(row.seed, row.n, row.over, row.dataset, row.split) for row in rows} == {(0, 3, "", "tiny test", "test")}
    assert rows[0].varied == {"lr": "0.1", "epochs": "3"}
    assert all(row.low <= row.value <= row.high for row in rows)
    whole = said("a red disk", metrics=("bleu1", "meteor"))
    assert [row.metric for row in tables.measured(subject, "x", "base", [whole])] == ["bleu1"], (
        "none is 0 for want of Java"
    )


def test_images_that_could_not_be_scored_are_counted_in_the_row(subject):
    bare = replace(
        tiny.GALLERY, captions=("a red disk", "!", "a wall", "a wall", "red", "a disk"), owner=(0, 1, 2, 3, 4, 5)
    )
    one = said("a red disk", "a brick wall", "a wall", gallery=bare)
    rows = tables.measured(subject, "KT Tab. 6", "base", [one])
    assert {(row.n, row.varied["left_out"]) for row in rows} == {(2, "1")}


def test_differences_are_taken_seed_by_seed(subject):
    before = said("disk", "wall", "wall")
    one = {0: said("a red disk", "wall", "wall"), 1: said("disk", "wall", "wall")}
    rows = tables.changes(subject, "KT Tab. 6", "kt", one, before, over="base")
    (row,) = select(rows, metric="rouge_l", over="base")
    expected = [s.scores.corpus["rouge_l"] - before.scores.corpus["rouge_l"] for s in one.values()]
    assert row.value == pytest.approx(sum(expected) / 2) and expected[1] == 0
    assert row.seed is None and row.low <= row.value <= row.high
    same = tables.changes(subject, "KT Tab. 6", "kt", one, one, over="noise")
    assert all((row.value, row.low, row.high) == (0, 0, 0) for row in same)


def test_what_was_not_taught_is_left_out_of_a_table(subject):
    found = {"kt": {0: said("a red disk", "wall", "wall")}}
    pairs = [("kt", "base"), ("kt", "noise"), ("real_templates", "base")]
    rows = tables.compared(subject, "KT Tab. 6", said("disk", "wall", "wall"), found, pairs)
    assert {(row.method, row.over) for row in rows} == {("base", ""), ("kt", ""), ("kt", "base")}


BEFORE = ("opening", "opening", "opening")


def test_a_share_is_what_the_templates_gain_of_what_kt_gains(subject):
    before, whole = said(*BEFORE), said("a red disk", "a brick wall", "a wall")
    found = {"kt": {0: whole}, "templates": {0: whole}}
    rows = tables.shares(subject, found, before, method="templates")
    assert {row.metric: (row.value, row.low, row.high) for row in rows} == dict.fromkeys(
        ("bleu1", "rouge_l", "cider"), (1, 1, 1)
    )
    assert {(row.item, row.method, row.over) for row in rows} == {(SHARE, "templates", "kt")}
    nothing = tables.shares(subject, found | {"templates": {0: before}}, before, method="templates")
    assert {row.value for row in nothing} == {0.0}


def test_nothing_is_shared_of_what_is_no_gain(subject):
    before = said(*BEFORE)
    assert tables.shares(subject, {"kt": {0: before}, "templates": {0: before}}, before, method="templates") == []


def test_the_sentences_say_what_the_rows_say(subject):
    before, whole = said(*BEFORE), said("a red disk", "a brick wall", "a wall")
    found = {"kt": {0: whole}, "templates": {0: whole}}
    rows = tables.compared(subject, "KT Tab. 6", before, found, [("kt", "base")])
    shared = tables.shares(subject, found, before, method="templates")
    (sentence,) = tables.explained([*rows, *shared])
    assert sentence.startswith("pocket/tiny: KT changes cider by +") and "bring 100 % [100, 100] of it" in sentence
    (nothing,) = tables.explained(rows)
    assert nothing.endswith("not surely a gain, so there is nothing to share.")


def test_printed_rates_are_those_of_the_papers_models_alone():
    first, last = list(scale("paper").coca.models)
    assert tables.printed_cells("KT Tab. 6", first, "kt") == [(8e-5, 1)]
    assert tables.printed_cells("KT Tab. 9", first, "kt") == [(9e-5, 1)]
    assert tables.printed_cells("KT Tab. 9", last, "kt_visual") == [(2e-5, 1)]
    assert tables.printed_cells("KT Tab. 9", "pocket/coca-web", "kt") == []


def with_meteor(one, value):
    """As if METEOR had been measured."""
    scores = one.scores
    counts = scores.statistics["bleu1"] * 0
    each = dict.fromkeys(scores.images, value)
    one.__dict__["scores"] = replace(
        scores, corpus=scores.corpus | {"meteor": value}, per_image=scores.per_image | {"meteor": each},
        statistics=scores.statistics | {"meteor": counts},
    )  # fmt: skip
    return one


def test_cells_are_compared_in_one_metric_though_java_failed_for_some(subject):
    good, bad = with_meteor(said("a red disk", "a brick wall", "a wall"), 0.4), said("wall", "a brick wall", "in")
    assert bad.scores.corpus["cider"] > 0.4, "the METEOR of the one is below the CIDEr of the other"
    assert tables.choose(subject, {(1e-3, 1): bad, (1e-2, 1): good}) == (1e-2, 1)


def test_a_metric_that_one_side_lacks_has_no_share(subject):
    before = with_meteor(said(*BEFORE), 0.0)
    found = {"kt": {0: with_meteor(said("a red disk", "a wall", "a wall"), 0.4)}, "templates": {0: said("a", "a", "a")}}
    shared = tables.shares(subject, found, before, method="templates")
    assert "meteor" not in {row.metric for row in shared}


def test_a_seed_that_the_other_method_lacks_is_named(subject):
    one = said(*BEFORE)
    with pytest.raises(ValueError, match=r"same seeds before and after, found none before of \[1\]"):
        tables.changes(subject, "KT Tab. 6", "kt", {0: one, 1: one}, {0: one}, over="noise")


def test_a_choice_at_the_end_of_what_was_tried_is_said(subject):
    rates, passes = subject.teaching.rates, subject.scale.captioning.epochs
    said_ = tables.ends(subject, {"kt": (max(rates), min(passes))})
    assert any(f"kt: the largest rate that was tried, {max(rates):g}" in one for one in said_) == (len(rates) > 1)
    assert any("kt: the smallest number of passes" in one for one in said_) == (len(passes) > 1)
    assert len(rates) > 1 or len(passes) > 1  # else nothing is tested here
