"""Figures of notebook 06 show what they are given."""

import matplotlib.pyplot as plt
import pytest
import torch

from ktlib.companion.plots import intervals as draw
from ktlib.companion.record.rows import mean, mean_over_models, select
from ktlib.evaluate.intervals import Estimate
from tests.made_up import ZOOM, methods, rows_of, sizes


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_column_stands_at_the_mean_over_encoders_and_sets():
    groups = {"one": rows_of("ZS Tab. 3", "zoom_shot"), "two": rows_of("ZS Tab. 3", "zoom_shot", gain=0.1)}
    (ax,) = draw.by_setting(groups, line=Estimate(0.5, 0.4, 0.6), named="level").axes
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == [pytest.approx(mean_over_models(rows).value) for rows in groups.values()]
    assert heights[1] - heights[0] == pytest.approx(0.1, abs=0.01)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["one", "two"]


def test_every_method_has_a_point_at_every_encoder():
    rows = select(methods(zoom_shot=0.1), item="ZS Tab. 1")
    (ax,) = draw.by_encoder(rows, ["linear_aligner", "zoom_shot"]).axes
    lines = {container.get_label(): container[0] for container in ax.containers}
    assert list(lines) == [draw.LABELS["linear_aligner"], draw.LABELS["zoom_shot"]]
    for method in ("linear_aligner", "zoom_shot"):
        found = lines[draw.LABELS[method]].get_ydata()
        own = select(rows, metric="top1", method=method)
        assert list(found) == [pytest.approx(mean(select(own, model=model)).value) for model in ZOOM.encoders]


def test_fewer_passes_are_a_line_and_more_are_stars():
    rows = [row for row in sizes() if row.item.startswith("ZS Tab. 4")]
    (ax,) = draw.data_against_compute({"Zoom-shot": rows}).axes
    once, often = (container[0] for container in ax.containers)
    assert list(once.get_xdata()) == [0.01, 0.05, 0.2, 1.0]
    assert list(often.get_xdata()) == [0.01]
    assert (often.get_marker(), often.get_linestyle()) == ("*", "None")


def test_clouds_keep_their_points_and_names():
    groups = {"images": torch.rand(30, 2), "texts": torch.rand(5, 2)}
    (ax,) = draw.clouds(groups).axes
    assert [len(line.get_xdata()) for line in ax.lines] == [30, 5]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["images", "texts"]


def test_coarse_sets_are_hollow_and_the_difference_stands_at_its_place():
    gains = {"cars": Estimate(0.3, 0.2, 0.4), "shapes": Estimate(-0.1, -0.2, 0.0)}
    (ax,) = draw.gains_against_distance(gains, {"cars": 0.5, "shapes": 0.1}, ["shapes"]).axes
    points = {line.get_xdata()[0]: line for line in ax.lines if line.get_marker() == "o"}
    assert points[0.1].get_markerfacecolor() == "white" != points[0.5].get_markerfacecolor()
    assert points[0.5].get_ydata()[0] == 0.3


def test_differences_are_listed_from_the_top():
    gaps = {"linear_aligner": Estimate(0.1, 0.0, 0.2), "least_squares": Estimate(-0.1, -0.2, 0.0)}
    (ax,) = draw.behind(gaps).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == [draw.LABELS[name] for name in reversed(gaps)]


def test_curves_are_drawn_step_by_step():
    (ax,) = draw.loss_curves({"cycle": torch.linspace(1, 0.1, 20)}).axes
    assert len(ax.lines[0].get_ydata()) == 20
    assert ax.get_yscale() == "log"
