"""Maps and masks stand where they were found, gains and rates where their rows say."""

from dataclasses import dataclass

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


@dataclass
class Shown:
    title: str
    image: object
    truth: object
    maps: dict
    boxes: dict
    masks: dict
    scores: dict


def shown():
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[2:6, 3:9] = True
    both = ("base", "kt")
    return Shown(
        "disk: most gained", torch.rand(3, 16, 16), mask, dict.fromkeys(both, mask.float()),
        dict.fromkeys(both, torch.tensor([3.0, 2.0, 9.0, 6.0])), dict.fromkeys(both, mask), {"base": 0.25, "kt": 1.0},
    )  # fmt: skip


def test_a_row_has_image_truth_and_for_each_model_map_and_mask():
    figure = plots.map_grid([shown(), shown()], names={"base": "before", "kt": "after"})
    assert len(figure.axes) == 12
    heads = [ax.get_title(loc="left") for ax in figure.axes[:6]]
    assert heads == ["image", "truth", "map before", "mask before", "map after", "mask after"]
    (box,) = figure.axes[2].patches
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((2.5, 1.5), 6, 4), "edges of pixels, not middles"
    assert figure.axes[3].get_xlabel() == "DSC 0.25" and figure.axes[5].get_xlabel() == "DSC 1.00"
    with pytest.raises(ValueError, match="found none"):
        plots.map_grid([], names={"base": "before"})


def change(lesion, method, metric, value, **more):
    return row(subject=lesion, method=method, metric=metric, over="base", value=value, low=value - 0.1,
               high=value + 0.1, seed=None, **{"varied": "lr=0.001"} | more)  # fmt: skip


def test_gains_have_a_row_a_metric_and_a_column_a_lesion_without_searches_anew():
    rows = [change(lesion, method, metric, value) for lesion in ("disk", "ring") for metric in ("dsc", "nsd")
            for method, value in (("kt", 0.2), ("real", 0.3))]  # fmt: skip
    rows.append(change("disk", "kt", "dsc", 0.9, varied="lr=0.001;searched=anew"))
    figure = plots.mask_gains(rows, ["kt", "real"], ["dsc", "nsd"])
    assert len(figure.axes) == 4
    first = figure.axes[0]
    places = [(line.get_color(), tuple(line.get_xdata())) for line in first.lines if line.get_marker() == "o"]
    assert places == [(COLOURS["kt"], (pytest.approx(20),)), (COLOURS["real"], (pytest.approx(30),))]
    assert [t.get_text() for t in first.get_yticklabels()] == [LABELS["kt"], LABELS["real"]]


def test_rates_have_a_panel_a_lesion_dashes_before_and_dots_for_the_bounds():
    rows = [
        row(subject="disk", method="kt", metric="dsc", value=v, varied=f"lr={r}")
        for r, v in ((0.01, 0.6), (0.001, 0.4))
    ]
    rows.append(row(subject="disk", method="base", metric="dsc", value=0.3, seed=None))
    bounds = [row(subject="disk", method="true_box", metric="dsc", value=0.9, seed=None)]
    (ax,) = plots.mask_rates(rows, {"disk": 0.01}, bounds).axes
    levels = {line.get_linestyle(): line.get_ydata()[0] for line in ax.lines if len(set(line.get_ydata())) == 1}
    assert levels["--"] == 0.3 and levels[":"] == 0.9
    (bars,) = ax.containers
    assert list(bars[0].get_xdata()) == [0.001, 0.01] and list(bars[0].get_ydata()) == [0.4, 0.6]


def test_checks_have_a_panel_a_lesion_and_leave_out_what_was_not_measured():
    rows = [row(subject="disk", method=m, metric="likeness", varied={"to": to}, value=v)
            for m, to, v in (("m2ib", "again", 0.9), ("m2ib", "wrong", 0.2), ("grad_cam", "again", 1.0))]  # fmt: skip
    (ax,) = plots.map_checks(rows).axes
    found = {bars.get_label(): [float(x) for x in bars[0].get_xdata()] for bars in ax.containers}
    assert found == {LABELS["m2ib"]: [0.9, 0.2], LABELS["grad_cam"]: [1.0]}


def test_a_note_stands_below_the_figure_and_inside_the_picture(tmp_path):
    figure, _ = plt.subplots(figsize=(2, 1))
    plots.save_figure(figure, "plain", "pocket", command="c", folder=tmp_path)
    height = plt.imread(tmp_path / "plain.png").shape[0]
    plots.save_figure(figure, "noted", "pocket", command="c", note="drawings", folder=tmp_path)
    noted = plt.imread(tmp_path / "noted.png")
    assert noted.shape[0] > height
    assert (noted[height + 5 :, :, :3] < 0.9).any(), "something is written there"
