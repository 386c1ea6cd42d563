"""Gains, shares and captions stand where their rows and texts say."""

import matplotlib.pyplot as plt
import pytest
import torch

from ktlib.companion import plots
from ktlib.companion.plots.style import COLOURS, LABELS
from tests.rows import row


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def change(method, metric, value, *, over="base", model="m", item="KT Tab. 6"):
    return row(item=item, subject="", method=method, metric=metric, over=over, model=model, value=value,
               low=value - 0.1, high=value + 0.2, seed=None)  # fmt: skip


def test_gains_have_a_row_a_model_and_a_column_a_measured_metric():
    rows = [change(method, metric, value, model=model) for model in ("web", "plain")
            for metric in ("bleu4", "cider") for method, value in (("kt", 0.3), ("templates", 0.1))]  # fmt: skip
    figure = plots.caption_gains(
        [*rows, change("kt", "cider", 0.9, over="noise")], ["kt", "templates"], ["bleu4", "cider", "spice"]
    )
    assert len(figure.axes) == 4, "what was not measured has no column"
    first = figure.axes[0]
    assert [t.get_text() for t in first.get_yticklabels()] == [LABELS["kt"], LABELS["templates"]]
    places = {line.get_color(): tuple(line.get_xdata()) for line in first.lines if line.get_marker() == "o"}
    assert places == {COLOURS["kt"]: (pytest.approx(30),), COLOURS["templates"]: (pytest.approx(10),)}
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["BLEU@4", "CIDEr"]


def test_shares_stand_in_percent_and_a_metric_without_gain_says_so():
    rows = [change("templates", "cider", 0.8, over="kt", item="share of the templates"), change("kt", "bleu4", 0.1)]
    (ax,) = plots.explained(rows, ["bleu4", "cider"]).axes
    (container,) = ax.containers
    assert container[0].get_ydata() == pytest.approx([80])
    assert container.get_label() == LABELS["templates"]
    assert [t.get_text() for t in ax.texts] == ["no sure gain"] and ax.texts[0].get_position()[0] == 0


def test_no_share_at_all_is_drawn_as_none():
    figure = plots.explained([change("kt", "cider", 0.1)], ["cider"])
    assert [t.get_text() for t in figure.axes[0].texts] == ["no sure gain"]


def test_a_grid_shows_each_picture_with_captions_in_colour_and_references_beneath():
    pictures = [torch.rand(3, 8, 8), torch.rand(3, 16, 8), torch.rand(3, 8, 8)]
    captions = [{"base": "img 07 jpg", "kt": "a photo of a wheel", "templates": ""}] * 3
    figure = plots.caption_grid(pictures, captions, [["a wheel", "one wheel"]] * 3, ["most gained", "x", "y"])
    assert [len(ax.images) for ax in figure.axes] == [1, 0, 1, 0, 1, 0, 0, 0]
    texts = figure.axes[1].texts
    assert [t.get_text() for t in texts] == [
        "most gained",
        "img 07 jpg",
        "a photo of a wheel",
        "(nothing)",
        "a wheel",
        "one wheel",
    ]
    assert [t.get_color() for t in texts[1:4]] == [COLOURS[m] for m in ("base", "kt", "templates")]
    heights = [t.get_position()[1] for t in texts]
    assert heights == sorted(heights, reverse=True) and heights[-1] > 0


def test_a_metric_that_was_not_measured_is_not_called_no_gain():
    figure = plots.explained([change("kt", "cider", 0.1)], ["meteor", "cider"])
    assert [t.get_text() for t in figure.axes[0].texts] == ["not measured", "no sure gain"]


def test_dollars_in_captions_are_dollars():
    """Between two of them matplotlib would read mathematics, and fail."""
    text = "a $5^^ bill and a $ sign"
    figure = plots.caption_grid([torch.rand(3, 8, 8)], [{"base": text}], [[text]], [text], columns=1)
    figure.canvas.draw()
    assert {t.get_text() for t in figure.axes[1].texts} == {text}


def test_figures_of_nothing_are_refused():
    with pytest.raises(ValueError, match="expected pictures and their captions, found none"):
        plots.caption_grid([], [], [], [])
    with pytest.raises(ValueError, match="expected rows of gains over base in one of the metrics, found none"):
        plots.caption_gains([change("kt", "cider", 0.1)], ["kt"], ["spice"])
