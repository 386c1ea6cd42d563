"""The layouts of tables, from a few rows each."""

import pytest

from ktlib.companion.record.rows import Row
from ktlib.companion.report import sections
from ktlib.companion.scales import scale

EVERYTHING = ()


def row(method, metric, value, *, subject="", varied=None, over="", seed=0, model="pocket/vilt-b", split="test", n=50):
    return Row("an item", "pocket", "d", model, subject, method, varied or {}, metric, over, value, value - 0.1,
               value + 0.1, n, seed, split, "s", "w")  # fmt: skip


def cells(text, *starts):
    found = [x for x in text.splitlines() if x.startswith("| " + " | ".join(starts) + " |")]
    assert len(found) == 1, (starts, found)
    return [cell.strip() for cell in found[0].strip("|").split("|")]


def test_there_is_one_renderer_a_layout():
    assert set(sections.LAYOUTS) == {
        "transfer", "recalls", "captions", "shares", "samples", "sets", "kinds", "classes", "masks", "checks",
    }  # fmt: skip


# -- recalls ------------------------------------------------------------------------------------------
CELL = {"lr": "0.0002", "batch": "16"}


def recalls():
    rows = [row("base", "tr@1", 0.3, seed=None)]
    rows += [row("kt", "tr@1", value, varied=CELL, seed=seed) for seed, value in enumerate((0.2, 0.4))]
    rows += [row("kt", "tr@1", 0.05, varied=CELL, over="base", seed=None)]
    return rows


def test_recalls_are_means_over_seeds_and_a_single_search_has_its_interval():
    text = sections.recalls(recalls(), EVERYTHING)
    assert "2 seeds, 50 images" in text and "Throughout: model pocket/vilt-b." in text
    assert "| method | lr | batch | tr@1 |" in text, "recalls that were not measured have no column"
    assert cells(text, "base", "", "")[3] == "30.0 [20.0, 40.0]"
    assert cells(text, "kt", "0.0002", "16")[3] == "30.0"


def test_changes_are_signed_points_over_what_was_taken_away():
    text = sections.recalls(recalls(), EVERYTHING)
    assert text.index("### Recall") < text.index("### Paired changes")
    changes = text.split("### Paired changes")[1]
    assert cells(changes, "pocket/vilt-b", "kt", "0.0002", "16", "base")[5] == "+5.0 [-5.0, +15.0]"


def test_without_changes_there_is_no_table_of_them():
    assert "Paired" not in sections.recalls([r for r in recalls() if not r.over], EVERYTHING)


def test_rates_and_batches_stand_from_small_to_large():
    grid = [("0.0001", "4"), ("0.0001", "16"), ("2e-05", "64")]
    rows = [row("kt", "tr@1", 0.3, varied={"lr": lr, "batch": batch}) for lr, batch in grid]
    text = sections.recalls(rows, EVERYTHING)
    places = [text.index(f"| {lr} | {batch} |") for lr, batch in (grid[2], grid[0], grid[1])]
    assert places == sorted(places)


# -- captions -----------------------------------------------------------------------------------------
CHOSEN = {"lr": "0.001", "epochs": "3"}


def captions():
    rows = [row("base", metric, 0.3, seed=None) for metric in ("bleu4", "cider")]
    rows += [row("kt", "cider", value, varied=CHOSEN, seed=seed) for seed, value in enumerate((1.2, 1.4))]
    return rows + [row("kt", "cider", 0.05, varied=CHOSEN, over="templates", seed=None)]


def test_captions_have_a_column_a_metric_and_say_which_were_not_measured():
    text = sections.captions(captions(), EVERYTHING)
    assert "| method | lr | epochs | bleu4 | cider |" in text
    assert cells(text, "kt", "0.001", "3")[4] == "130.0"
    assert cells(text, "base", "", "")[3] == "30.0 [20.0, 40.0]"
    assert text.endswith("n/a: bleu1, bleu2, bleu3, meteor, rouge_l, spice; the notebook says why.")
    changes = text.split("### Paired changes")[1]
    assert cells(changes, "pocket/vilt-b", "kt", "0.001", "3", "templates")[5] == "+5.0 [-5.0, +15.0]"


def test_shares_are_percent_of_another_s_gain():
    rows = [row("templates", "cider", 0.8, varied=CHOSEN, over="kt", seed=None)]
    text = sections.shares(rows, EVERYTHING)
    assert "| model | method | lr | epochs | share of | cider |" in text
    assert cells(text, "pocket/vilt-b", "templates", "0.001", "3", "kt")[5] == "80.0 [70.0, 90.0]"


