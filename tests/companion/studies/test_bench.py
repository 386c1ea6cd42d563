"""The bench: right rows, right controls, remembered scores, resumed runs, for CLIP and for ViLT."""

from dataclasses import replace

import pytest
import torch

from ktlib.companion.scales import scale
from ktlib.companion.sources import examination
from ktlib.companion.studies import bench
from ktlib.companion.studies.bench import Fold, Lesson, Subject
from ktlib.inversion import InversionSettings
from tests.tiny_vilt import tiny_vilt

POCKET = scale("pocket")
HERE = replace(
    POCKET,
    clip=replace(
        POCKET.clip,
        rates=(1e-4, 4e-4),
        images_per_concept=4,
        inversion=InversionSettings(steps=3, sizes=((0, 64),)),
        seeds=(0, 1),
    ),
    vilt=replace(
        POCKET.vilt,
        seeds=(0, 1),
        rates=(1e-3, 1e-2),
        images_per_concept=3,
        inversion=InversionSettings(steps=2, lr=0.05, schedule="cosine", sizes=((0, 32),), probability=0.0),
    ),
)


def clip(cache):
    """Two folds, a few pictures."""
    whole = bench.subject("pocket/clip-b", HERE, HERE.clip, cache=cache)
    return replace(whole, folds=tuple(fewer(fold) for fold in whole.folds[:2]))


def fewer(fold):
    known = [(images[::20], labels[::20]) for images, labels in fold.exam.known]
    return replace(fold, exam=replace(fold.exam, known=known, pictures=lambda n: fold.exam.pictures(n)[:5]))


def vilt(cache):
    exam = examination("pocket small")
    ((images, labels),) = exam.known
    exam = replace(exam, known=[(images[::13], labels[::13])], pictures=lambda name: torch.ones(2, 3, 64, 64) / 2)
    return Subject("pocket/tiny", (Fold(tiny_vilt(), exam),), HERE.vilt, HERE, cache)


@pytest.fixture(params=[clip, vilt], ids=["clip", "vilt"])
def subject(request, tmp_path):
    return request.param(tmp_path)


@pytest.fixture
def dual(tmp_path):
    return clip(tmp_path)


def test_a_sweep_has_a_row_for_every_concept_seed_rate_and_metric(subject):
    concepts = subject.of("validation")[:2]
    lessons = bench.inverted(subject, concepts, progress=False)
    assert set(lessons) == {(c.name, s) for c in concepts for s in (0, 1)}
    rows = bench.sweep(subject, "KT Tab. 1", "kt", concepts, lessons, progress=False)
    assert len(rows) == 2 * 2 * 2 * 3
    assert {r.lr for r in rows} == set(subject.teaching.rates)
    assert {r.split for r in rows} == {"validation"}
    base = bench.base(subject, "KT Tab. 1", concepts)
    assert {(r.seed, r.lr) for r in base} == {(None, 0.0)}
    assert {r.weights for r in [*base, *rows]} == {subject.fold(concepts[0]).weights}
    assert {r.model for r in rows} == {subject.name}


def test_a_row_s_settings_are_those_that_were_used(subject):
    concepts = subject.of("validation")[:1]
    lessons = bench.inverted(subject, concepts, progress=False)
    smoother = replace(subject.teaching.inversion, tv=0.1)
    other = bench.inverted(subject, concepts, settings=smoother, progress=False)
    assert {lesson.settings for lesson in other.values()} == {smoother}
    once = {"rates": subject.teaching.rates[:1], "progress": False}
    digests = {
        name: {row.settings for row in bench.sweep(subject, "x", "kt", concepts, found, **once)}
        for name, found in {"as usual": lessons, "smoother": other, "noise": bench.noise(subject, concepts)}.items()
    }
    recipe = replace(subject.teaching.transfer, weight_decay=0.0)
    digests["no decay"] = {
        r.settings for r in bench.sweep(subject, "x", "kt", concepts, lessons, recipe=recipe, **once)
    }
    assert all(len(found) == 1 for found in digests.values())
    assert len(set.union(*digests.values())) == 4


