"""Kinds of nodules along rates, and findings with how often each is named."""

import matplotlib.pyplot as plt
import pytest

from ktlib.companion import plots
from ktlib.companion.plots.style import COLOURS
from tests.rows import row


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def kind(subject, method, metric, value, rate="", seed=0):
    return row(item="KT Tab. 2", subject=subject, method=method, metric=metric, value=value, low=value - 0.1,
               high=value + 0.1, varied=f"lr={rate}" if rate else "", seed=seed if rate else None)  # fmt: skip


def test_each_kind_has_a_panel_with_points_at_its_rates_and_the_untouched_model_as_a_line():
    rows = [kind(s, "base", m, 0.4) for s in ("nodule", "cancer") for m in ("target_accuracy", "retention")]
    for subject in ("nodule", "cancer"):
        for rate, value in (("0.0001", 0.5), ("0.001", 0.7)):
            rows += [kind(subject, "kt", m, value, rate) for m in ("target_accuracy", "retention")]
        rows += [kind(subject, "noise", m, 0.45, "0.001") for m in ("target_accuracy", "retention")]
    figure = plots.kinds(rows)
    assert [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes] == ["nodule", "cancer"]
    first = figure.axes[0]
    drawn = {(c[0].get_color(), c[0].get_fillstyle()): tuple(c[0].get_ydata()) for c in first.containers}
    assert drawn[COLOURS["kt"], "full"] == (0.5, 0.7) and drawn[COLOURS["noise"], "none"] == (0.45,)
    assert [line.get_ydata()[0] for line in first.lines if line.get_color() == COLOURS["base"]] == [0.4, 0.4]


def test_seeds_are_averaged_and_differences_not_drawn():
    rows = [kind("cancer", "base", m, 0.4) for m in ("target_accuracy", "retention")]
    rows += [
        kind("cancer", "kt", m, v, "0.001", s)
        for m in ("target_accuracy", "retention")
        for s, v in enumerate((0.5, 0.7))
    ]
    rows.append(row(item="KT Tab. 2", subject="cancer", over="base", varied="lr=0.001", value=0.9, seed=None))
    (ax,) = plots.kinds(rows).axes
    assert [list(c[0].get_ydata()) for c in ax.containers] == [[pytest.approx(0.6)]] * 2


def test_recalls_stand_beside_how_often_a_name_is_given():
    rows = []
    for method, recall, named in (("base", 1.0, 0.9), ("kt", 0.5, 0.3)):
        for finding in ("edema", "effusion"):
            rows.append(row(item="KT Tab. 3", subject=finding, method=method, metric="target_accuracy", value=recall))
            rows.append(row(item="KT Tab. 3", subject=finding, method=method, metric="named", value=named))
        rows.append(row(item="KT Tab. 3", subject="", method=method, metric="top1", value=recall / 2))
    figure = plots.class_recalls(rows, ["base", "kt", "noise"], chance=0.5)
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_xticklabels()] == ["edema", "effusion", "all (top-1)"]
    points = {c[0].get_color(): list(c[0].get_ydata()) for c in ax.containers}
    assert points == {COLOURS["base"]: [1, 1, 0.5], COLOURS["kt"]: [0.5, 0.5, 0.25]}
    dashes = sorted(
        {float(y) for c in ax.collections for segment in c.get_segments() for y in segment[:, 1]} - {1, 0.5, 0.25}
    )
    assert dashes == [0.3, 0.9]
    assert [t.get_text() for t in figure.legends[0].get_texts()][-1] == "share of films so named"
