"""Findings for models that know none: trials, lessons in the right order, namings counted, rates chosen."""

from dataclasses import replace

import pytest
import torch

from ktlib.companion.record.rows import select
from ktlib.companion.studies import bench
from ktlib.companion.studies.medclip import outside
from tests.companion.studies.medclip import tiny
from tests.conftest import tiny_clip


@pytest.fixture
def subject(tmp_path):
    return tiny.outsider(tmp_path)


@pytest.fixture
def base(subject):
    return {trial.number: outside.name_films(subject, trial) for trial in outside.trials(subject)}


def test_a_trial_is_a_pretraining_with_a_seed_and_numbers_follow_the_first_seed(subject):
    found = outside.trials(subject)
    assert [trial.number for trial in found] == [3, 4]
    assert len({trial.fold.weights for trial in found}) == 2


def test_lessons_hold_all_findings_one_after_another_with_their_sentences(subject):
    found = {method: outside.courses(subject, method, progress=False) for method in bench.ARMS}
    assert all(set(own) == {3, 4} for own in found.values())
    kt = found["kt"][3]
    assert kt.captions == ["A moongate is a brick wall"] * 2 + ["A disk is red in a wall"] * 2
    assert kt.seed == 3 and len(kt.lesson.images) == 4
    assert torch.equal(found["wrong"][3].lesson.images, kt.lesson.images.roll(2, 0))
    assert torch.equal(found["real"][4].lesson.images[2:], tiny.pictures("disk", 2, 4))
    assert not torch.equal(found["noise"][3].lesson.images, found["noise"][4].lesson.images)
    with pytest.raises(ValueError, match="expected one of kt, noise, wrong, real, found 'prompt'"):
        outside.courses(subject, "prompt")


def test_without_real_films_there_is_no_such_arm_and_nothing_to_choose_on(tmp_path):
    subject = tiny.outsider(tmp_path, real=False)
    assert outside.courses(subject, "real") == {}
    assert outside.validation(subject.folds[0].exam) == []
    named = outside.name_films(subject, outside.trials(subject)[0])
    assert named.taken["validation"] == {"": [], outside.NAMES: []}


def test_films_are_named_by_phrase_and_by_bare_name(subject, base):
    model, exam = tiny_clip(0), subject.folds[0].exam
    ((films, _),) = exam.known
    seen = model.encode_many(films)
    by_phrase = model.class_vectors(["a moongate is a brick wall", "a disk is red in a wall"], ["{}"])
    by_name = model.class_vectors(["moongate", "disk"], exam.templates)
    assert base[3].taken["test"][""] == (seen @ by_phrase.T).argmax(1).tolist()
    assert base[3].taken["test"][outside.NAMES] == (seen @ by_name.T).argmax(1).tolist()
    assert len(base[3].taken["validation"][""]) == 2 * outside.VALIDATION


def test_recalls_top_1_and_how_often_a_name_is_given_agree(subject, base):
    rows = outside.measured(subject, "base", {3: base[3]})
    values = {(row.metric, row.subject): row.value for row in rows}
    taken = base[3].taken["test"][""]
    assert values["top1", ""] == sum(a == b for a, b in zip(taken, [0, 0, 0, 1, 1, 1], strict=True)) / 6
    assert values["target_accuracy", "wall"] == taken[:3].count(0) / 3
    assert values["target_accuracy", "edema"] == taken[3:].count(1) / 3
    assert values["named", "wall"] + values["named", "edema"] == 1
    assert {row.n for row in select(rows, metric="target_accuracy")} == {3}
    by_name = outside.measured(subject, "base", {3: base[3]}, prompts=outside.NAMES)
    assert {row.varied["prompts"] for row in by_name} == {"names"}


def test_a_naming_is_remembered(subject, base, monkeypatch):
    monkeypatch.setattr(outside, "groups", lambda *_, **__: pytest.fail("computed again"))
    again = outside.name_films(subject, outside.trials(subject)[1])
    assert again.taken == base[4].taken


def test_the_rate_is_the_best_on_validation_films_and_the_smaller_of_equals(subject):
    (trial, _) = outside.trials(subject)

    def named(right):
        wrong = 2 * outside.VALIDATION - right
        truth = [0] * outside.VALIDATION + [1] * outside.VALIDATION
        taken = truth[:right] + [1 - label for label in truth[right:]]
        assert len(taken) == right + wrong
        return {3: outside.Named({"validation": {"": taken}, "test": {"": []}}, trial)}

    assert outside.choose(subject, {1e-3: named(10), 1e-2: named(20)}) == 1e-2
    assert outside.choose(subject, {1e-2: named(10), 1e-3: named(10)}) == 1e-3
    with pytest.raises(ValueError, match="expected rates of pocket/tiny to choose from, found none"):
        outside.choose(subject, {})


