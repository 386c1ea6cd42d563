"""Committed pocket rows of the pair scorer: whole, chosen where they say, and the same when computed again."""

from statistics import fmean

import pytest

from ktlib.companion.record.rows import committed, select
from ktlib.companion.scales import scale
from ktlib.companion.sources import examination
from ktlib.companion.studies import bench
from ktlib.companion.studies.retrieval import tables
from ktlib.evaluate.retrieval import METRICS

COMMITTED = committed("pocket")
HERE = scale("pocket")


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return bench.subject(*HERE.vilt.models, HERE, HERE.vilt, cache=tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    ("item", "methods"), [("KT Tab. 1 ViLT", ("kt", "noise", "wrong")), ("KT Tab. 11", ("kt", "implicit", "explicit"))]
)
def test_every_effect_stands_beside_its_controls_on_every_seed(item, methods):
    rows = select(COMMITTED, item=item, split="test", metric="target_accuracy")
    for method in methods:
        found = select(rows, method=method)
        assert {row.seed for row in found} == set(HERE.vilt.seeds)
        assert {row.subject for row in found} == {c.name for c in examination("pocket small").of("test")}
        assert {row.lr for row in found} == set(HERE.vilt.rates)


def test_recalls_stand_beside_their_controls_on_every_seed():
    rows = select(COMMITTED, item="KT Tab. 5", split="test")
    for method in ("kt", "noise", "wrong"):
        assert {r.seed for r in select(rows, method=method, metric="tr@1")} == set(HERE.seeds)
    for other in ("base", "noise", "wrong"):
        assert {row.metric for row in rows if row.over == other} == set(METRICS)


def test_the_grid_is_whole_on_both_splits():
    rows = select(COMMITTED, item="KT Tab. 8", method="kt", metric="tr@1")
    for split in ("validation", "test"):
        found = {(r.lr, int(r.varied["batch"]), r.seed) for r in select(rows, split=split)}
        assert found == {(*cell, seed) for cell in HERE.retrieval.cells for seed in HERE.seeds}


def test_the_cell_of_table_5_is_the_one_that_validation_images_choose():
    rows = [r for r in select(COMMITTED, item="KT Tab. 8", method="kt", split="validation", metric=METRICS)]
    cells = {(r.lr, int(r.varied["batch"])) for r in rows}
    sums = {cell: 6 * fmean(r.value for r in rows if (r.lr, int(r.varied["batch"])) == cell) for cell in sorted(cells)}
    best = min(cell for cell, value in sums.items() if value >= max(sums.values()) - 1e-5)
    used = {
        (r.lr, int(r.varied["batch"]))
        for r in select(COMMITTED, item="KT Tab. 5", method="kt")
        if "chosen" not in r.varied
    }
    assert used == {best}


def test_a_paired_change_is_the_difference_of_the_recalls():
    rows = select(COMMITTED, item="KT Tab. 5", split="test")
    for metric in ("tr@1", "tr@5"):  # for captions, images with four distinct ones weigh as much as those with five
        (change,) = select(rows, method="noise", metric=metric, over="base")
        (base,) = select(rows, method="base", metric=metric)
        after = fmean(r.value for r in select(rows, method="noise", metric=metric))
        assert change.value == pytest.approx(after - base.value, abs=1e-5)  # rows are kept with six digits


def test_the_untouched_model_finds_what_is_committed(subject):
    """Computed anew without a cache; another processor may tip an image."""
    fresh = tables.search(subject, "validation", progress=False).result.rates()
    for metric in METRICS:
        (old,) = select(COMMITTED, item="KT Tab. 8", method="base", split="validation", metric=metric)
        assert abs(old.value - fresh[metric]) <= 1.01 / old.n
        assert old.weights == subject.weights


def test_the_untouched_model_names_what_is_committed(subject):
    fresh = bench.base(subject, "KT Tab. 11", subject.exam.of("test")[:2])
    for row in fresh:
        (old,) = select(COMMITTED, item=row.item, method="base", subject=row.subject, metric=row.metric)
        assert abs(old.value - row.value) <= 2.01 / row.n


def test_a_transfer_scores_what_is_committed(subject):
    """Noise images, so that nothing chaotic precedes the transfer."""
    concepts = subject.exam.of("test")[:1]
    lessons = {k: v for k, v in bench.noise(subject, concepts).items() if k[1] == 0}
    fresh = bench.sweep(
        subject, "KT Tab. 1 ViLT", "noise", concepts, lessons, rates=HERE.vilt.rates[1:2], progress=False
    )
    for row in fresh:
        wanted = {"item": row.item, "method": "noise", "subject": row.subject, "metric": row.metric, "seed": 0}
        (old,) = select(COMMITTED, varied=row.varied, **wanted)
        assert abs(old.value - row.value) <= 2.01 / row.n