def test_single_captions_have_a_line_an_image_and_a_column_a_method():
    found = {("most gained 1", "base"): 0.0, ("most gained 1", "kt"): 0.9, ("most lost 1", "base"): 0.5}
    rows = [row(method, "meteor", value, subject=image, n=1) for (image, method), value in found.items()]
    text = sections.samples(rows, EVERYTHING)
    assert "meteor of single captions, times a hundred." in text and "| image | base | kt |" in text
    assert cells(text, "most gained 1")[1:] == ["0.0", "90.0"] and cells(text, "most lost 1")[1:] == ["50.0", "–"]


# -- sets ---------------------------------------------------------------------------------------------
ZOOM = scale("pocket").zoom_shot


def sets():
    last, first = ZOOM.encoders[-1], ZOOM.encoders[0]
    rows = [row("clip", "top1", 0.9, subject=name, model=ZOOM.clip, seed=None) for name in ("cars", "shapes")]
    for model in (last, first):
        rows += [row("zoom_shot", "top1", 0.5, subject=name, model=model) for name in ("cars", "shapes")]
        rows += [row("probe", "probe", 0.7, subject=name, model=model, seed=None) for name in ("cars", "shapes")]
        rows += [row("zoom_shot", "top1", 0.1, subject="cars", model=model, over="least_squares", seed=None)]
    return rows


def test_sets_stand_in_their_order_and_say_whose_part_they_play():
    text = sections.sets(sets(), EVERYTHING)
    assert "| encoder | method | shapes (CIFAR-10) | cars (Stanford Cars) | mean over sets |" in text
    assert "2 sets, 1 seeds, 50 images" in text


def test_encoders_stand_in_the_order_of_the_paper_and_clip_first():
    text = sections.sets(sets(), EVERYTHING)
    places = [text.index(f"| {name} |") for name in (ZOOM.clip, ZOOM.encoders[0], ZOOM.encoders[-1])]
    assert places == sorted(places)


def test_probes_are_named_as_what_they_are():
    text = sections.sets(sets(), EVERYTHING)
    assert "`probe`: of a ridge classifier that was given labels" in text
    assert cells(text, ZOOM.encoders[0], "probe")[2:4] == ["70.0", "70.0"]
    assert "`probe`" not in sections.sets([r for r in sets() if r.metric != "probe"], EVERYTHING)


def test_gains_are_signed_and_a_set_without_one_has_no_column():
    text = sections.sets(sets(), EVERYTHING).split("### Paired gains")[1]
    assert "Throughout: method zoom_shot, over least_squares." in text
    assert "| encoder | cars (Stanford Cars) |" in text
    assert cells(text, ZOOM.encoders[0])[1] == "+10.0 [+0.0, +20.0]"


def test_validation_sets_play_nobodys_part():
    rows = [row("zoom_shot", "top1", 0.5, subject="lamps", model=ZOOM.encoders[0], split="validation")]
    assert "| lamps |" in sections.sets(rows, EVERYTHING)


# -- transfer -----------------------------------------------------------------------------------------
def lesson(method, target, retention, *, lr, seed=0, **varied):
    own = {} if lr is None else {"lr": lr, **varied}
    return [
        row(method, metric, value, subject=name, varied=own, seed=seed, model="pocket/clip-b")
        for name in ("moongate", "tonometer")
        for metric, value in (("target_accuracy", target), ("retention", retention))
    ]


def test_each_thing_that_was_varied_has_a_column():
    rows = lesson("base", 0.1, 0.8, lr=None, seed=None)
    for tv in ("0", "0.005"):
        rows += lesson("kt", 0.4, 0.79, lr="0.0002", tv=tv, augmentation="on")
    text = sections.transfer(rows, rows)
    assert "| method | lr | tv | augmentation | target accuracy | known classes kept |" in text
    assert cells(text, "kt", "0.0002", "0.005", "on")[4] == "40.0 [40.0, 40.0]"
    assert "kt, tv=0, augmentation=on" in text
    assert "At equal retention" not in text, "one rate has nothing to be read at"


def test_the_untouched_model_may_stand_beside_another_item():
    base = lesson("base", 0.1, 0.8, lr=None, seed=None)
    rows = [r for lr in ("1e-4", "2e-4") for r in lesson("kt", 0.4, 0.79, lr=lr)]
    assert "| kt | 40.0 [40.0, 40.0] |" in sections.transfer(rows, [*base, *rows]).split("At equal retention")[1]
    assert "At equal retention" not in sections.transfer(rows, rows)


@pytest.mark.parametrize("layout", sections.LAYOUTS.values())
def test_a_layout_says_what_it_shows(layout):
    assert layout.__doc__ and "rows: of one item and split" in layout.__doc__
