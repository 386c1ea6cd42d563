"""One look for all figures, and the same bytes twice."""

import json

import matplotlib.pyplot as plt
import pytest

from ktlib.companion import plots
from ktlib.companion.plots import style as styles
from ktlib.evaluate.intervals import Estimate
from tests.rows import row


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def figure():
    base = [row(method="base", subject=name, seed=None, value=0.1) for name in "ab"]
    return plots.bars(base, {"kt": [row(subject=name) for name in "ab"]})


def test_a_rerun_gives_identical_bytes(tmp_path):
    for name in ("one", "two"):
        plots.save_figure(figure(), name, "pocket", command="x", folder=tmp_path)
    first, again = tmp_path / "one.png", tmp_path / "two.png"
    assert first.read_bytes() == again.read_bytes()
    assert json.loads(first.with_suffix(".json").read_text())["command"] == "x"


def test_a_figure_goes_to_the_folder_of_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("KT_OUTPUT", str(tmp_path))
    plots.save_figure(figure(), "one", "pocket", command="x")
    assert (tmp_path / "figures" / "one.png").exists()


def test_every_method_has_a_colour_and_a_label():
    assert plots.COLOURS.keys() == plots.LABELS.keys()


def test_intervals_reach_down_and_up_and_never_backwards():
    found = styles.errors_of([Estimate(0.5, 0.4, 0.7), Estimate(0.5, 0.6, 0.7)])
    assert found.tolist() == [pytest.approx([0.1, 0.0]), pytest.approx([0.2, 0.2])]


def test_everything_that_draws_can_be_had_from_the_room():
    assert set(plots.__all__) <= set(dir(plots))
