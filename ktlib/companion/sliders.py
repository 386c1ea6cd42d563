"""Sliders over stored results: one knob of the recipe at a time, for one concept. Moving them computes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import ipywidgets
from IPython.display import Markdown

from ktlib.companion.record.rows import Row, select
from ktlib.companion.teach import means, percent

KNOBS: Mapping[str, tuple[str, str]] = {
    "lr": ("learning rate", "KT Tab. 1"), "tv": ("total variation", "KT v2 Tab. 9"), "steps": ("steps", "KT v2 Fig. 5"),
}  # fmt: skip
SHOWN = {"kt": "recognised after transfer", "noise": "after transfer of noise"}


def concepts(rows: Sequence[Row]) -> list[str]:
    """The concepts that every knob was turned for."""
    own = [{row.subject for row in rows if row.item == item} for _, item in KNOBS.values()]
    return sorted(set.intersection(*own))


def stored(rows: Sequence[Row], concept: str, knob: str) -> dict[str, dict[str, float]]:
    """What is stored for a concept: position of the knob, in the order of its numbers -> name -> fraction.

    Args:
        rows: of one model.
        concept: one of `concepts`.
        knob: `lr`, `tv` or `steps`.

    Raises:
        ValueError: there are no such rows.
    """
    own = select(rows, item=KNOBS[knob][1], subject=concept)
    before = means(select(own, method="base"), "metric")
    places = sorted({row.varied[knob] for row in own if knob in row.varied}, key=float)
    if not places or "target_accuracy" not in before:
        raise ValueError(f"expected rows of {KNOBS[knob][1]} for {concept}, found none; run ./run_all.sh --only 07")
    found = {}
    for place in places:
        here = [row for row in own if row.varied.get(knob) == place]
        line = {"recognised before": before["target_accuracy"]}
        reached = means(select(here, metric="target_accuracy"), "method")
        line |= {said: reached[method] for method, said in SHOWN.items() if method in reached}
        line["known names kept"] = means(select(here, method="kt", metric="retention"), "method")["kt"]
        found[place] = line
    return found


def written(line: Mapping[str, float]) -> str:
    """One position of a knob as bars, in HTML."""
    bar = "<div style='background:#0072b2;height:0.6em;width:{:.0f}px'></div>"
    cells = [
        f"<tr><td>{name}</td><td>{percent(value)}</td><td>{bar.format(200 * value)}</td></tr>"
        for name, value in line.items()
    ]
    return f"<table>{''.join(cells)}</table>"


def panel(rows: Sequence[Row]) -> ipywidgets.VBox | Markdown:
    """The sliders; where a notebook runs by itself, and nobody could move them, a sentence instead.

    Args:
        rows: of one model, of the items in `KNOBS`.
    """
    if os.environ.get("KT_OUTPUT"):
        return Markdown("*Sliders stand here in JupyterLab (`./explore.sh`); the figure below shows all they can say.*")
    concept = ipywidgets.Dropdown(options=concepts(rows), description="concept")
    boxes = [concept, *(_knob(rows, concept, knob) for knob in KNOBS)]
    return ipywidgets.VBox(boxes)


def _knob(rows: Sequence[Row], concept: ipywidgets.Dropdown, knob: str) -> ipywidgets.HBox:
    """One slider beside what is stored at its position."""
    options = list(stored(rows, concept.value, knob))
    style = {"description_width": "8em"}
    slider = ipywidgets.SelectionSlider(options=options, description=KNOBS[knob][0], style=style)
    shown = ipywidgets.HTML()

    def show(_: object = None) -> None:
        shown.value = written(stored(rows, concept.value, knob)[slider.value])

    for widget in (concept, slider):
        widget.observe(show, names="value")
    show()
    return ipywidgets.HBox([slider, shown])
