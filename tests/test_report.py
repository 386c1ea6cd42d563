"""`RESULTS.md` from rows made up here: what is in it, what must never be, and that it is always the same."""

import dataclasses
import json

import pytest

from ktlib.companion.record import published
from ktlib.companion.record import rows as results
from ktlib.companion.record.rows import Row
from ktlib.companion.report import ledger
from ktlib.companion.report import page as report

CONCEPTS = ("moongate", "tonometer", "gyroscope")


def measured(method, target, *, retention=0.8, lr=None, item="KT Tab. 1", scale="pocket", model="pocket/clip-b",
             split="test", concepts=CONCEPTS):  # fmt: skip
    seeds, setting = ((-1,), "") if lr is None else ((0, 1, 2), f"lr={lr:g}")
    return [
        Row(
            item,
            scale,
            "d",
            model,
            concept,
            method,
            setting,
            metric,
            value,
            value - 0.1,
            value + 0.1,
            50,
            seed,
            split,
            "s",
            "w",
        )  # fmt: skip
        for concept in concepts
        for seed in seeds
        for metric, value in (("target_accuracy", target), ("retention", retention))
    ]


def tab_1(**kwargs):
    rows = measured("base", 0.1, **kwargs)
    for lr, kt, kept in ((1e-4, 0.5, 0.8), (2e-4, 0.625, 0.79), (4e-4, 0.9, 0.4)):
        rows += measured("kt", kt, retention=kept, lr=lr, **kwargs) + measured("noise", 0.1, lr=lr, **kwargs)
        rows += measured("wrong", 0.125, lr=lr, **kwargs)
    return rows