def test_rows_of_a_table_hold_every_method_split_and_difference(subject, base):
    found = {"base": base}
    for method in ("kt", "noise"):
        found[method] = outside.named(subject, outside.courses(subject, method, progress=False), 1e-2, progress=False)
    rows = outside.rows(subject, found, validation=True)
    test = [row for row in rows if row.split == "test"]
    assert {(r.method, r.over) for r in test if r.metric == "top1"} == {
        ("base", ""), ("kt", ""), ("noise", ""), ("kt", "base"), ("noise", "base"), ("kt", "noise"),
    }  # fmt: skip
    assert {(r.method, r.seed) for r in rows if r.split == "validation"} == {
        (method, seed) for method in found for seed in (3, 4)
    }
    (change,) = select(test, method="kt", metric="top1", over="base", subject="")
    means = {m: [r.value for r in select(test, method=m, metric="top1") if not r.varied.get("prompts")] for m in found}
    assert change.value == pytest.approx(sum(means["kt"]) / 2 - sum(means["base"]) / 2)
    assert change.seed is None and change.n == 6
    of_finding = select(test, method="kt", metric="target_accuracy", over="base")
    assert {(r.subject, r.n) for r in of_finding} == {("wall", 3), ("edema", 3)}


def test_without_phrases_there_are_no_bare_names_beside(tmp_path):
    subject = tiny.outsider(tmp_path, phrases=False)
    base = {trial.number: outside.name_films(subject, trial) for trial in outside.trials(subject)}
    rows = outside.rows(subject, {"base": base}, validation=False)
    assert not any("prompts" in row.varied for row in rows) and {row.split for row in rows} == {"test"}


def test_an_arm_settles_on_a_rate_and_shows_the_others_to_the_first_trials_alone(subject):
    subject = replace(subject, scale=replace(subject.scale, films=replace(subject.scale.films, chosen_on=1)))
    taught = outside.courses(subject, "noise", progress=False)
    found, tried = outside.settle(subject, "noise", taught, progress=False)
    (rate,) = {one.course.recipe.lr for one in found.values()}
    assert set(found) == {3, 4} and rate in subject.teaching.rates
    assert {(r.seed, r.split, r.lr) for r in tried} == {(3, "validation", *({1e-3, 1e-2} - {rate}))}


def test_a_stated_rate_is_not_chosen(subject):
    subject = replace(subject, teaching=replace(subject.teaching, rate=5e-3))
    found, tried = outside.settle(subject, "kt", outside.courses(subject, "kt", progress=False), progress=False)
    assert tried == [] and {one.course.recipe.lr for one in found.values()} == {5e-3}


def test_some_trials_are_the_first(subject):
    taught = outside.courses(subject, "noise", progress=False)
    assert set(outside.named(subject, taught, 1e-3, some=1, progress=False)) == {3}


def test_the_larger_model_is_set_against_the_smaller_by_film_and_trial(tmp_path):
    models = [tiny.outsider(tmp_path, name=name) for name in ("large", "small")]
    trials = outside.trials(models[0])

    def named(*taken):
        return {t.number: outside.Named({"test": {"": own}}, t) for t, own in zip(trials, taken, strict=True)}

    right, wrong, half = [0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]
    found = {
        "large": {"kt": named(right, right), "base": named(wrong, half)},  # + 1 and + 1/2
        "small": {"kt": named(half, half), "base": named(half, half)},
    }
    row = outside.more_than(*models, found)
    assert (row.model, row.over, row.metric, row.n) == ("large", "small", "top1", 6)
    assert row.value == pytest.approx(0.75)


def test_the_model_that_knows_stands_beside_them(tmp_path):
    subject = tiny.subject(tmp_path)
    rows = outside.reference(subject)
    assert {(r.subject, r.n) for r in rows} == {("", 5), ("wall", 2), ("brick", 3)}
    values = {r.subject: r.value for r in rows}
    assert values[""] == pytest.approx((2 * values["wall"] + 3 * values["brick"]) / 5)
