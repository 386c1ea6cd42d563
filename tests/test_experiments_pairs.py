"""Sweeps of the pair scorer: right rows, right controls, remembered scores, changes paired by image."""

from dataclasses import replace

import pytest
import torch

from ktlib import matching
from ktlib.companion import pair_sources as pair_examination
from ktlib.companion.pair_scales import PAIR_SCALES, pair_scale
from ktlib.companion.studies.retrieval import tables as experiments_pairs
from ktlib.companion.studies.retrieval.tables import PairSubject
from ktlib.data.gallery import Gallery
from ktlib.evaluate.retrieval import METRICS, Retrieval
from ktlib.inversion import InversionSettings
from tests.pairs import tiny_vilt

HERE = replace(
    pair_scale("pocket"),
    seeds=(0, 1),
    rates=(1e-3, 1e-2),
    grid=((1e-3,), (2, 4)),
    images_per_concept=3,
    everyday_images=2,
    everyday=3,
    inversion=InversionSettings(steps=2, lr=0.05, schedule="cosine", sizes=((0, 32),), probability=0.0),
)


@pytest.fixture
def who(tmp_path, monkeypatch):
    exam = pair_examination.examination("pocket")
    ((images, labels),) = exam.known
    exam = replace(exam, known=[(images[::13], labels[::13])], pictures=lambda name: torch.ones(2, 3, 64, 64) / 2)
    small = Gallery(
        [*torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))],
        ("a red disk", "a wheel", "a tree", "a car"), (0, 0, 1, 2), "digest", "small",
    )  # fmt: skip
    monkeypatch.setattr(PairSubject, "gallery", lambda self, split: small)
    return PairSubject(tiny_vilt(), exam, HERE, tmp_path)


def test_a_sweep_has_a_row_for_every_concept_seed_rate_and_metric(who):
    concepts = who.exam.of("validation")[:2]
    lessons = experiments_pairs.inverted(who, concepts, progress=False)
    assert set(lessons) == {(c.name, s) for c in concepts for s in HERE.seeds}
    rows = experiments_pairs.sweep(who, "KT Tab. 1 ViLT", "kt", concepts, lessons, progress=False)
    assert len(rows) == 2 * 2 * 2 * 3
    assert {r.lr() for r in rows} == set(HERE.rates)
    base = experiments_pairs.base(who, "KT Tab. 1 ViLT", concepts)
    assert {r.seed for r in base} == {-1}
    assert {r.weights for r in [*base, *rows]} == {who.model.digest()}


def test_the_captions_of_all_other_concepts_are_the_negatives(who, monkeypatch):
    seen = []
    real = matching.transfer
    monkeypatch.setattr(
        experiments_pairs.matching, "transfer", lambda *a, **k: (seen.append((a[2], k["negatives"])), real(*a, **k))[1]
    )
    (concept,) = who.exam.of("test")[:1]
    experiments_pairs.sweep(
        who, "x", "noise", [concept], experiments_pairs.noise(who, [concept]), rates=[1e-3], progress=False
    )
    for caption, negatives in seen:
        assert caption.startswith(f"A {concept.name} is ")
        assert len(negatives) == len(who.exam.concepts) - 1
        assert caption not in negatives


def test_scores_are_remembered_and_a_killed_sweep_goes_on(who, monkeypatch):
    concepts, calls, real = who.exam.of("test")[:1], [], matching.transfer

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(experiments_pairs.matching, "transfer", counted)
    lessons = experiments_pairs.noise(who, concepts)
    with pytest.raises(KeyboardInterrupt):
        experiments_pairs.sweep(who, "x", "noise", concepts, lessons, progress=False)
    first = experiments_pairs.sweep(who, "x", "noise", concepts, lessons, progress=False)
    assert len(calls) == 3 + 2
    assert experiments_pairs.sweep(who, "x", "noise", concepts, lessons, progress=False) == first
    assert len(calls) == 5


def test_guessing_and_matching_are_remembered_apart(who):
    concepts = who.exam.of("test")[:1]
    lessons = experiments_pairs.noise(who, concepts)
    for settings in (HERE.transfer, replace(HERE.transfer, objective="mlm")):
        experiments_pairs.sweep(who, "x", "n", concepts, lessons, rates=[1e-3], settings=settings, progress=False)
    assert len(list((who.cache / "scores").iterdir())) == 4