def with_validation(**kwargs):
    return tab_1(**kwargs) + tab_1(split="validation", concepts=("dolmen", "harlequin"), **kwargs)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with pocket results of one item, and no notebooks."""
    record = {"date": "2025-01-01", "commit": "abc1234", "device": "CPU", "torch": "2", "python": "3"}
    monkeypatch.setattr(results, "provenance", lambda: record)
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(ledger, "ROOT", tmp_path)
    results.write(with_validation(), seconds=12.3, command="./run_all.sh --only 01", root=tmp_path)
    return tmp_path


def line(text, *starts):
    """The one line of a table whose first cells are these."""
    found = [x for x in text.splitlines() if x.startswith("| " + " | ".join(starts) + " |")]
    assert len(found) == 1, (starts, found)
    return [cell.strip() for cell in found[0].strip("|").split("|")]


def test_the_first_line_says_that_it_is_generated_and_how(root):
    assert "python -m ktlib.companion.report.page" in report.results_markdown(root).splitlines()[0]


def test_the_same_files_give_the_same_bytes(root):
    first = report.results_markdown(root)
    rows = results.read("pocket", "KT Tab. 1", root)
    results.write(rows[::-1], seconds=12.3, command="./run_all.sh --only 01", root=root)
    assert report.results_markdown(root) == first


def test_without_rows_every_item_and_claim_is_still_listed(tmp_path):
    text = report.results_markdown(tmp_path)
    for item in published.items():
        assert line(text, item)[1] == published.notebook(item)
    for claim in published.claims().values():
        assert line(text, claim.id)[2] == "not run: weights and data are not at hand"
    assert "## KT Tab. 1" not in text


def test_the_ledger_holds_the_verdict_and_its_comparison(root):
    text = report.results_markdown(root)
    cells = line(text, "K1")
    assert cells[1] == published.claims()["K1"].claim
    assert cells[2:4] == ["not run: weights and data are not at hand", "**holds**"]
    assert "kt minus base" in cells[4] and "3 test concepts, 3 seeds, 50 images each" in cells[4]
    assert line(text, "K7")[3:] == ["not run", "notebook 02 is not there yet"]


def test_means_are_percent_over_test_concepts_and_the_base_has_no_rate(root):
    text = report.results_markdown(root)
    assert line(text, "pocket/clip-b", "base")[3:] == ["10.0 [10.0, 10.0]", "80.0 [80.0, 80.0]"]
    assert line(text, "pocket/clip-b", "kt", "lr=0.0002")[3:] == ["62.5 [62.5, 62.5]", "79.0 [79.0, 79.0]"]
    assert "3 concepts, 3 seeds, 50 pictures of each concept." in text


def test_methods_are_read_at_equal_retention(root):
    text = report.results_markdown(root)
    # 0.79 at 2e-4, 0.40 at 4e-4: a 39th of the way down to 0.78, so 0.625 + 0.275 / 39
    assert "| pocket/clip-b | kt | 63.2 [63.2, 63.2] |" in text


def test_each_concept_stands_at_the_rate_chosen_on_validation(root):
    cells = line(report.results_markdown(root), "pocket/clip-b", "0.0002", "moongate")
    assert cells[3:] == ["10.0 / 80.0", "62.5 / 79.0", "10.0 / 80.0", "12.5 / 80.0"]


def test_a_missing_choice_is_said(root):
    results.write(tab_1(), seconds=1, command="c", root=root)
    assert "| none chosen: no validation rows | moongate |" in report.results_markdown(root)


def test_the_origin_of_an_item_is_told(root):
    text = report.results_markdown(root)
    count = len(with_validation())
    assert f"From `results/pocket/kt_tab_1.csv`: {count} rows, commit abc1234, 2025-01-01, CPU, 12.3 s" in text


def test_printed_numbers_stand_as_printed_and_doubtful_ones_are_marked(root):
    text = report.results_markdown(root)
    cells = line(text, "CLIP ViT-B/32", "transfer", "2e-5", "4")
    assert cells[4:6] == ["60", "56.43"]
    assert cells[-1] == "not run"
    assert "78.95†" in text
    assert "- † 78.95 (CLIP ViT-L/14, Moongate): 78.95 is 15/19, but the text says 10 images per concept" in text
    assert "Paper scale, ours: not run: weights and data are not at hand." in text


def test_paper_rows_stand_beside_the_printed_numbers_they_measure(root):
    rows = measured("base", 0.0, scale="paper", model="openai/ViT-B-32")
    rows += measured("kt", 0.7, lr=2e-5, scale="paper", model="openai/ViT-B-32")
    results.write(rows, seconds=1, command="./run_all.sh --scale paper --only 01", root=root)
    text = report.results_markdown(root)
    ours = line(text, "CLIP ViT-B/32", "transfer", "2e-5", "4")[-1]
    assert "Moongate accuracy lr=2e-05 70.0 [70.0, 70.0]" in ours
    assert "Moongate imagenet accuracy lr=2e-05 80.0 [80.0, 80.0]" in ours
    assert line(text, "CLIP ViT-B/32", "transfer", "3e-5", "4")[-1] == "not run"
    # measured once, so the row's own interval
    assert "Moongate accuracy 0.0 [-10.0, 10.0]" in line(text, "CLIP ViT-B/32", "baseline", "", "")[-1]
    assert "### Paper scale, ours: test concepts" in text
    assert "| openai/ViT-B-32 | 2e-05 | moongate | 0.0 / 80.0 | 70.0 / 80.0 |" in text


def test_rehearsal_numbers_never_appear(root):
    before = report.results_markdown(root)
    rehearsed = [dataclasses.replace(row, value=0.123456) for row in tab_1(scale="rehearsal", model="random/ViT-B-32")]
    results.write(rehearsed, seconds=1, command="c", root=root)
    results.write([dataclasses.replace(r, item="KT Fig. 4") for r in rehearsed], seconds=1, command="c", root=root)
    text = report.results_markdown(root)
    assert text == before
    assert "12.3 [" not in text and "random/" not in text


def test_choices_the_papers_leave_open_are_shown_on_validation_concepts(root):
    item = "Readings of the loss"
    rows = measured("base", 0.1, item=item, split="validation")
    rows += [
        dataclasses.replace(row, setting=f"lr=0.0002;reading={reading}")
        for reading in ("nt_xent", "nt_xent, AdamW")
        for row in measured("kt", 0.3, lr=2e-4, item=item, split="validation")
    ]
    results.write(rows, seconds=1, command="c", root=root)
    text = report.results_markdown(root)
    assert f"## {item}\n\nNot an item of the papers" in text
    section = text[text.index(f"## {item}") :]
    assert "### Pocket: validation concepts" in section
    assert line(section, "pocket/clip-b", "kt", "lr=0.0002;reading=nt_xent")[3] == "30.0 [30.0, 30.0]"
    assert "| kt reading=nt_xent | kt reading=nt_xent, AdamW |" in section


def test_a_figure_without_numbers_is_called_one(root):
    rows = measured("base", 0.1, item="KT Fig. 5") + measured("named", 0.6, lr=2e-4, item="KT Fig. 5")
    results.write(rows, seconds=1, command="c", root=root)
    text = report.results_markdown(root)
    assert "## KT Fig. 5\n\nPublished: a figure without printed numbers." in text
    assert line(text, "KT Fig. 4")[2] == "not there yet"


def test_a_line_that_measures_two_data_sets_keeps_them_apart(root):
    rows = [dataclasses.replace(row, item="KT Tab. 2") for row in tab_1()]
    results.write(rows, seconds=1, command="c", root=root)
    text = report.results_markdown(root)
    assert "Lung Cancer JSRT accuracy" in text and "Lung Cancer CheXpert-5x200c accuracy" in text
    values = {n.printed for n in published.numbers("KT Tab. 2")}
    assert all(value in text for value in values)


def test_main_writes_the_file(root, capsys):
    report.main()
    assert (root / "RESULTS.md").read_text() == report.results_markdown(root)
    assert capsys.readouterr().out == "wrote RESULTS.md\n"
    assert json.loads((root / "results/pocket/kt_tab_1.json").read_text())["item"] == "KT Tab. 1"
