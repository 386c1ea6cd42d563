"""What the papers print is read whole, and our rows find their place beside it."""

import csv
import dataclasses
import json

import pytest

from ktlib.companion.record import published
from ktlib.companion.record.rows import written
from ktlib.places import MANIFESTS
from tests.rows import row as made


def row(**changed):
    given = {"scale": "paper", "model": "openai/ViT-B-32", "varied": "lr=2e-05", "n": 10}
    return made(**given | changed)


def number(item="KT Tab. 1", **wanted):
    found = [n for n in published.numbers(item) if all(getattr(n, key) == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_items_of_the_first_version_do_not_mention_it():
    assert published.item_name("KT", "v1", "Tab. 1") == "KT Tab. 1"
    assert published.item_name("KT", "v2", "Tab. 9") == "KT v2 Tab. 9"
    assert published.item_name("ZS", "v1", "Tab. 4") == "ZS Tab. 4"


def test_every_line_of_the_tables_is_read():
    with (MANIFESTS / "published" / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [n.printed for n in published.numbers()] == [line["value"] for line in lines]
    assert len(published.numbers("KT Tab. 1")) == 108
    assert len(published.claims()) == 35
    assert all(1 <= len(claim.short.split()) <= 8 for claim in published.claims().values())


def test_numbers_are_kept_as_printed_and_as_numbers():
    base = number(model="CLIP ViT-B/32", variant="baseline", concept="Moongate", metric="imagenet_accuracy")
    assert (base.printed, base.value) == ("58.10", 58.1)


def test_every_figure_that_shows_results_is_an_item():
    known = published.items()
    assert set(published.figures()) <= set(known) and len(published.figures()) == 11
    for item in ("KT Fig. 1", "KT Fig. 3", "KT v2 Fig. 3", "KT v2 Fig. 9", "ZS Fig. 1", "ZS Fig. 4"):
        assert item in known and published.figures()[item]
    assert f"| `figures.csv` | {len(published.figures())} |" in (MANIFESTS / "published" / "README.md").read_text()


def test_items_stand_in_order():
    known = published.items()
    assert len(known) == len(set(known))
    assert known[:3] == ["KT Fig. 1", "KT Fig. 3", "KT Fig. 4"]
    assert known.index("KT Tab. 2") < known.index("KT Tab. 10") < known.index("KT v2 Fig. 3") < known.index("ZS Fig. 1")
    assert not set(known) & (published.REPEATED.keys() | published.PART_OF.keys())


def test_the_notebook_that_writes_an_item_is_read_off_the_notebooks(tmp_path):
    metadata = {
        "01_a": ["results/kt_tab_1.csv", "figures/kt_fig_3.png"],
        "02_b": ["results/kt_tab_2.csv", "RESULTS.md"],
    }
    for name, writes in metadata.items():
        text = json.dumps({"cells": [], "metadata": {"kt": {"writes": writes}}})
        (tmp_path / f"{name}.ipynb").write_text(text)
    found = {item: published.notebook(item, tmp_path) for item in ("KT Tab. 1", "KT Fig. 3", "KT Tab. 2", "KT Tab. 3")}
    assert found == {"KT Tab. 1": "01_a", "KT Fig. 3": "01_a", "KT Tab. 2": "02_b", "KT Tab. 3": None}
    assert published.notebook("KT v2 Tab. 11", tmp_path) == "01_a"  # repeats KT Tab. 1
    assert published.notebook("KT v2 Fig. 9", tmp_path) == "01_a"  # shows numbers of KT Tab. 1


def test_what_the_notebooks_write_is_known():
    assert published.notebook("KT Fig. 3") == published.notebook("KT v2 Fig. 3") == "01_rare_concepts"
    assert published.notebook("KT Tab. 8") == "04_flickr30k_retrieval"
    assert {published.notebook(item) for item in published.items() if item.startswith("ZS ")} == {"06_zoom_shot"}
    assert published.notebook("weight_of_distillation") == "06_zoom_shot"
    assert published.notebook("KT v2 Fig. 6") is published.notebook("KT Tab. 99") is None


@pytest.mark.parametrize(
    ("claim", "items"),
    [
        ("K1", ("KT Tab. 1",)),
        ("K5", ("KT Fig. 4",)),  # by `where`: `items` says "figure only"; v2 Fig. 12 repeats it
        ("K17", ("KT v2 Tab. 9",)),
        ("K20", ("KT v2 Tab. 10", "KT v2 Fig. 6")),
        ("Z2", ("ZS Tab. 1",)),  # the text has DINOv2, which is no version
        ("Z4", ("ZS Tab. 3", "ZS Tab. 9", "ZS Tab. 10", "ZS Tab. 11", "ZS Tab. 12")),
        ("Z13", ()),
    ],
)
def test_a_claim_knows_its_items(claim, items):
    assert published.items_of(published.claims()[claim]) == items


def test_items_are_found_whatever_their_capitals_and_dots():
    assert published.find("kt tab 1") == "KT Tab. 1"
    assert published.find("KT  v2 Tab. 9") == "KT v2 Tab. 9"
    assert published.find("KT Tab. 99") is None


def test_our_row_stands_beside_the_number_of_its_model_concept_and_rate_only():
    printed = number(model="CLIP ViT-B/32", concept="Moongate", learning_rate="2e-5", metric="accuracy")
    fits = row()
    others = [
        row(model="openai/ViT-L-14"), row(subject="tonometer"), row(varied="lr=3e-05"), row(metric="retention"),
        row(method="noise"), row(split="validation"), row(item="KT v2 Tab. 12"),
    ]  # fmt: skip
    assert published.beside(printed, [*others, fits]) == [fits]


def test_settings_of_the_ablations_are_translated():
    rows = [
        row(item="KT v2 Tab. 9", varied=f"lr=2e-05;augmentation={a};tv={tv}")
        for a in ("on", "off")
        for tv in ("0", "0.001", "0.005")
    ]
    full = number("KT v2 Tab. 9", other="config=Full;augmentation=yes;tv_alpha=0.005", concept="Moongate")
    assert [written(r.varied) for r in published.beside(full, rows)] == ["lr=2e-05;augmentation=on;tv=0.005"]
    none = number("KT v2 Tab. 9", other="config=A1;augmentation=no;tv_alpha=0", concept="Average")
    assert [written(r.varied) for r in published.beside(none, rows)] == ["lr=2e-05;augmentation=off;tv=0"]
    sdxl = number("KT v2 Tab. 10", model="CLIP ViT-B/32", variant="sdxl", concept="Moongate")
    assert published.beside(sdxl, [row(item="KT v2 Tab. 10", varied="lr=2e-05;description=long")]) == []


def test_a_printed_recall_finds_our_row_of_its_rate_and_batch():
    (printed,) = [n for n in published.numbers("KT Tab. 8") if (n.learning_rate, n.metric) == ("9e-7", "tr@1")]
    own = {"item": "KT Tab. 8", "model": "dandelin/vilt-b32-mlm-itm", "subject": "", "metric": "tr@1"}
    ours = [row(**own, varied=f"lr=9e-07;batch={b}") for b in (16, 32)]
    ours += [row(**own, varied=f"lr=9e-07;batch={b}", over="base", seed=None) for b in (16, 32)]
    assert [written(r.varied) for r in published.beside(printed, ours)] == [f"lr=9e-07;batch={printed.batch_size}"]


@pytest.mark.parametrize(
    ("item", "method", "varied"),
    [
        ("ZS Tab. 1", "linear_aligner", ""),
        ("ZS Tab. 2", "zoom_shot", "mapping=h_inv"),
        ("ZS Tab. 12", "zoom_shot", "losses=CC+PG-KD"),
        ("ZS Tab. 4", "zoom_shot", "share=0.01;epochs=20"),
        ("ZS Tab. 20", "linear_aligner", "share=0.2;epochs=6"),
        ("ZS Tab. 6", "zoom_shot", "train=target"),
        ("ZS Tab. 8", "zoom_shot", "losses=PG-KD;matching=ht_ce;temperature=20"),
    ],
)
def test_our_row_of_a_set_stands_beside_its_number_and_those_of_all_sets_beside_the_average(item, method, varied):
    printed = [n for n in published.numbers() if n.item.startswith("ZS ") and n.metric == "top1"]
    model = "torchvision/mobilenet_v3_small" if item == "ZS Tab. 4" else "timm/vit_base_patch14_dinov2.lvd142m"
    ours = row(item=item, model=model, subject="CIFAR-10", method=method, varied=varied, metric="top1")
    found = [n for n in printed if published.beside(n, [ours])]
    assert {n.item for n in found} == {item}
    assert [n.dataset for n in found] == ["CIFAR-10"]
    (average,) = [
        n for n in printed
        if n.dataset == "Average" and (n.item, n.model, n.variant, n.other) == tuple(
            getattr(found[0], part) for part in ("item", "model", "variant", "other")
        )
    ]  # fmt: skip
    every = [dataclasses.replace(ours, subject=name) for name in {n.dataset for n in printed if n.item == item}]
    every = [one for one in every if one.subject != "Average"]
    assert published.beside(average, every) == every
    assert published.beside(average, every[1:]) == []  # of fewer sets it would be another average
    assert not [n for n in printed if published.beside(n, [dataclasses.replace(ours, over="clip")])]


def test_our_captions_stand_beside_those_of_the_same_rate_and_the_same_trained_parts():
    of = {"subject": "", "metric": "cider", "varied": "lr=9e-05;epochs=1", "model": "laion/coca-ViT-L-14"}
    whole, visual = (row(item="KT Tab. 9", method=method, **of) for method in ("kt", "kt_visual"))
    both = number("KT Tab. 9", model="CoCa", metric="cider", learning_rate="9e-5")
    assert published.beside(both, [whole, visual]) == [whole]
    alone = number("KT Tab. 9", model="CoCa", metric="cider", learning_rate="6e-5")
    assert published.beside(alone, [whole, visual]) == []
    at_its_rate = dataclasses.replace(visual, varied={"lr": "6e-05", "epochs": "1"})
    assert published.beside(alone, [whole, at_its_rate]) == [at_its_rate]
    sample = published.numbers("KT Tab. 10")[0]
    ours = row(
        item="KT Tab. 10",
        subject="most gained 1",
        metric="meteor",
        method="base",
        model="laion/coca-ViT-L-14",
        varied="",
    )
    assert published.beside(sample, [ours]) == [], "the paper's images are others"


def test_printed_rates_are_found_by_model_and_method():
    assert published.rates("KT Tab. 9", "laion/coca-ViT-L-14-mscoco", "kt") == [5e-6]
    assert published.rates("KT Tab. 1", "openai/ViT-B-32", "kt") == [1e-5, 2e-5, 3e-5, 4e-5, 5e-5]
    assert published.rates("KT Tab. 9", "pocket/coca-web", "kt") == []


def test_an_average_over_models_stands_beside_the_rows_of_all_of_them():
    models = ("openai/ViT-B-32", "openai/ViT-L-14")
    own = {"item": "KT v2 Tab. 10"}
    rows = [row(**own, model=m, subject=c, varied=f"lr=2e-05;description={d}") for m in models
            for c in ("moongate", "tonometer") for d in ("short", "long")]  # fmt: skip
    average = number("KT v2 Tab. 10", model="Average", variant="transfer", other="prompt=P1")
    found = published.beside(average, rows)
    assert {(r.model, r.subject) for r in found} == {(m, c) for m in models for c in ("moongate", "tonometer")}
    assert {r.varied["description"] for r in found} == {"short"}
    assert published.beside(average, [r for r in rows if r.model == models[0]]) == []  # of one model it is no average
    large = number("KT v2 Tab. 10", model="CLIP ViT-L/14", concept="Tonometer", other="prompt=P3", variant="transfer")
    assert {(r.model, r.subject, r.varied["description"]) for r in published.beside(large, rows)} == {
        ("openai/ViT-L-14", "tonometer", "long")
    }


def test_our_films_stand_beside_those_of_the_same_set_kind_and_rate():
    own = {"item": "KT Tab. 2", "model": "RyanWangZf/MedCLIP-ViT", "subject": "lung cancer", "varied": "lr=0.0002"}
    rows = [made(**own, metric="target_accuracy", value=0.9), made(**own, metric="retention", value=0.6)]
    printed = [n for n in published.numbers("KT Tab. 2") if n.learning_rate == "2e-4"]
    assert [(n.dataset, [r.metric for r in published.beside(n, rows)]) for n in printed] == [
        ("JSRT", ["target_accuracy"]), ("CheXpert-5x200c", ["retention"]),
    ]  # fmt: skip
    known = made(item="KT Tab. 3", model="RyanWangZf/MedCLIP-ViT", subject="", method="base", metric="top1", varied="")
    (top,) = [n for n in published.numbers("KT Tab. 3") if n.variant == "reference" and n.metric == "top1"]
    assert published.beside(top, [known]) == [known]


def test_masks_stand_beside_numbers_of_their_set_and_the_published_nsd_is_that_of_slabs():
    (number,) = [
        n for n in published.numbers("KT Tab. 7")
        if (n.dataset, n.learning_rate, n.metric) == ("SIIM Pneumothorax", "2e-5", "nsd")
    ]  # fmt: skip
    own = {"item": "KT Tab. 7", "model": "microsoft/BiomedCLIP", "subject": "pneumothorax", "method": "kt"}
    there = [
        made(**own, dataset=dataset, metric=metric, varied=f"lr={rate}")
        for dataset in ("SIIM Pneumothorax", "UDIAT") for metric in ("nsd", "nsd_slab") for rate in ("2e-05", "3e-05")
    ]  # fmt: skip
    (found,) = published.beside(number, there)
    assert (found.dataset, found.metric, found.lr) == ("SIIM Pneumothorax", "nsd_slab", 2e-5)
