"""Committed pocket rows: whole, honest about their split, and the same when computed again."""

import csv
import hashlib

import pytest
import torch

from ktlib.companion import sources
from ktlib.companion.record.rows import committed, parsed, record_of, select, written
from ktlib.companion.scales import scale
from ktlib.companion.studies import bench
from ktlib.companion.studies.zoom_shot.laboratory import class_features, named
from ktlib.linear_maps import least_squares
from ktlib.models import VisionEncoder, load
from ktlib.places import ROOT

PUBLISHED = ROOT / "data_manifests" / "published"
COMMITTED, HERE = committed("pocket"), scale("pocket")


def test_there_are_rows_of_every_item_of_notebook_01():
    items = {row.item for row in COMMITTED}
    assert items >= {
        "KT Tab. 1",
        "KT Fig. 4",
        "KT Fig. 5",
        "KT v2 Tab. 2",
        "KT v2 Tab. 9",
        "KT v2 Tab. 10",
        "KT v2 Tab. 12",
        "KT v2 Fig. 5",
    }


def test_patterns_stand_beside_their_controls():
    rows = select(COMMITTED, item="KT v2 Tab. 12", split="test")
    assert {row.method for row in rows} == {"base", "kt", "noise", "wrong", "real"}


@pytest.mark.parametrize("name", HERE.clip.models)
def test_every_effect_stands_beside_its_controls_on_every_test_concept(name):
    rows = select(COMMITTED, item="KT Tab. 1", split="test", metric="target_accuracy", model=name)
    concepts = {c.name for exam in HERE.clip.models[name].values() for c in sources.examination(exam).of("test")}
    assert len(concepts) == 9 * len(HERE.clip.models[name])
    for method in ("kt", "noise", "wrong", "real"):
        found = select(rows, method=method)
        assert {row.seed for row in found} == set(HERE.clip.seeds)
        assert {row.subject for row in found} == concepts


def test_intervals_hold_their_values():
    for row in COMMITTED:
        assert row.low <= row.value <= row.high
        assert row.n > 0


@pytest.mark.parametrize("name", HERE.clip.models)
def test_the_untouched_models_score_what_is_committed(name, tmp_path):
    """Computed anew without a cache; another processor may tip two pictures of fifty."""
    subject = bench.subject(name, HERE, HERE.clip, cache=tmp_path)
    fresh = bench.base(subject, "KT Tab. 1", subject.of("test"))
    for row in fresh:
        (old,) = select(COMMITTED, item=row.item, model=name, method="base", subject=row.subject, metric=row.metric)
        assert abs(old.value - row.value) <= 2.01 / row.n
        assert old.weights == row.weights


def test_a_transfer_scores_what_is_committed(tmp_path):
    """Noise images, so that nothing chaotic precedes the transfer. Forty pictures: two may tip."""
    subject = bench.subject("pocket/clip-b", HERE, HERE.clip, cache=tmp_path)
    concepts, rates = subject.of("test")[::18], HERE.clip.rates[2:4]
    lessons = bench.noise(subject, concepts)
    fresh = bench.sweep(subject, "KT Tab. 1", "noise", concepts, lessons, rates=rates, progress=False)
    assert len(fresh) == 2 * 2 * 3  # concepts, rates, metrics
    for row in fresh:
        (old,) = [r for r in select(COMMITTED, item=row.item, method="noise", model=row.model) if same(r, row)]
        assert abs(old.value - row.value) <= 2.01 / 40


def same(one, other):
    return all(getattr(one, c) == getattr(other, c) for c in ("subject", "metric", "seed", "varied"))


def test_the_twenty_tables_of_zoom_shot_are_whole():
    items = [f"ZS Tab. {number}" for number in range(1, 21)]
    sets = list(sources.kinds("pocket"))
    for item in items:
        rows = select(COMMITTED, item=item, split="test", metric="top1", method=("zoom_shot", "linear_aligner"))
        kinds = {(row.model, row.method, written(row.varied)) for row in rows}
        assert kinds, item
        for model, method, varied in kinds:
            own = select(rows, model=model, method=method, varied=parsed(varied))
            wanted = [s for s in sets if item != "ZS Tab. 6" or s in sources.sets("pocket").targets]
            assert {(row.subject, row.seed) for row in own} == {(name, seed) for name in wanted for seed in (0, 1, 2)}
    controls = {"linear_aligner_fixed", "linear_aligner_tuned", "mse_adam", "least_squares", "clip"}
    assert controls <= {row.method for row in select(COMMITTED, item="ZS Tab. 1")}


def test_a_map_in_closed_form_scores_what_is_committed():
    """One encoder and seed, features extracted anew; another processor may tip two pictures of a set."""
    sets, encoder = sources.sets("pocket"), load("pocket/mobilenet")
    clip = load("pocket/clip-b")
    order = torch.randperm(len(sets.train), generator=torch.Generator().manual_seed(10_000))
    chosen = sets.train.take(order[: len(order) // 5].sort().values.tolist())
    models = (encoder, VisionEncoder.of(clip))
    with torch.no_grad():
        found = [[m.features(part) for m in models] for part in chosen.batches(256, 64)]
        maps = least_squares(*(torch.cat(column).half() for column in zip(*found, strict=True)))
        for name in ("objects", "cars"):
            images = sets.tests[name]
            features = torch.cat([encoder.features(part) for part in images.batches(256, 64)]).half().float()  # as kept
            texts = class_features(clip.encode_text, images.names, images.templates)
            hits = named(maps.h(features), texts) == torch.tensor(images.labels)
            (old,) = select(
                COMMITTED, item="ZS Tab. 1", model="pocket/mobilenet", method="least_squares", subject=name, seed=0,
                metric="top1",
            )  # fmt: skip
            assert abs(old.value - hits.float().mean().item()) <= 2.01 / len(images)
            assert old.weights == encoder.digest()


def test_the_papers_numbers_are_all_carried():
    with (PUBLISHED / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2056
    assert sum(bool(line["note"]) for line in lines) == 197


def test_figures_in_the_readme_are_those_a_run_draws():
    import re

    for target in re.findall(r"\]\((figures/[^)]+)\)|src=\"(figures/[^\"]+)\"", (ROOT / "README.md").read_text()):
        path = ROOT / next(filter(None, target))
        assert path.exists()
        assert path.with_suffix(".json").exists(), "a figure without provenance"


def test_a_digest_beside_every_file_of_rows_says_that_nobody_has_edited_it():
    files = sorted((ROOT / "results").glob("*/*.csv"))
    assert files
    for path in files:
        assert record_of(path)["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), path.name
