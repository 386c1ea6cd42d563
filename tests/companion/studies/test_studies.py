"""Studies name their notebook, their items and the layout of each."""

import json

import pytest

from ktlib.companion import studies
from ktlib.companion.record.rows import committed, stem
from ktlib.companion.studies import captioning, medclip, rare_concepts, retrieval, segmentation, zoom_shot
from ktlib.places import ROOT

STUDIES = [captioning, medclip, rare_concepts, retrieval, segmentation, zoom_shot]


def test_they_are_found_by_looking():
    assert studies.names() == sorted(study.__name__.split(".")[-1] for study in STUDIES)


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.__name__.split(".")[-1])
def test_every_item_that_a_study_s_notebook_writes_has_a_layout(study):
    notebook = json.loads((ROOT / "notebooks" / f"{study.NOTEBOOK}.ipynb").read_text())
    written = {path for path in notebook["metadata"]["kt"]["writes"] if path.endswith(".csv")}
    assert written
    assert {path.split("/")[-1] for path in written} <= {f"{stem(item)}.csv" for item in study.LAYOUTS}


def test_every_item_there_are_rows_of_has_one_layout():
    layouts = studies.layouts()
    assert {row.item for row in committed("pocket")} <= set(layouts)
    assert len(layouts) == sum(len(study.LAYOUTS) for study in STUDIES), "two studies write one item"
    known = {"transfer", "recalls", "captions", "shares", "samples", "sets", "kinds", "classes", "masks", "checks"}
    assert set(layouts.values()) == known