def test_the_noise_of_a_seed_is_the_same_for_every_concept_and_another_for_another_seed(who):
    found = experiments_pairs.noise(who, who.exam.of("test")[:2])
    one, two = (c.name for c in who.exam.of("test")[:2])
    assert torch.equal(found[one, 0], found[two, 0])
    assert not torch.equal(found[one, 0], found[one, 1])


# -- everyday concepts --------------------------------------------------------------------------------
def test_everyday_lessons_have_the_captions_of_their_concepts_and_the_wrong_ones_the_next_images(who):
    right, wrong = (experiments_pairs.everyday(who, method=m, progress=False) for m in ("kt", "wrong"))
    names = list(who.concepts)
    assert len(names) == 3
    images, captions = right[0]
    assert images.shape == (6, 3, 32, 32)
    assert [c.split()[1] for c in captions] == [n for n in names for _ in range(2)]
    assert torch.equal(wrong[0][0][:2], images[2:4]) and torch.equal(wrong[0][0][4:], images[:2])
    assert wrong[0][1] == captions
    with pytest.raises(ValueError, match="expected kt, noise or wrong, found 'real'"):
        experiments_pairs.everyday(who, method="real")


def test_a_grid_has_a_search_for_every_cell_and_seed_and_is_remembered(who, monkeypatch):
    lessons = experiments_pairs.everyday(who, method="noise")
    found = experiments_pairs.searches(who, "test", lessons, HERE.cells, progress=False)
    assert set(found) == {(1e-3, b, s) for b in (2, 4) for s in (0, 1)}
    rows = experiments_pairs.grid_rows(who, "KT Tab. 8", "kt", "test", found)
    assert len(rows) == 4 * 6
    assert {r.metric for r in rows} == set(METRICS)
    monkeypatch.setattr(experiments_pairs.matching, "transfer", lambda *_, **__: pytest.fail("taught again"))
    again = experiments_pairs.searches(who, "test", lessons, HERE.cells, progress=False)
    assert all(torch.equal(found[k].text_rank, again[k].text_rank) for k in found)


def retrieval(text, image=(1, 1)):
    return Retrieval(torch.tensor(text), torch.tensor(image), torch.tensor((0, 1)))


def test_changes_are_paired_by_image_and_averaged_over_seeds(who):
    before = retrieval((1, 3))
    after = {(1e-3, 4, 0): retrieval((1, 1)), (1e-3, 4, 1): retrieval((1, 3))}
    rows = experiments_pairs.change_rows(who, "KT Tab. 5", "kt", "test", "base", before, after, setting="lr=0.001")
    (row,) = [r for r in rows if r.metric == "tr@1 minus base"]
    assert row.value == pytest.approx(0.25)  # one of two images in one of two seeds
    assert row.low <= 0.25 <= row.high
    assert row.seed == -1 and row.n == 2


def test_the_cell_with_the_highest_recalls_is_chosen_and_the_smallest_of_equals():
    found = {
        (1e-3, 4, 0): retrieval((20, 20)), (1e-3, 8, 0): retrieval((1, 1)), (1e-2, 4, 0): retrieval((1, 1)),
    }  # fmt: skip
    assert experiments_pairs.choose_cell(found) == (1e-3, 8)
    assert set(experiments_pairs.only(found, (1e-3, 8))) == {(1e-3, 8, 0)}


# -- what it is examined with -----------------------------------------------------------------------------
def test_the_pocket_examination_is_a_part_of_the_whole_one():
    exam = pair_examination.examination("pocket")
    ((images, labels),) = exam.known
    assert len(exam.known_names) == 26
    assert len(images) == len(labels) == 26 * pair_examination.KNOWN
    assert all(set(c.look_alikes) <= set(exam.known_names) for c in exam.concepts)
    assert len(exam.pictures("moongate")) == pair_examination.PICTURES
    with pytest.raises(ValueError, match="expected a data set"):
        pair_examination.examination("imagenet")


def test_scales_are_data():
    assert set(PAIR_SCALES) == {"pocket", "rehearsal", "paper"}
    paper = pair_scale("paper")
    assert len(paper.cells) == 55  # 11 rates, 5 batches: KT v1, Tab. 8
    assert paper.transfer.weight_decay == 0.01 and paper.transfer.batch == 4
    assert paper.inversion.steps == 5000 and paper.inversion.probability == 0
    with pytest.raises(ValueError, match="expected a scale"):
        pair_scale("huge")
