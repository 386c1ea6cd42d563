"""Gates: a model that misses a published baseline stops the table, names what to look at, and can be overruled."""

import inspect
from dataclasses import replace

import pytest
import torch

from ktlib.companion.record import baselines
from ktlib.companion.record.baselines import BASELINES
from ktlib.companion.scales import scale
from ktlib.companion.studies import bench
from ktlib.companion.studies.zoom_shot import laboratory
from tests.rows import row

PAPER = scale("paper")
NAMED = {f"{one.item}, {one.model}, {one.metric}, {one.subject}": one for one in BASELINES}


def base(gate, value, **other):
    columns = {"item": gate.item, "model": gate.model, "metric": gate.metric, "subject": gate.subject or "any"}
    return row(**(columns | {"scale": "paper", "method": "base", "split": "test", "value": value} | other))


def test_every_pipeline_of_the_papers_has_a_gate_and_its_printed_number():
    found = {}
    for one in BASELINES:
        found.setdefault(one.item, []).append(one.expected)
    assert found["KT Tab. 1"] == [58.10, 70.79] and found["KT Tab. 1 ViLT"] == [23.74]
    assert found["every nodule"] == [62.10] and found["KT Tab. 3"] == [19.4, 22.4]
    assert found["KT Tab. 4"] == [56.25, 59.44, 47.81]
    assert found["KT Tab. 5"] == [73.8, 93.5, 96.5, 57.3, 83.9, 90.4]
    assert found["KT Tab. 6"] == [31.1, 123.1]
    assert len(found["ZS Tab. 1"]) == 8


def test_a_gate_s_model_is_one_of_the_paper_scale():
    scales = [PAPER.clip, PAPER.vilt, PAPER.coca, PAPER.medclip, PAPER.scans, *PAPER.films.outside]
    models = {name for one in scales for name in one.models} | {PAPER.zoom_shot.clip}
    assert {one.model for one in BASELINES} <= models


@pytest.mark.parametrize("name", NAMED)
def test_a_miss_stops_and_says_what_to_look_at_and_a_hit_does_not(name, monkeypatch):
    gate = NAMED[name]
    near = (gate.expected + 0.9 * gate.tolerance) / 100
    far = (gate.expected - 1.1 * gate.tolerance) / 100
    baselines.check([base(gate, near)])
    with pytest.raises(ValueError, match=r"expected [\d.]+ ± .* before any transfer.*look at .*KTLIB_GO_ON=1"):
        baselines.check([base(gate, near), base(gate, far)])
    monkeypatch.setenv("KTLIB_GO_ON", "1")
    with pytest.warns(UserWarning, match="Nothing measured after it can be interpreted"):
        baselines.check([base(gate, far)])


def test_only_the_untouched_model_s_own_rows_at_paper_scale_count():
    gate = BASELINES[0]
    baselines.check([base(gate, 0.1, scale="pocket"), base(gate, 0.1, method="kt")])
    baselines.check(
        [base(gate, 0.1, over="base"), base(gate, 0.1, split="validation"), base(gate, 0.1, item="KT Tab. 9")]
    )


def test_the_bench_stops_before_anything_is_taught(tmp_path):
    """A pocket model under the published one's name."""
    pocket = scale("pocket")
    own = bench.subject("pocket/clip-b", pocket, pocket.clip, cache=tmp_path)
    fold = own.folds[0]
    known = [(images[::40], labels[::40]) for images, labels in fold.exam.known]
    own = replace(own, name="openai/ViT-B-32", folds=(replace(fold, exam=replace(fold.exam, known=known)),))
    concepts = own.of("test")[:1]
    assert bench.base(own, "KT Tab. 1", concepts)
    with pytest.raises(ValueError, match="expected 58.1 ± 0.3 for retention of openai/ViT-B-32 .*class names, prompt"):
        bench.base(replace(own, scale=PAPER), "KT Tab. 1", concepts)


def test_zoom_shot_stops_where_clip_itself_misses():
    class Lab:
        scale, clip, examined = PAPER, "openai/ViT-B-16", {"CIFAR-10": None}
        sets = type("Sets", (), {"tests": {"CIFAR-10": None}})
        features = {("openai/ViT-B-16", "CIFAR-10"): torch.eye(2).half()}
        texts = {"CIFAR-10": torch.eye(2)}
        labels = {"CIFAR-10": torch.tensor([0, 1])}

    with pytest.raises(
        ValueError, match=r"expected 90.56 ± 0.5 for top1 of openai/ViT-B-16 on CIFAR-10 .*found 100.00"
    ):
        inspect.unwrap(laboratory.clip_itself)(Lab())
