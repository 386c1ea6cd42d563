"""The ledger as a picture: a panel a kind, a line a claim, and verdicts that are told apart without colours."""

import math

import matplotlib.pyplot as plt
import pytest

from ktlib.companion import plots
from ktlib.companion.record.judging import CORRELATION, NOT_RUN, SAMENESS, TESTED, Verdict
from ktlib.evaluate.intervals import Estimate


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def verdict(claim, word="holds", value=0.1, **changed):
    estimate = None if word == NOT_RUN else Estimate(value, value - 0.1, value + 0.1)
    return Verdict(claim, "pocket", word, "", estimate, (), **changed)


def test_every_kind_has_a_panel_and_what_was_not_run_is_listed():
    ledger = [verdict("K1"), verdict("K18", kind=SAMENESS, allowed=(-0.1, 0.1)), verdict("K3", kind=CORRELATION)]
    figure = plots.verdicts([*ledger, verdict("K7", NOT_RUN)])
    titles = [ax.get_title(loc="left").split(",")[0].split(":")[0] for ax in figure.axes]
    assert titles == ["Differences", "Equivalences", "Rank correlations", "Not run"]
    assert [ax.get_yticklabels()[0].get_text().split()[-1] for ax in figure.axes] == ["K1", "K18", "K3", "K7"]


def test_verdicts_differ_by_their_marker_and_are_named():
    (ax,) = plots.verdicts([verdict(f"K{i}", word) for i, word in enumerate(TESTED, 1)]).axes
    points = [line for line in ax.lines if line.get_marker() != "None"]
    assert len({line.get_marker() for line in points}) == len(TESTED) == 4
    assert [text.get_text().split("  ")[0] for text in ax.texts] == list(TESTED)
    assert ax.texts[0].get_text().endswith("+10.0 [+0.0, +20.0]")


def test_a_margin_without_a_lower_bound_reaches_to_the_edge():
    (ax,) = plots.verdicts([verdict("K15", kind=SAMENESS, allowed=(-math.inf, 0.1))]).axes
    box = next(c for c in ax.collections if c.get_facecolor().size).get_paths()[0].get_extents()
    assert (box.x0, box.x1) == pytest.approx((ax.get_xlim()[0], 10))


def test_an_interval_beyond_what_shares_can_differ_by_ends_in_an_arrow():
    wide = Verdict("K21", "pocket", "inconclusive", "", Estimate(0.2, -1.6, 2.0), ())
    (ax,) = plots.verdicts([wide]).axes
    assert {"<", ">"} <= {line.get_marker() for line in ax.lines}
