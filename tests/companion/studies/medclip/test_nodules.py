"""Nodules one by one and by kind: the right films on the right list, remembered, with rates of their own."""

import pytest
import torch

from ktlib.companion.record.rows import select
from ktlib.companion.studies import bench
from ktlib.companion.studies.medclip import LISTS, NODULES, TABLE_2, nodules
from tests.companion.studies.medclip import tiny
from tests.rows import row
from tests.tiny_medclip import tiny_medclip


@pytest.fixture
def subject(tmp_path):
    return tiny.subject(tmp_path)


@pytest.fixture
def before(subject):
    return {c.name: nodules.look(subject, c) for c in subject.exam.concepts}


def test_every_arm_has_images_of_its_own(subject):
    own = {m: bench.lessons(subject, subject.exam.concepts, m, progress=False) for m in bench.ARMS}
    assert all(
        set(found) == {(name, seed) for name in ("moongate", "disk") for seed in (0, 1)} for found in own.values()
    )
    assert torch.equal(own["wrong"]["moongate", 0].images, own["kt"]["disk", 0].images)
    assert torch.equal(own["real"]["disk", 1].images, tiny.pictures("disk", 2, 1))
    assert own["noise"]["disk", 0].inversion is None
    with pytest.raises(ValueError, match="expected one of kt, noise, wrong, real, found 'none'"):
        bench.lessons(subject, subject.exam.concepts, "none")


def test_hits_are_those_of_the_list_that_a_film_is_named_among(subject, before):
    model, exam = tiny_medclip(), subject.exam
    names = ["wall", "brick", "moongate", "disk"]
    scores = model.encode_many(exam.pictures("disk")) @ model.class_vectors(names, exam.templates).T
    hits = before["disk"].hits["max"]
    assert hits[nodules.BOTH] == (scores[:, 3] > scores[:, 2]).int().tolist()
    assert hits[nodules.FINDINGS] == (scores[:, [0, 1, 3]].argmax(1) == 2).int().tolist()
    ((known, labels),) = exam.known
    seen = model.encode_many(known) @ model.class_vectors(names[:2], exam.templates).T
    assert hits[nodules.KEPT] == (seen.argmax(1) == labels).int().tolist()
    assert before["disk"].hits.keys() == {"max", "mean"}
    assert before["disk"].hits["mean"] == hits  # one prompt a class


def test_the_mean_over_several_phrases_is_another_score_than_the_largest(tmp_path):
    phrases = {"wall": ("a wall", "round", "a red brick"), "brick": ("a brick", "a red disk in a wall", "opening")}
    subject = tiny.subject(tmp_path, phrases=phrases)
    model = tiny_medclip()
    ((known, labels),) = subject.exam.known
    cosines = model.encode_many(known) @ model.class_vectors([p for own in phrases.values() for p in own], ["{}"]).T
    for ensemble, score in (("max", cosines.view(-1, 2, 3).amax(2)), ("mean", cosines.view(-1, 2, 3).mean(2))):
        hits = nodules.look(subject, subject.exam.concepts[0]).hits[ensemble][nodules.KEPT]
        assert hits == (score.argmax(1) == labels).int().tolist()


def test_a_look_is_remembered_and_a_course_is_another(subject, before, monkeypatch):
    first = nodules.looks(subject, "kt", {"moongate": [1e-2], "disk": [1e-3]}, progress=False)
    assert {cell: set(seeds) for cell, seeds in first.items()} == {("moongate", 1e-2): {0, 1}, ("disk", 1e-3): {0, 1}}
    assert len(list((subject.cache / "scores").glob("*.json"))) == 2 + 4
    monkeypatch.setattr(nodules, "_hits", lambda *_: pytest.fail("computed again"))
    again = nodules.looks(subject, "kt", {"moongate": [1e-2], "disk": [1e-3]}, progress=False)
    assert {k: v[0].hits for k, v in again.items()} == {k: v[0].hits for k, v in first.items()}


def test_rows_hold_each_seed_and_a_paired_change_over_both(subject, before):
    found = nodules.looks(subject, "kt", {"moongate": [1e-2], "disk": []}, progress=False)
    rows = nodules.measured(subject, TABLE_2, "kt", found.values(), before)
    assert {(r.metric, r.over, r.seed) for r in rows} == {
        (metric, over, seed)
        for metric in ("target_accuracy", "retention")
        for over, seed in (("", 0), ("", 1), ("base", None))
    }
    assert all(r.subject == "moongate" and r.varied == {"lr": "0.01"} for r in rows)
    assert {r.n for r in select(rows, metric="target_accuracy")} == {3}
    assert {r.n for r in select(rows, metric="retention")} == {5}
    values = [r.value for r in select(rows, metric="retention")]
    base = nodules.untouched(subject, TABLE_2, before)
    (kept,) = select(base, metric="retention", subject="moongate")
    (change,) = select(rows, metric="retention", over="base")
    assert change.value == pytest.approx(sum(values) / 2 - kept.value)


