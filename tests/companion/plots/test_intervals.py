"""Means, gaps, recalls and verdicts stand where their numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ktlib.companion import plots
from ktlib.companion.record.rows import mean, mean_over_models, select
from ktlib.evaluate.intervals import Estimate
from tests.rows import row
from tests.zoom_shot_rows import ZOOM, methods, rows_of


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def test_a_column_stands_at_the_mean_over_encoders_and_sets():
    groups = {"one": rows_of("ZS Tab. 3", "zoom_shot"), "two": rows_of("ZS Tab. 3", "zoom_shot", gain=0.1)}
    (ax,) = plots.by_setting(groups, line=Estimate(0.5, 0.4, 0.6), named="level").axes
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == [pytest.approx(mean_over_models(rows).value) for rows in groups.values()]
    assert heights[1] - heights[0] == pytest.approx(0.1, abs=0.01)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["one", "two"]


def test_every_method_has_a_point_at_every_encoder():
    rows = select(methods(zoom_shot=0.1), item="ZS Tab. 1")
    (ax,) = plots.by_encoder(rows, ["linear_aligner", "zoom_shot"]).axes
    lines = {container.get_label(): container[0] for container in ax.containers}
    assert list(lines) == [plots.LABELS["linear_aligner"], plots.LABELS["zoom_shot"]]
    for method in ("linear_aligner", "zoom_shot"):
        found = lines[plots.LABELS[method]].get_ydata()
        own = select(rows, metric="top1", method=method)
        assert list(found) == [pytest.approx(mean(select(own, model=model)).value) for model in ZOOM.encoders]


def test_differences_are_listed_from_the_top():
    gaps = {"linear_aligner": Estimate(0.1, 0.0, 0.2), "least_squares": Estimate(-0.1, -0.2, 0.0)}
    (ax,) = plots.behind(gaps).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == [plots.LABELS[name] for name in reversed(gaps)]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"] == pytest.approx([-10, 10])  # points


def test_differences_can_be_of_anything():
    (ax,) = plots.behind({"MSE alone": Estimate(0.1, 0.0, 0.2)}, said="all three minus this").axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["MSE alone"]
    assert ax.get_xlabel() == "all three minus this"


def test_a_bar_stands_at_the_mean_of_its_concepts_and_the_base_is_a_line():
    base = [row(method="base", subject=name, seed=None, value=0.1) for name in "ab"]
    groups = {"short": [row(subject=name, value=value) for name, value in (("a", 0.3), ("b", 0.5))]}
    (ax,) = plots.bars(base, groups).axes
    assert ax.patches[0].get_height() == pytest.approx(0.4)
    dots, line = ax.lines
    assert dots.get_ydata() == pytest.approx([0.3, 0.5])
    assert line.get_ydata() == pytest.approx([0.1, 0.1])


def recall(value, **changed):
    return row(**{"item": "KT Tab. 8", "subject": "", "metric": "tr@1", "value": value} | changed)


def test_the_grid_shows_changes_in_points_and_never_mixes_them_with_paired_differences():
    rows = [recall(0.2, method="base", seed=None)]
    rows += [
        recall(0.3, varied=f"lr={lr};batch={b}", seed=s) for lr in ("1e-05", "0.001") for b in (16, 4) for s in (0, 1)
    ]
    rows += [recall(-0.5, over="base", varied="lr=0.001;batch=4", seed=None)]
    (ax,) = plots.recall_grid(rows, "tr@1", chosen=(0.001, 4)).axes
    assert {text.get_text() for text in ax.texts} == {"+10.0\n(+10.0 to +10.0)"}
    assert ax.images[0].get_clim() == (-10, 10)  # in every grid
    assert [t.get_text() for t in ax.get_xticklabels()] == ["4", "16"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["1e-05", "0.001"]
    (frame,) = ax.patches
    assert frame.get_xy() == pytest.approx((-0.48, 0.52))


def test_changes_stand_with_their_own_intervals():
    metrics = [f"{way}@{k}" for way in ("tr", "ir") for k in (1, 5, 10)]
    cell = {"over": "base", "seed": None, "low": -0.2, "high": 0.3}
    rows = [recall(0.1, metric=metric, varied="lr=1e-05;batch=16", **cell) for metric in metrics]
    rows += [recall(0.2, metric=metric, varied="lr=1e-05;batch=16;chosen=test", **cell) for metric in metrics]
    (ax,) = plots.recall_changes(rows, {"own": ("kt", "", "base"), "best": ("kt", "test", "base")}).axes
    own, best = (container[0].get_ydata() for container in ax.containers)
    assert np.allclose(own, 10) and np.allclose(best, 20)
    assert [t.get_text() for t in ax.get_xticklabels()] == metrics