def test_the_captions_of_all_other_concepts_are_the_negatives(subject, monkeypatch):
    seen, taught = [], bench.transfer
    monkeypatch.setattr(bench, "transfer", lambda *a, **k: (seen.append((a[2], k["negatives"])), taught(*a, **k))[1])
    (concept,) = subject.of("test")[:1]
    bench.sweep(subject, "x", "noise", [concept], bench.noise(subject, [concept]), rates=[1e-3], progress=False)
    assert len(seen) == 2
    for caption, negatives in seen:
        assert caption.startswith(f"A {concept.name} is ")
        assert len(negatives) == len(subject.fold(concept).exam.concepts) - 1
        assert caption not in negatives


def test_scores_are_remembered_and_a_killed_sweep_goes_on(subject, monkeypatch):
    concepts, calls, taught = subject.of("test")[:1], [], bench.transfer

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return taught(*args, **kwargs)

    monkeypatch.setattr(bench, "transfer", counted)
    lessons = bench.noise(subject, concepts)
    with pytest.raises(KeyboardInterrupt):
        bench.sweep(subject, "KT Tab. 1", "noise", concepts, lessons, progress=False)
    first = bench.sweep(subject, "KT Tab. 1", "noise", concepts, lessons, progress=False)
    assert len(calls) == 3 + 2  # two of four were done
    assert bench.sweep(subject, "KT Tab. 1", "noise", concepts, lessons, progress=False) == first
    assert len(calls) == 5


def test_other_images_captions_recipes_and_prompts_are_other_scores(subject):
    concepts = subject.of("test")[:1]
    noise = bench.noise(subject, concepts)
    dark = {k: Lesson(v.images * 0) for k, v in noise.items()}
    once = {"rates": [1e-3], "progress": False}
    bench.sweep(subject, "x", "noise", concepts, noise, **once)
    bench.sweep(subject, "x", "dark", concepts, dark, **once)
    bench.sweep(subject, "x", "unnamed", concepts, noise, captions={c.name: c.main for c in concepts}, **once)
    recipe = replace(subject.teaching.transfer, optimizer="adamw")
    bench.sweep(subject, "x", "adamw", concepts, noise, recipe=recipe, **once)
    assert len(list((subject.cache / "scores").iterdir())) == 4 * 2
    other = replace(subject, folds=tuple(replace(f, exam=replace(f.exam, templates=("a {}",))) for f in subject.folds))
    bench.base(subject, "x", concepts), bench.base(other, "x", concepts)
    assert len(list((subject.cache / "scores").iterdir())) == 4 * 2 + 2


def test_guessing_words_and_matching_are_remembered_apart(tmp_path):
    subject = vilt(tmp_path)
    concepts = subject.of("test")[:1]
    lessons = bench.noise(subject, concepts)
    for recipe in (HERE.vilt.transfer, replace(HERE.vilt.transfer, objective="mlm")):
        bench.sweep(subject, "x", "n", concepts, lessons, rates=[1e-3], recipe=recipe, progress=False)
    assert len(list((subject.cache / "scores").iterdir())) == 4


def test_the_noise_of_a_seed_is_the_same_for_every_concept_and_another_for_another_seed(subject):
    found = bench.noise(subject, subject.of("test")[:2])
    one, two = (c.name for c in subject.of("test")[:2])
    assert torch.equal(found[one, 0].images, found[two, 0].images)
    assert not torch.equal(found[one, 0].images, found[one, 1].images)
    assert all(lesson.settings is None for lesson in found.values())


def test_the_wrong_control_gets_the_next_concepts_images_of_the_same_fold(dual):
    concepts = dual.of("validation")
    lessons = {(c.name, s): Lesson(torch.full((1,), float(i))) for i, c in enumerate(concepts) for s in (0, 1)}
    wrong = bench.wrong(dual, lessons, concepts)
    assert [wrong[c.name, 0].images.item() for c in concepts] == [1, 2, 0, 4, 5, 3]
    assert bench.wrong(dual, lessons, concepts[:1]) == {}


