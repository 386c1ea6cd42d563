"""Everyday lessons and searches: right rows, right controls, remembered ranks, changes paired by image."""

from dataclasses import replace

import pytest
import torch

from ktlib.companion.scales import scale
from ktlib.companion.sources import examination
from ktlib.companion.studies import bench
from ktlib.companion.studies.bench import Fold, Subject
from ktlib.companion.studies.retrieval import tables
from ktlib.companion.studies.retrieval.tables import Search
from ktlib.data.sets import Gallery
from ktlib.evaluate.retrieval import METRICS, Retrieval
from ktlib.inversion import InversionSettings
from tests.tiny_vilt import tiny_vilt

POCKET = scale("pocket")
HERE = replace(
    POCKET,
    seeds=(0, 1),
    vilt=replace(
        POCKET.vilt,
        seeds=(0, 1),
        inversion=InversionSettings(steps=2, lr=0.05, schedule="cosine", sizes=((0, 32),), probability=0.0),
    ),
    retrieval=replace(POCKET.retrieval, rates=(1e-3,), batches=(2, 4), everyday_images=2, everyday=3),
)
CELLS = HERE.retrieval.cells


@pytest.fixture
def subject(tmp_path, monkeypatch):
    small = Gallery(
        [*torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))],
        ("a red disk", "a wheel", "a tree", "a car"), (0, 0, 1, 2), "digest", "small",
    )  # fmt: skip
    monkeypatch.setattr(tables, "gallery", lambda subject, split: small)
    return Subject("pocket/tiny", (Fold(tiny_vilt(), examination("pocket small")),), HERE.vilt, HERE, tmp_path)


def test_everyday_lessons_have_the_captions_of_their_concepts_and_the_wrong_ones_the_next_images(subject):
    right, wrong = (tables.everyday(subject, method=m, progress=False) for m in ("kt", "wrong"))
    names = list(tables.everyday_concepts(subject))
    assert len(names) == 3
    one, other = right[0], wrong[0]
    assert one.lesson.images.shape == (6, 3, 32, 32)
    assert [c.split()[1] for c in one.captions] == [n for n in names for _ in range(2)]
    assert torch.equal(other.lesson.images[:2], one.lesson.images[2:4])
    assert torch.equal(other.lesson.images[4:], one.lesson.images[:2])
    assert other.captions == one.captions == one.negatives
    assert one.lesson.settings == HERE.vilt.inversion
    assert not torch.equal(right[1].lesson.images, one.lesson.images)
    with pytest.raises(ValueError, match="expected kt, noise or wrong, found 'real'"):
        tables.everyday(subject, method="real")


def test_a_grid_has_a_search_for_every_cell_and_seed_and_is_remembered(subject, monkeypatch):
    courses = tables.everyday(subject, method="noise")
    found = tables.searches(subject, "test", courses, CELLS, progress=False)
    assert set(found) == {(1e-3, b, s) for b in (2, 4) for s in (0, 1)}
    rows = tables.recalls(subject, "KT Tab. 8", "kt", found.values())
    assert len(rows) == 4 * 6
    assert {r.metric for r in rows} == set(METRICS)
    assert {(r.lr, r.varied["batch"], r.seed) for r in rows} == {(r, str(b), s) for r, b, s in found}
    assert {(r.subject, r.dataset, r.split, r.over) for r in rows} == {("", "small", "test", "")}
    monkeypatch.setattr(bench, "transfer", lambda *_, **__: pytest.fail("taught again"))
    again = tables.searches(subject, "test", courses, CELLS, progress=False)
    assert all(torch.equal(found[k].result.text_rank, again[k].result.text_rank) for k in found)


def test_the_untouched_model_s_search_is_no_seed_s(subject):
    one = tables.search(subject, "test", progress=False)
    assert {(r.seed, tuple(r.varied)) for r in tables.recalls(subject, "KT Tab. 5", "base", [one])} == {(None, ())}
    other = tables.search(subject, "test", score="softmax", progress=False)
    assert len(list((subject.cache / "scores").iterdir())) == 2
    assert one.course is other.course is None


def search(text, image=(1, 1)):
    return Search(Retrieval(torch.tensor(text), torch.tensor(image), torch.tensor((0, 1))), "small", "test")


def test_changes_are_paired_by_image_and_averaged_over_seeds(subject):
    before = search((1, 3))
    after = {(1e-3, 4, 0): search((1, 1)), (1e-3, 4, 1): search((1, 3))}
    rows = tables.changes(subject, "KT Tab. 5", "kt", after, before, over="base", varied={"chosen": "test"})
    (row,) = [r for r in rows if r.metric == "tr@1"]
    assert row.over == "base" and row.varied == {"chosen": "test"}
    assert row.value == pytest.approx(0.25)  # one of two images in one of two seeds
    assert row.low <= 0.25 <= row.high
    assert row.seed is None and row.n == 2
    against = dict.fromkeys(after, before)  # one search for each seed
    assert [r.value for r in tables.changes(subject, "x", "kt", after, against, over="noise")] == [
        r.value for r in rows
    ]


def test_the_cell_with_the_highest_recalls_is_chosen_and_the_smallest_of_equals():
    found = {(1e-3, 4, 0): search((20, 20)), (1e-3, 8, 0): search((1, 1)), (1e-2, 4, 0): search((1, 1))}
    assert tables.choose_cell(found) == (1e-3, 8)
    assert set(tables.only(found, (1e-3, 8))) == {(1e-3, 8, 0)}


def test_twins_are_one_unit_of_a_change_and_units_are_of_one_size():
    by_image = [[0.0, 1.0], [1.0, 1.0], [0.5, 0.0], [0.5, 1.0]]
    assert tables._by_unit(by_image, (0, 0, 1, 1)) == [[0.5, 1.0], [0.5, 0.5]]
    assert tables._by_unit(by_image, ()) == by_image
    with pytest.raises(ValueError, match="expected units of one size"):
        tables._by_unit(by_image, (0, 0, 0, 1))


def test_the_cells_that_the_paper_prints_are_among_those_of_its_scale_alone():
    cells = {name: tables.printed_cells(scale(name).retrieval.cells) for name in ("pocket", "paper")}
    assert cells == {"pocket": [], "paper": [(9e-7, 32), (2e-6, 128)]}
