"""Figures: drawn from rows, the same bytes twice, provenance beside them."""

import json

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest
import torch

from ktlib.companion.plots import curves as plots
from ktlib.companion.record.judging import Verdict
from ktlib.companion.record.rows import Row
from ktlib.evaluate.intervals import Estimate


def row(method, value, metric, lr=0.0, concept="a", seed=0, extra=""):
    setting = ";".join(p for p in (f"lr={lr:g}" if lr else "", extra) if p)
    return Row(
        "KT Tab. 1",
        "pocket",
        "d",
        "m",
        concept,
        method,
        setting,
        metric,
        value,
        value - 0.1,
        value + 0.1,
        50,
        seed,
        "test",
        "s",
        "w",
    )


ROWS = [
    row(method, v + 0.1 * s, metric, lr, concept, s)
    for metric, v in (("target_accuracy", 0.3), ("retention", 0.6))
    for concept in "ab"
    for s in (0, 1)
    for method, lr in (("kt", 1e-4), ("kt", 2e-4), ("noise", 1e-4))
] + [row("base", v, m, concept=c, seed=-1) for c in "ab" for m, v in (("target_accuracy", 0.1), ("retention", 0.9))]


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def test_a_rerun_gives_identical_bytes(tmp_path):
    first, again = (
        plots.save_figure(
            plots.trade_off(ROWS, ["kt", "noise"], budget=0.02), name, "pocket", command="x", root=tmp_path
        )
        for name in ("one", "two")
    )
    assert first.read_bytes() == again.read_bytes()
    assert json.loads(first.with_suffix(".json").read_text())["command"] == "x"


def test_the_trade_off_starts_at_the_base_and_has_a_point_a_rate():
    ax = plots.trade_off(ROWS, ["kt"]).axes[0]
    line = ax.lines[0]
    assert line.get_xdata().tolist() == pytest.approx([0.9, 0.65, 0.65])
    assert line.get_ydata().tolist() == pytest.approx([0.1, 0.35, 0.35])
    assert ax.xaxis_inverted()


def test_every_figure_draws():
    plots.picture_grid([torch.rand(3, 3, 8, 8), torch.rand(2, 3, 8, 8)], ["a", "b"], columns=["x"], title="t")
    plots.similarity_curves({"a": torch.rand(2, 5), "b": torch.rand(2, 5)})
    plots.bars(ROWS, {"kt": [r for r in ROWS if r.method == "kt" and r.lr() == 1e-4]})
    varied = [row("kt", 0.1 * s, "similarity", extra=f"steps={s}", concept=c) for s in (1, 5) for c in "ab"]
    plots.along(varied, "steps", "similarity")
    figure, axes = plt.subplots(1, 3)
    plots.predictions(
        torch.rand(3, 8, 8), {"base": [("x", 0.7), ("y", 0.3)], "kt": [("a", 0.9), ("x", 0.1)]}, "a", axes
    )
    plots.verdicts([Verdict("K1", "pocket", "holds", "", Estimate(0.1, 0.0, 0.2), ())])
    plots.against_binding(
        {"a": 0.5, "b": 0.2}, [r for r in ROWS if r.method == "base" or (r.method == "kt" and r.lr() == 1e-4)]
    )
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()


def test_every_method_has_a_colour_and_a_label():
    assert plots.COLOURS.keys() == plots.LABELS.keys()
