"""`python -m ktlib explain`: where numbers come from, and help for those who mistype."""

import dataclasses
import random
import re

import pytest

from ktlib.companion.record import published
from ktlib.companion.record import rows as results
from ktlib.companion.record.rows import Row
from ktlib.companion.report.explain import explain


@pytest.fixture
def root(tmp_path, monkeypatch):
    record = {"date": "2025-01-01", "commit": "abc1234", "device": "CPU, 2 cores", "torch": "2", "python": "3"}
    monkeypatch.setattr(results, "provenance", lambda: record)
    measured = [("base", {}, None, "d0"), ("kt", {"lr": "0.0002"}, 0, "d2"), ("kt", {"lr": "0.0001"}, 0, "d1")]
    measured += [("kt", {"lr": "0.0001"}, 1, "d1")]
    rows = [
        Row("KT Tab. 1", "pocket", "drawn", "pocket/clip-b", "moongate", method, varied, "target_accuracy", "", 0.5,
            0.4, 0.6, 50, seed, "test", digest, "weights-digest")
        for method, varied, seed, digest in measured
    ]  # fmt: skip
    put(tmp_path, rows)
    return tmp_path


def put(root, rows):
    results.write(rows, seconds=12.3, command="./run_all.sh --only 01", folder=root / "results" / rows[0].scale)


def draw(root, name):
    folder = root / "figures/pocket"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(b"")
    (folder / f"{name}.json").write_text('{"commit": "abc1234", "command": "./run_all.sh --only 01"}')


def test_it_tells_what_is_printed(root):
    text = explain("KT Tab. 1", root)
    assert text.startswith("KT Tab. 1\n")
    assert "108 numbers in data_manifests/published/results.csv" in text
    assert "doubtful: 78.95 (CLIP ViT-L/14): 78.95 is 15/19" in text
    assert "claims judged on it: K1, K2, K3, K4" in text
    assert "has rows of its own for: KT Tab. 1 ViLT" in text


def test_it_tells_where_ours_come_from(root):
    text = explain("KT Tab. 1", root)
    for part in (
        f"pocket: 4 rows in {root}/results/pocket/kt_tab_1.csv",
        "kt: 3 rows; lr=0.0001, lr=0.0002",
        "settings: 2 kinds, digests in the rows",
        "settings in full: ktlib/companion/scales/pocket.py",
        "base: 1 rows; nothing varied",
        "seeds: 0, 1",
        "data: drawn",
        "test concepts or sets: moongate",
        "weights of pocket/clip-b: weights-digest",
        "commit: abc1234",
        "date: 2025-01-01",
        "device: CPU, 2 cores",
        "seconds: 12.3",
        "again: ./run_all.sh --only 01",
    ):
        assert part in text


def test_scales_without_rows_say_how_to_measure(root):
    text = explain("KT Tab. 1", root)
    assert "paper: no rows\n    to measure: ./run_all.sh --scale paper --only 01" in text
    assert "its numbers are not results): no rows" in text


def test_rows_without_a_record_are_no_secret(root):
    (root / "results/pocket/kt_tab_1.json").unlink()
    assert "origin: not recorded (kt_tab_1.json is missing)" in explain("KT Tab. 1", root)


@pytest.mark.parametrize(
    ("item", "source", "stem"),
    [
        ("KT Fig. 1", "KT Tab. 1", "kt_fig_1"),
        ("KT v2 Fig. 3", "KT Tab. 1", "kt_tab_1"),
        ("KT v2 Fig. 9", "KT Tab. 1", "kt_tab_1"),
        ("ZS Fig. 1", "ZS Tab. 1", "zs_fig_1"),
        ("ZS Fig. 3", "ZS Tab. 6", "zs_targets"),
    ],
)
def test_a_figure_names_its_notebook_its_file_and_the_rows_it_is_drawn_from(root, item, source, stem):
    put(root, [dataclasses.replace(row, item=source) for row in results.read("pocket", folder=root / "results/pocket")])
    draw(root, stem)
    text = explain(item, root)
    assert f"shows: {published.figures()[item]}" in text
    assert f"which are those of {source}" in text
    assert f"figure: {root}/figures/pocket/{stem}.png, drawn by notebook {published.notebook(item)[:2]}" in text


@pytest.mark.parametrize(
    ("item", "stem", "number"), [("KT Fig. 3", "kt_fig_3", "01"), ("ZS Fig. 4", "zs_mapped", "06")]
)
def test_a_figure_without_rows_names_its_notebook_and_file(root, item, stem, number):
    assert f"to measure: ./run_all.sh --only {number}" in explain(item, root)
    draw(root, stem)
    text = explain(item, root)
    assert "pocket: drawn, from no rows" in text
    assert f"figure: {root}/figures/pocket/{stem}.png, drawn by notebook {number}" in text
    assert "commit: abc1234" in text


def test_every_item_of_the_papers_is_answered(root):
    for item in [*published.items(), *published.REPEATED]:
        assert explain(item, root).startswith(item)


def test_what_is_answered_elsewhere_says_where(root, monkeypatch):
    assert "what inversion costs is measured, benchmarks/README.md" in explain("KT v2 Fig. 6", root)
    monkeypatch.setattr(published, "notebook", lambda item: None)
    assert "no notebook measures it yet" in explain("KT Tab. 2", root)