def test_each_concept_is_asked_of_the_pretraining_that_has_not_seen_it(dual):
    one, two = (dual.by_fold(dual.of("test"))[n] for n in (0, 1))
    assert len(one[1]) == len(two[1]) == 9
    assert {c.name for c in one[1]} <= set(dual.fold(two[1][0]).exam.known_names)
    assert {dual.fold(c).model.name for c in one[1]} == {"pocket/clip-b-0"}
    rows = bench.base(dual, "x", [one[1][0], two[1][0]])
    assert {row.weights for row in rows} == {fold.weights for fold in dual.folds}
    assert {row.model for row in rows} == {"pocket/clip-b"}
    with pytest.raises(ValueError, match="pretrained once, found 2 of pocket/clip-b"):
        dual.model  # noqa: B018
    with pytest.raises(KeyError, match="a concept that pocket/clip-b is examined with"):
        dual.fold(replace(one[1][0], name="quokka"))
    with pytest.raises(ValueError, match=r"a model of this scale \(pocket/clip-b, pocket/clip-l\), found 'clip-x'"):
        bench.subject("clip-x", HERE, HERE.clip)


def test_real_lessons_are_none_where_there_is_nothing_to_spare(dual):
    concepts = dual.of("test")[:1]
    assert {lesson.images.shape[0] for lesson in bench.real(dual, concepts).values()} == {4}
    bare = replace(dual, folds=tuple(replace(f, exam=replace(f.exam, lessons=lambda *_: None)) for f in dual.folds))
    assert bench.real(bare, concepts) == {}


def test_the_prompt_baseline_trains_nothing(dual, monkeypatch):
    monkeypatch.setattr(bench, "transfer", None)
    rows = bench.prompted(dual, "KT v2 Tab. 2", dual.of("test")[:1])
    assert {r.method for r in rows} == {"prompt"}
    assert {r.seed for r in rows} == {None}
    base = bench.base(dual, "KT v2 Tab. 2", dual.of("test")[:1])
    assert [r.value for r in base if r.metric == "retention"] == [r.value for r in rows if r.metric == "retention"]


def test_similarity_is_that_of_finished_images_to_their_description(dual):
    concepts = dual.of("test")[:1]
    lessons = bench.inverted(dual, concepts, progress=False)
    rows = bench.similarity(dual, "KT v2 Fig. 5", concepts, lessons, varied={"steps": "3"})
    assert [(row.metric, row.seed, row.varied) for row in rows] == [("similarity", s, {"steps": "3"}) for s in (0, 1)]
    for row in rows:
        lesson = lessons[concepts[0].name, row.seed]
        assert row.value == pytest.approx(lesson.inversion.final[row.seed].mean().item(), abs=1e-5)
        assert row.low < row.value < row.high and row.n == 4


def test_dreams_and_real_pictures_are_held_against_the_description_of_their_own_concept(dual):
    concepts = dual.of("test")[:2]
    lessons = bench.inverted(dual, concepts, progress=False)
    dreamt, real = bench.nearness(dual, concepts, lessons)
    assert list(dreamt) == list(real) == [concept.name for concept in concepts]
    for concept in concepts:
        lesson = lessons[concept.name, 0]
        place = lesson.inversion.descriptions.index(concept.main)
        assert dreamt[concept.name] == pytest.approx(lesson.inversion.final[place].mean().item(), abs=1e-5)
        fold = dual.fold(concept)
        own, other = fold.dual.encode_text([concept.main, "a red circle"])
        seen = fold.dual.encode_many(fold.exam.pictures(concept.name))
        assert real[concept.name] == pytest.approx((seen @ own).mean().item(), abs=1e-5)
        assert real[concept.name] != pytest.approx((seen @ other).mean().item(), abs=1e-5)


def test_what_asks_for_vectors_says_so_to_a_pair_scorer(tmp_path):
    subject = vilt(tmp_path)
    with pytest.raises(ValueError, match="expected a dual encoder, found pocket/tiny"):
        bench.binding(subject, subject.of("test")[:1])