def test_lists_and_ensembles_are_varied_only_where_they_are_the_question(subject, before):
    found = nodules.looks(subject, "kt", {"moongate": [1e-2], "disk": []}, progress=False)
    told = {"names": nodules.FINDINGS, "ensemble": "mean"}
    rows = nodules.measured(subject, LISTS, "kt", found.values(), before, **told)
    assert {tuple(r.varied.items()) for r in rows} == {
        (("lr", "0.01"), ("list", nodules.FINDINGS), ("ensemble", "mean"))
    }
    assert nodules.untouched(subject, TABLE_2, before)[0].varied == {}


def test_without_real_films_there_is_no_such_arm(tmp_path):
    subject = tiny.subject(tmp_path, real=False)
    assert nodules.looks(subject, "real", {"moongate": [1e-2], "disk": [1e-2]}, progress=False) == {}


def test_what_is_left_out_is_counted_in_the_rows(tmp_path):
    subject = tiny.subject(tmp_path, left_out={"JPCLN001": "cut short"})
    before = {c.name: nodules.look(subject, c) for c in subject.exam.concepts}
    assert {r.varied["left_out"] for r in nodules.untouched(subject, TABLE_2, before)} == {"1"}


def test_a_nodule_whose_films_are_alike_is_distinct_and_one_like_the_known_is_not(subject, monkeypatch):
    alike = tiny.pictures("opening", 1).repeat(4, 1, 1, 1)
    films = {"moongate": alike, "disk": subject.exam.known[0][0][:2]}
    monkeypatch.setattr(type(subject.exam), "pictures", None, raising=False)
    object.__setattr__(subject.exam, "pictures", films.__getitem__)
    found = {r.subject: r.value for r in nodules.distinctness(subject, subject.exam.concepts)}
    assert found["moongate"] > 0 > found["disk"]
    model = tiny_medclip()
    ((known, labels),) = subject.exam.known
    seen = model.encode_many(known)
    means = torch.nn.functional.normalize(torch.stack([seen[labels == n].sum(0) for n in (0, 1)]), dim=1)
    expected = 1 - (model.encode_many(alike[:1]) @ means.T).max()
    assert found["moongate"] == pytest.approx(float(expected), abs=1e-5)


# -- rates and the gate -------------------------------------------------------------------------------
def tried(method, rate, target, kept, split="validation"):
    own = {"item": NODULES, "model": "pocket/medclip", "method": method, "split": split}
    own["varied"] = f"lr={rate}" if rate else ""
    return [row(**own, metric=m, value=v) for m, v in (("target_accuracy", target), ("retention", kept))]


def rows(real=0.6, noise=0.25):
    found = tried("base", 0, 0.2, 0.9)
    for method, values in {"kt": (0.3, 0.5), "noise": (noise, 0.9), "real": (real, 0.9)}.items():
        found += tried(method, 1e-4, values[0], 0.89)
        found += tried(method, 2e-4, values[1], 0.89 if method == "kt" else 0.5)
    return found


def test_every_arm_has_the_best_rate_that_it_can_afford():
    assert nodules.rates(rows()) == {"kt": 2e-4, "noise": 1e-4, "real": 1e-4}


def test_a_scale_that_states_a_rate_chooses_none():
    paper = [row(item=NODULES, scale="paper")]
    assert nodules.rates(paper) == dict.fromkeys(bench.ARMS, 2e-4)


@pytest.mark.parametrize(("real", "noise", "said"), [
    (0.6, 0.25, ("at 0.0001, where 1.0 points are lost: the gate of 20 points within the budget holds.",
                 "+5.0 points at the same rate, less than a third of that; +5.0 points at its own, 0.0001")),
    (0.3, 0.25, ("does NOT hold", "NOT less than a third")),
])  # fmt: skip
def test_the_gate_is_said_from_validation_rows(real, noise, said):
    for sentence, part in zip(nodules.gate(rows(real, noise)), said, strict=True):
        assert part in sentence


def test_without_real_films_nothing_says_that_the_instrument_works():
    (sentence,) = nodules.gate([one for one in rows() if one.method != "real"])
    assert sentence.startswith("There are no validation nodules here, or no real films to spare")
