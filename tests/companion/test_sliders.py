"""Sliders show what is stored, for every concept; where nobody can move them they say so."""

import pytest

from ktlib.companion import sliders
from tests.rows import row


def measured():
    def of(item, knob, places, methods=("kt",)):
        own = {"item": item, "subject": "moongate"}
        rows = [row(**own, method="base", varied="", seed=None, metric=m, value=v)
                for m, v in (("target_accuracy", 0.1), ("retention", 0.9))]  # fmt: skip
        for place in places:
            for method in methods:
                varied = f"{knob}={place}"
                rows.append(
                    row(**own, method=method, varied=varied, metric="target_accuracy", value=float(place) / 100)
                )
                rows.append(row(**own, method=method, varied=varied, metric="retention", value=0.8))
        return rows

    found = of("KT Tab. 1", "lr", ("20", "3"), ("kt", "noise"))
    return [*found, *of("KT v2 Tab. 9", "tv", ("0",)), *of("KT v2 Fig. 5", "steps", ("40", "5"))]


def test_what_is_stored_is_found_in_the_order_of_the_numbers():
    found = sliders.stored(measured(), "moongate", "lr")
    assert list(found) == ["3", "20"]
    assert found["20"] == {"recognised before": 0.1, "recognised after transfer": 0.2, "after transfer of noise": 0.2,
                           "known names kept": 0.8}  # fmt: skip
    assert "after transfer of noise" not in sliders.stored(measured(), "moongate", "steps")["40"]


def test_a_concept_without_rows_is_named():
    with pytest.raises(ValueError, match="expected rows of KT Tab. 1 for wug, found none"):
        sliders.stored(measured(), "wug", "lr")


def test_a_slider_that_is_moved_shows_its_place(monkeypatch):
    monkeypatch.delenv("KT_OUTPUT", raising=False)
    concept, first, *_ = sliders.panel(measured()).children
    assert concept.options == ("moongate",)
    slider, shown = first.children
    assert "3.0 %" in shown.value
    slider.value = "20"
    assert "20.0 %" in shown.value and "3.0 %" not in shown.value


def test_in_a_run_there_is_a_sentence_instead(monkeypatch, tmp_path):
    monkeypatch.setenv("KT_OUTPUT", str(tmp_path))
    assert "JupyterLab" in sliders.panel(measured()).data
