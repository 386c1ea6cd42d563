"""Curves and points stand where their rows say."""

import matplotlib.pyplot as plt
import pytest
import torch

from ktlib.companion import plots
from ktlib.evaluate.intervals import Estimate
from tests.rows import row
from tests.zoom_shot_rows import sizes


def taught(method, value, metric, lr=0.0, subject="a", seed=0, extra=""):
    varied = ";".join(p for p in (f"lr={lr:g}" if lr else "", extra) if p)
    return row(method=method, metric=metric, varied=varied, subject=subject, seed=seed, value=value, low=value - 0.1,
               high=value + 0.1)  # fmt: skip


ROWS = [
    taught(method, v + 0.1 * s, metric, lr, concept, s)
    for metric, v in (("target_accuracy", 0.3), ("retention", 0.6))
    for concept in "ab"
    for s in (0, 1)
    for method, lr in (("kt", 1e-4), ("kt", 2e-4), ("noise", 1e-4))
] + [
    taught("base", v, m, subject=c, seed=None) for c in "ab" for m, v in (("target_accuracy", 0.1), ("retention", 0.9))
]


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def test_the_trade_off_starts_at_the_base_and_has_a_point_a_rate():
    ax = plots.trade_off(ROWS, ["kt"]).axes[0]
    line = ax.lines[0]
    assert line.get_xdata().tolist() == pytest.approx([0, 25, 25])  # points below the retention of 0.9
    assert line.get_ydata().tolist() == pytest.approx([0.1, 0.35, 0.35])
    assert ax.containers and not plots.trade_off(ROWS, ["kt"], intervals=False).axes[0].containers


def test_a_curve_has_a_point_for_each_value_that_was_varied():
    rows = [
        taught("kt", 0.1 * steps, "similarity", extra=f"steps={steps}", subject=name)
        for steps in (1, 5)
        for name in "ab"
    ]
    (ax,) = plots.along(rows, "steps", "similarity").axes
    assert ax.lines[0].get_xdata().tolist() == [1, 5]
    assert ax.lines[0].get_ydata() == pytest.approx([0.1, 0.5])
    assert ax.get_xscale() == "log"


def test_similarities_are_a_mean_and_a_band():
    (ax,) = plots.similarity_curves({"a": torch.tensor([[0.0, 1.0], [0.5, 2.0]]), "b": torch.rand(2, 5)}).axes
    assert ax.lines[0].get_ydata() == pytest.approx([0.25, 1.5])
    assert len(ax.collections) == 2 and ax.get_legend() is not None


def test_fewer_passes_are_a_line_and_more_are_stars():
    rows = [row for row in sizes() if row.item.startswith("ZS Tab. 4")]
    (ax,) = plots.data_against_compute({"Zoom-shot": rows}).axes
    once, often = (container[0] for container in ax.containers)
    assert list(once.get_xdata()) == [0.01, 0.05, 0.2, 1.0]
    assert list(often.get_xdata()) == [0.01]
    assert (often.get_marker(), often.get_linestyle()) == ("*", "None")


def test_coarse_sets_are_hollow_and_the_difference_stands_at_its_place():
    gains = {"cars": Estimate(0.3, 0.2, 0.4), "shapes": Estimate(-0.1, -0.2, 0.0)}
    (ax,) = plots.gains_against_distance(gains, {"cars": 0.5, "shapes": 0.1}, ["shapes"]).axes
    points = {line.get_xdata()[0]: line for line in ax.lines if line.get_marker() == "o"}
    assert points[0.1].get_markerfacecolor() == "white" != points[0.5].get_markerfacecolor()
    assert points[0.5].get_ydata()[0] == pytest.approx(30)  # points


def test_curves_are_drawn_step_by_step():
    (ax,) = plots.loss_curves({"cycle": torch.linspace(1, 0.1, 20)}).axes
    assert len(ax.lines[0].get_ydata()) == 20
    assert ax.get_yscale() == "log"


def test_shares_are_in_percent_and_the_number_of_concepts_stands_above():
    rows = [
        row(
            method=m,
            metric=k,
            subject=c,
            value=0.5,
            seed=None if m == "base" else 0,
            varied="" if m == "base" else "lr=0.1",
        )
        for m in ("base", "kt")
        for k in ("target_accuracy", "retention")
        for c in "abc"
    ]
    (ax,) = plots.trade_off(rows, ["kt"]).axes
    ax.figure.canvas.draw()
    assert "100 %" in [t.get_text() for t in ax.get_yticklabels()]
    assert "n = 3 concepts" in [t.get_text() for t in ax.texts]
