"""What the papers print is read whole, and our rows find their place beside it."""

import csv

import pytest

from ktlib.companion.record import published
from ktlib.companion.record.rows import Row


def row(**changed):
    given = {
        "item": "KT Tab. 1", "scale": "paper", "dataset": "imagenet", "model": "openai/ViT-B-32", "concept": "moongate",
        "method": "kt", "setting": "lr=2e-05", "metric": "target_accuracy", "value": 0.5, "low": 0.4, "high": 0.6,
        "n": 10, "seed": 0, "split": "test", "settings": "s", "weights": "w",
    }  # fmt: skip
    return Row(**given | changed)


def number(item="KT Tab. 1", **wanted):
    found = [n for n in published.numbers(item) if all(getattr(n, key) == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_items_of_the_first_version_do_not_mention_it():
    assert published.item_name("KT", "v1", "Tab. 1") == "KT Tab. 1"
    assert published.item_name("KT", "v2", "Tab. 9") == "KT v2 Tab. 9"
    assert published.item_name("ZS", "v1", "Tab. 4") == "ZS Tab. 4"


def test_every_line_of_the_tables_is_read():
    with (published.PUBLISHED / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [n.printed for n in published.numbers()] == [line["value"] for line in lines]
    assert len(published.numbers("KT Tab. 1")) == 108
    assert len(published.claims()) == 35


def test_numbers_are_kept_as_printed_and_as_numbers():
    base = number(model="CLIP ViT-B/32", variant="baseline", concept="Moongate", metric="imagenet_accuracy")
    assert (base.printed, base.value) == ("58.10", 58.1)


def test_every_item_has_a_notebook():
    assert {published.notebook(item)[:2] for item in published.items()} == {"01", "02", "03", "04", "05", "06"}
    assert published.notebook("KT v2 Tab. 11") == published.notebook("KT Tab. 1")
    with pytest.raises(ValueError, match="found 'KT Tab. 99'"):
        published.notebook("KT Tab. 99")


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
        row(model="openai/ViT-L-14"), row(concept="tonometer"), row(setting="lr=3e-05"), row(metric="retention"),
        row(method="noise"), row(split="validation"), row(item="KT v2 Tab. 12"),
    ]  # fmt: skip
    assert published.beside(printed, [*others, fits]) == [fits]


def test_settings_of_the_ablations_are_translated():
    rows = [
        row(item="KT v2 Tab. 9", setting=f"lr=2e-05;augmentation={a};tv={tv}")
        for a in ("on", "off")
        for tv in ("0", "0.001", "0.005")
    ]
    full = number("KT v2 Tab. 9", other="config=Full;augmentation=yes;tv_alpha=0.005", concept="Moongate")
    assert [r.setting for r in published.beside(full, rows)] == ["lr=2e-05;augmentation=on;tv=0.005"]
    none = number("KT v2 Tab. 9", other="config=A1;augmentation=no;tv_alpha=0", concept="Average")
    assert [r.setting for r in published.beside(none, rows)] == ["lr=2e-05;augmentation=off;tv=0"]
    sdxl = number("KT v2 Tab. 10", model="CLIP ViT-B/32", variant="sdxl", concept="Moongate")
    assert published.beside(sdxl, [row(item="KT v2 Tab. 10", setting="lr=2e-05;description=long")]) == []
