"""Concepts one by one: sorted, placed at their gains, and named."""

import matplotlib.pyplot as plt
import pytest

from ktlib.companion import plots
from ktlib.companion.record.differences import Difference
from ktlib.companion.record.gains import Correlation
from ktlib.evaluate.intervals import Estimate


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def gain(**values):
    return Difference("kt minus base", {name: {0: v} for name, v in values.items()}, {})


def test_concepts_are_sorted_by_the_first_method_and_each_method_has_a_column():
    small = {"kt": gain(a=0.1, b=0.3), "noise": gain(a=0.2, b=0.0)}
    figure = plots.paired_gains({"pocket/clip-b": small, "pocket/clip-l": {"kt": gain(b=0.5, c=0.2)}})
    first, second = figure.axes
    assert [t.get_text() for t in first.get_yticklabels()] == ["b", "a", "c", "mean, clip-b (2)", "mean, clip-l (2)"]
    dots, mean, *_ = (line for line in first.lines if line.get_marker() == "o")
    assert dots.get_xdata() == pytest.approx([30, 10]) and mean.get_xdata()[0] == pytest.approx(20)
    (dots, _) = (line for line in second.lines if line.get_marker() == "o")
    assert dots.get_xdata() == pytest.approx([0, 20])  # in the order of the first column


def test_gains_stand_at_the_cosine_of_their_concept_with_the_correlation_and_its_count():
    found = gain(a=0.25, b=-0.1)
    correlation = Correlation(Estimate(0.5, 0.1, 0.8), 36)
    (ax,) = plots.against_binding({"a": 0.5, "b": 0.2}, found, correlation).axes
    (points,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert points.get_xdata().tolist() == [0.5, 0.2] and points.get_ydata() == pytest.approx([25, -10])
    assert "= +0.50 [+0.10, +0.80], n = 36" in ax.texts[0].get_text()
    assert {t.get_text() for t in ax.texts[1:]} == {"a", "b"}
    (ax,) = plots.against_binding({"a": 0.5, "b": 0.2}, found, None).axes
    assert ax.texts[0].get_text() == "n = 2: too few to correlate"


def test_names_of_close_points_do_not_cover_each_other():
    figure, ax = plt.subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    plots.name_points(ax, {"moongate": (0.5, 0.5), "gyroscope": (0.52, 0.51)})
    one, other = (text.get_window_extent() for text in ax.texts)
    assert not one.overlaps(other)


def test_own_concepts_have_a_panel_each_and_say_how_many_pictures():
    sure = Estimate(0.5, 0.4, 0.6)
    recognised = {"wug": {"base": sure, "kt": Estimate(0.9, 0.8, 0.95)}, "mine": {"base": sure, "word": sure}}
    labels = {"base": "before", "word": "the word", "prompt": "not asked", "kt": "after"}
    figure = plots.own_concepts(recognised, labels, {"wug": 40, "mine": 5})
    first, second = figure.axes
    assert [first.get_title("left"), second.get_title("left")] == ["wug, n = 40", "mine, n = 5"]
    assert [t.get_text() for t in first.get_yticklabels()] == ["before", "the word", "after"]
    dots = [line for line in first.lines if line.get_marker() == "o"]
    assert [(*d.get_xdata(), *d.get_ydata()) for d in dots] == [(0.5, 0), (0.9, 2)]
    assert first.get_ylim()[0] > first.get_ylim()[1], "the first arm stands above"