def test_inside_a_run_the_other_scales_are_those_that_are_published(root, monkeypatch):
    """A run's folder holds one scale: its rows must not pass for those of another."""
    monkeypatch.setenv("KT_OUTPUT", str(root / "run"))
    known = results.read("pocket", folder=root / "results/pocket")
    results.write(known, seconds=1, command="c", folder=root / "run/results")
    text = explain("KT Tab. 1")
    assert f"pocket: 4 rows in {root}/run/results/kt_tab_1.csv" in text
    assert "paper: no rows" in text


def test_repeated_tables_are_known(root):
    assert "a figure without printed numbers" in explain("KT Fig. 4", root)
    assert explain("kt v2 tab 11", root).startswith("KT v2 Tab. 11 repeats KT Tab. 1\n")
    assert "./run_all.sh --only 06" in explain("ZS Tab. 4", root)


def test_an_unknown_item_is_answered_with_near_ones(root):
    with pytest.raises(ValueError, match=r"such as .*KT Tab\. 1.*found 'KT Tabel 1'"):
        explain("KT Tabel 1", root)
    with pytest.raises(ValueError, match="found 'zzz'"):
        explain("zzz", root)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("KT Tab. 99", "KT Tab. 1, ", ", KT Tab. "), ("zs fig 77", "ZS Fig. 1, ", ", ZS Fig. 4")],
)
def test_a_number_that_does_not_exist_is_answered_with_those_that_do(root, asked, first, last):
    with pytest.raises(ValueError, match="expected an item, one of") as raised:
        explain(asked, root)
    assert f"one of {first}" in str(raised.value) and last in str(raised.value)
    assert ("shows no results" in str(raised.value)) == ("fig" in asked)


@pytest.mark.parametrize(
    ("asked", "first"), [("KT", "KT Fig. 1, "), ("kt  v2", "KT v2 Fig. "), ("ZS Tab.", "ZS Tab. 1, ")]
)
def test_the_beginning_of_a_name_is_answered_with_all_that_begin_so(root, asked, first):
    with pytest.raises(ValueError, match="expected an item, one of") as raised:
        explain(asked, root)
    assert f"one of {first}" in str(raised.value)


@pytest.mark.parametrize("asked", ["K", "z", " k "])
def test_a_claim_without_a_number_is_answered_with_the_range(root, asked):
    with pytest.raises(ValueError, match=f"expected a claim, {asked.strip().upper()}1 to "):
        explain(asked, root)


PIECES = ["KT", "ZS", "v2", "Tab.", "Fig", "K", "z", "moongate", "of the", "1", "007", "９", "²", "-3", "."]
PIECES += ["_", "\n", "\t", "", " ", "é", "\x00", "\ud800", "(", "*", "%s", "{}", "9" * 5000]
DRAWN = random.Random(0)
ODD = ["", " ", "KT", "K", "moongate", *("".join(DRAWN.choices(PIECES, k=DRAWN.randint(1, 5))) for _ in range(120))]


def test_whatever_is_asked_is_answered_or_refused_with_what_there_is(root):
    """Among what is measured is one item without a number, one of one word, and one that ends in a number."""
    known = results.read("pocket", folder=root / "results/pocket")
    for item in ("Readings of the loss", "wholly", "maps2"):
        put(root, [dataclasses.replace(row, item=item) for row in known])
    refused = 0
    for asked in ODD:
        try:
            assert explain(asked, root)
        except ValueError as error:
            assert re.match(r"expected (an item, such as|an item, one of|a claim,) \w", str(error)), repr(asked)
            assert str(error).endswith(f"found {asked!r}")
            refused += 1
    assert refused > 100


def test_a_claim_is_said_in_words_with_its_verdicts_and_items():
    text = explain(" k1 ")
    claim = published.claims()["K1"]
    assert text.startswith(f"K1 (KT, {claim.where}): {claim.short}\n") and claim.claim in text
    assert "  pocket: " in text and "  paper: not run" in text and "rehearsal" not in text
    assert 'python -m ktlib explain "KT Tab. 1"' in text


def test_a_claim_that_does_not_exist_is_answered_with_the_range(root):
    with pytest.raises(ValueError, match="expected a claim, K1 to K22; found 'K99'"):
        explain("K99", root)


def test_a_decision_leads_to_where_decisions_stand():
    with pytest.raises(ValueError, match="found 'D44'; decisions \\(D1 …\\) stand in REPRODUCING.md"):
        explain("D44")


def test_models_that_were_pretrained_several_times_are_counted(root):
    known = results.read("pocket", folder=root / "results/pocket")
    put(root, [dataclasses.replace(row, weights=f"w{n}", seed=n) for n, row in enumerate(known)])
    assert "weights of pocket/clip-b: 4 pretrainings, digests in the rows" in explain("KT Tab. 1", root)


def test_what_is_no_item_of_the_papers_is_explained_too(root):
    known = results.read("pocket", folder=root / "results/pocket")
    put(root, [dataclasses.replace(row, item="Readings of the loss") for row in known])
    for asked in ("Readings of the loss", "readings of the loss"):
        text = explain(asked, root)
        assert "not an item of the papers" in text
        assert "command: ./run_all.sh --only 01" in text
