"""`RESULTS.md` and the pages of items, from rows made up here: what is in them, what must never be."""

import dataclasses
import functools
import re

import pytest

from ktlib.companion import studies
from ktlib.companion.record import notebooks, published
from ktlib.companion.record import rows as results
from ktlib.companion.record.rows import Row
from ktlib.companion.report import artifact, ledger, page, shelf
from ktlib.companion.report.artifact import artifact_markdown
from ktlib.companion.report.items import item_pages
from ktlib.places import ROOT

CONCEPTS = ("moongate", "tonometer", "gyroscope")
RECORD = {"date": "2025-01-01", "commit": "abc1234", "device": "CPU", "torch": "2", "python": "3"}


def measured(method, target, *, retention=0.8, lr=None, item="KT Tab. 1", scale="pocket", model="pocket/clip-b",
             split="test", concepts=CONCEPTS, varied=None):  # fmt: skip
    seeds, own = ((None,), {}) if lr is None else ((0, 1, 2), {"lr": f"{lr:g}"} | (varied or {}))
    return [
        Row(item, scale, "d", model, concept, method, own, metric, "", value, value - 0.1, value + 0.1, 50, seed,
            split, "s", "w")
        for concept in concepts
        for seed in seeds
        for metric, value in (("target_accuracy", target), ("retention", retention))
    ]  # fmt: skip


def tab_1(**kwargs):
    rows = measured("base", 0.1, **kwargs)
    for lr, kt, kept in ((1e-4, 0.5, 0.8), (2e-4, 0.625, 0.79), (4e-4, 0.9, 0.4)):
        rows += measured("kt", kt, retention=kept, lr=lr, **kwargs) + measured("noise", 0.1, lr=lr, **kwargs)
        rows += measured("wrong", 0.125, lr=lr, **kwargs)
    return rows


def with_validation(**kwargs):
    return tab_1(**kwargs) + tab_1(split="validation", concepts=("dolmen", "harlequin"), **kwargs)


real = functools.cache(shelf.committed)  # the published rows and their verdicts once, for they take seconds


@pytest.fixture(autouse=True)
def fixed_origin(monkeypatch):
    committed = shelf.committed
    monkeypatch.setattr(results, "provenance", lambda: RECORD)
    monkeypatch.setattr(shelf, "committed", lambda name, root=ROOT: (real if root == ROOT else committed)(name, root))


def put(root, rows):
    folder = root / "results" / rows[0].scale
    return results.write(rows, seconds=12.3, command="./run_all.sh --only 01", folder=folder)


@pytest.fixture
def root(tmp_path):
    """A repository with pocket results of one item."""
    put(tmp_path, with_validation())
    return tmp_path


def shelves(root):
    return {name: shelf.committed(name, root) for name in page.SHOWN}


def summary(root):
    return page.results_markdown(shelves(root), root)


def item_page(root, item, scale="pocket"):
    own = shelf.committed(scale, root)
    return item_pages(own, root / "RESULTS.md")[own.page(item)]


@functools.cache
def published_summary():
    return summary(ROOT)


@functools.cache
def published_pages():
    return item_pages(real("pocket", ROOT), ROOT / "RESULTS.md")


def line(text, *starts):
    """The one line of a table whose first cells are these."""
    found = [x for x in text.splitlines() if x.startswith("| " + " | ".join(starts) + " |")]
    assert len(found) == 1, (starts, found)
    return [cell.strip() for cell in found[0].strip("|").split("|")]


def tables(text):
    """Every table of a page as its lines of cells."""
    for block in re.findall(r"(?:^\|.*\|\n?)+", text, re.M):
        lines = [re.split(r"(?<!\\)\|", row.strip()[1:-1]) for row in block.strip().splitlines()]
        yield [[cell.strip() for cell in cells] for cells in lines]


# -- the summary --------------------------------------------------------------------------------------
def test_the_first_line_says_that_it_is_generated_and_how(root):
    assert "python -m ktlib report" in summary(root).splitlines()[0]
    assert "python -m ktlib report" in item_page(root, "KT Tab. 1").splitlines()[0]


def test_the_same_files_give_the_same_bytes(root):
    first = summary(root), item_page(root, "KT Tab. 1")
    put(root, results.read("pocket", "KT Tab. 1", folder=root / "results/pocket")[::-1])
    assert (summary(root), item_page(root, "KT Tab. 1")) == first


def test_every_item_of_both_papers_is_answered_on_the_first_screen(tmp_path, root):
    for text in (page.first_screen(shelves(root), root), page.first_screen(shelves(tmp_path), tmp_path)):
        shown = set()
        for cells in next(tables(text))[2:]:
            names = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", cells[0]).split(", ")
            kind = names[0].rsplit(" ", 1)[0]
            shown |= {name if " " in name else f"{kind} {name}" for name in names if name}
        assert set(published.items()) <= shown


def test_every_claim_is_answered_once_on_the_first_screen_and_once_in_the_ledger(root):
    first, ledger_table = list(tables(summary(root)))[:2]
    answers = [cells[2] for cells in first[2:]]
    for claim in published.claims():
        assert sum(answer.startswith(f"[{claim}](#{claim.lower()}) ") for answer in answers) == 1
        assert sum(cells[0] == f'<a id="{claim.lower()}"></a>{claim}' for cells in ledger_table[2:]) == 1


def test_the_first_screen_says_whether_kt_tab_1_reproduced_and_by_how_much(root):
    eight = {"concepts": (*CONCEPTS, "theremin", "astrolabe", "cupola", "orrery", "sextant")}
    put(root, tab_1(**eight) + measured("real", 0.9, lr=1e-4, **eight))
    row = next(tables(summary(root)))[2:]
    cells = next(cells for cells in row if cells[0].startswith("[KT Tab. 1](results/pocket/kt_tab_1.md)"))
    # 0.79 at 2e-4, 0.40 at 4e-4: a 39th of the way down to 0.78, so 0.625 + 0.275 / 39, less 0.125
    assert cells[1:4] == ["not run", "[K1](#k1) **holds**", "kt minus wrong +50.7 points [+50.7, +50.7]"]
    assert re.fullmatch(r"\[01\]\(.*notebooks/01_rare_concepts.ipynb\)", cells[4])


def test_a_claim_that_cannot_be_tested_says_why_and_is_counted(root):
    row = next(tables(summary(root)))[2:]
    cells = next(cells for cells in row if cells[0].startswith("[KT Tab. 1](results/pocket/kt_tab_1.md)"))
    why = "there is no positive control: real minus base was not measured"
    assert cells[2:4] == ["[K1](#k1) **not testable here**", why]
    assert "are not testable here" in page.summary(shelves(root)) or "is not testable here" in page.summary(
        shelves(root)
    )


def test_what_is_not_measured_yet_says_so_and_what_is_measured_elsewhere_says_where(tmp_path):
    text = page.first_screen(shelves(tmp_path), ROOT)
    assert line(text, "KT Tab. 2")[2] == "[K7](#k7) not run"
    assert "[benchmarks/README.md](benchmarks/README.md)" in line(text, "KT v2 Fig. 6")[2]


def test_drawn_figures_are_not_called_unmeasured():
    text = published_summary().split("## The claims")[0]
    for item in ("KT Fig. 1", "KT Fig. 3", "KT v2 Fig. 3", "KT v2 Fig. 9", "ZS Fig. 1"):
        assert re.match(r"\[drawn\]\(figures/pocket/\w+\.png\)", line(text, item)[2]), item


def test_a_picture_of_another_kind_is_not_passed_off_as_the_papers():
    text = published_summary().split("## The claims")[0]
    for item, name in published.IN_PLACE.items():
        assert line(text, item)[2].startswith(f"[another picture in its place](figures/pocket/{name}.png)")


def test_the_ledger_holds_the_claim_its_verdict_and_its_comparison(root):
    cells = next(cells for cells in list(tables(summary(root)))[1] if cells[0].endswith("</a>K1"))
    assert cells[1] == published.claims()["K1"].claim
    assert cells[2] == "**not testable here**"
    assert "kt minus base" in cells[3] and "3 test concepts, too few to decide (at least 8), 3 seeds, 50" in cells[3]


def test_a_scale_that_was_run_has_a_column_in_the_ledger(root):
    put(root, tab_1(scale="paper", model="openai/ViT-B-32"))
    assert list(tables(summary(root)))[1][0] == ["", "claim", "pocket", "paper", "what was compared, and what came out"]


def test_counts_are_those_of_the_ledger(root):
    found = [verdict.verdict for verdict in ledger.verdicts(shelf.committed("pocket", root).rows, "pocket")]
    said = page.summary(shelves(root))
    assert f"of {len(found)} claims **{found.count('holds')}** hold" in said
    assert f"{found.count('not run')} have not been tested" in said
    assert "At paper scale nothing has been run" in said


def test_without_rows_every_claim_is_still_listed(tmp_path):
    text = summary(tmp_path)
    assert all(f"</a>{claim} |" in text for claim in published.claims())
    assert "At pocket scale nothing has been run" in text


def test_no_table_has_a_column_that_is_empty_at_every_row(root):
    for text in [published_summary(), *published_pages().values(), summary(root)]:
        for head, _, *lines in tables(text):
            for place, name in enumerate(head):
                assert any(cells[place] not in ("", "–") for cells in lines), name


def test_the_committed_summary_fits_a_short_walk_and_is_what_the_rows_say():
    text = (ROOT / "RESULTS.md").read_text()
    assert len(text.splitlines()) <= 300
    assert text == published_summary(), "run `python -m ktlib report`"


def test_the_committed_artifact_is_what_the_rows_say():
    text = artifact_markdown({name: real(name, ROOT) for name in page.SHOWN}, ROOT)
    assert (ROOT / "ARTIFACT.md").read_text(encoding="utf-8") == text, "run `python -m ktlib report`"


def test_the_artifact_says_of_every_claim_what_to_run_and_what_to_expect(root):
    text = artifact_markdown(shelves(root), root)
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert set(published.claims()) <= set(lines)
    for claim, verdict in shelves(root)["pocket"].verdicts.items():
        assert f"{verdict.verdict}" in lines[claim]
        assert ("./run_all.sh --only" in lines[claim]) == (verdict.verdict != "not run")


def test_every_tested_claim_of_the_committed_artifact_has_rows_and_a_tolerance():
    text = (ROOT / "ARTIFACT.md").read_text(encoding="utf-8")
    for claim in re.findall(r"^\| ([KZ]\d+) \| (?!.*not run)", text, re.M):
        assert re.search(rf"^\| {claim} \| .*\.csv\)[^|]*\| 0\.\d+[^|]* \|$", text, re.M), claim


def test_the_artifact_says_of_every_table_what_it_takes_and_what_was_decided(root):
    text = artifact_markdown(shelves(root), root)
    lines = {line.split("]")[0].removeprefix("| ["): line for line in text.splitlines() if line.startswith("| [")}
    made = {number: published_by(number) for number in artifact.DECISIONS}
    assert set(lines) == set(made) and all(made.values())
    for number, line in lines.items():
        assert f"`./run_all.sh --scale paper --only {number}`" in line and artifact.DECISIONS[number] in line
        (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        needs = notebooks.read(path).needs
        assert all(name in line for name in (*needs.datasets, *needs.checkpoints))
        assert ("calibrate" in line) == needs.calibration
        assert artifact.grouped(made[number]) in line


def published_by(number):
    return [i for i in published.items() if i not in published.REPEATED and (published.notebook(i) or "")[:2] == number]


def test_items_are_said_in_few_words():
    items = ["KT Tab. 1", "KT Tab. 2", "KT Tab. 3", "KT Tab. 7", "KT v2 Tab. 7", "KT v2 Tab. 8", "ZS Fig. 1"]
    assert artifact.grouped(items) == "KT Tab. 1 to 3, 7; KT v2 Tab. 7, 8; ZS Fig. 1"


def test_the_committed_pages_are_what_the_rows_say():
    assert sorted((ROOT / "results/pocket").glob("*.md")) == sorted(published_pages())
    assert all(path.read_text() == text for path, text in published_pages().items()), "run `python -m ktlib report`"


# -- the page of an item ------------------------------------------------------------------------------
def test_means_are_percent_over_test_concepts_and_the_base_has_no_rate(root):
    text = item_page(root, "KT Tab. 1").split("## Appendix")[0]
    assert "Throughout: model pocket/clip-b." in text
    assert line(text, "kt", "0.0002")[2:] == ["62.5 [62.5, 62.5]", "79.0 [79.0, 79.0]"]
    assert "3 concepts, 3 seeds, 50 pictures of each." in text


def test_one_measurement_that_stands_beside_every_concept_keeps_its_own_interval(root):
    text = item_page(root, "KT Tab. 1").split("## Appendix")[0]
    assert line(text, "base", "")[2:] == ["10.0 [0.0, 20.0]", "80.0 [70.0, 90.0]"]


def test_methods_are_read_at_equal_retention(root):
    text = item_page(root, "KT Tab. 1").split("## Appendix")[0]
    assert "| kt | 63.2 [63.2, 63.2] |" in text


def test_each_concept_stands_at_the_rate_chosen_on_validation(root):
    text = item_page(root, "KT Tab. 1").split("## Appendix")[0]
    assert "Throughout: model pocket/clip-b, lr 0.0002." in text
    assert line(text, "moongate")[1:] == ["10.0 / 80.0", "62.5 / 79.0", "10.0 / 80.0", "12.5 / 80.0"]


def test_a_missing_choice_is_said(root):
    put(root, tab_1())
    assert "lr not chosen: no validation rows" in item_page(root, "KT Tab. 1")


def test_validation_stands_in_an_appendix_and_raw_rows_are_linked(root):
    text = item_page(root, "KT Tab. 1")
    before, after = text.split("## Appendix: validation concepts")
    assert "dolmen" in after and "dolmen" not in before
    origin = f"{len(with_validation())} of them, commit abc1234, 2025-01-01, CPU, 12.3 s"
    assert f"From [the rows](kt_tab_1.csv): {origin}" in before


def test_the_claims_that_rest_on_an_item_stand_on_its_page(root):
    cells = line(item_page(root, "KT Tab. 1"), "K1")
    assert cells[1] == published.claims()["K1"].claim and cells[2] == "**not testable here**"


def test_printed_numbers_stand_as_printed_and_doubtful_ones_are_marked(root):
    text = item_page(root, "KT Tab. 1")
    assert line(text, "CLIP ViT-B/32", "transfer", "2e-5", "4")[4:6] == ["60", "56.43"]
    assert "78.95†" in text
    assert "- † 78.95 (CLIP ViT-L/14, Moongate): 78.95 is 15/19, but the text says 10 images per concept" in text


def test_paper_rows_stand_beside_the_printed_numbers_they_measure(root):
    rows = measured("base", 0.0, scale="paper", model="openai/ViT-B-32")
    put(root, rows + measured("kt", 0.7, lr=2e-5, scale="paper", model="openai/ViT-B-32"))
    text = item_page(root, "KT Tab. 1", "paper")
    ours = line(text, "CLIP ViT-B/32", "transfer", "2e-5", "4")[-1]
    assert "Moongate accuracy lr=2e-05 70.0 [70.0, 70.0]" in ours
    assert "Moongate imagenet accuracy lr=2e-05 80.0 [80.0, 80.0]" in ours
    assert line(text, "CLIP ViT-B/32", "transfer", "3e-5", "4")[-1] == "not run"
    # measured once, so the row's own interval
    assert "Moongate accuracy 0.0 [-10.0, 10.0]" in line(text, "CLIP ViT-B/32", "baseline", "", "")[-1]
    assert line(text, "moongate")[1:] == ["0.0 / 80.0", "70.0 / 80.0"]
    assert "paper scale, ours" not in item_page(root, "KT Tab. 1")


def test_rehearsal_numbers_never_appear(root):
    before = summary(root)
    rehearsed = [dataclasses.replace(row, value=0.123456) for row in tab_1(scale="rehearsal", model="random/ViT-B-32")]
    put(root, rehearsed)
    assert summary(root) == before
    page.publish(root)
    assert not list(root.glob("results/rehearsal/*.md"))


def test_choices_the_papers_leave_open_are_shown_on_validation_concepts(root):
    item = "Readings of the loss"
    rows = measured("base", 0.1, item=item, split="validation")
    for reading in ("nt_xent", "nt_xent, AdamW"):
        rows += measured("kt", 0.3, lr=2e-4, item=item, split="validation", varied={"reading": reading})
    put(root, rows)
    text = item_page(root, item)
    assert "Not an item of the papers" in text and "## Validation concepts" in text
    assert "Settings are chosen on them; they decide nothing." in text
    assert line(text, "kt", "0.0002", "nt_xent")[3] == "30.0 [30.0, 30.0]"
    assert "| kt, reading=nt_xent | kt, reading=nt_xent, AdamW |" in text


def test_a_figure_without_numbers_is_called_one(root):
    rows = measured("base", 0.1, item="KT Fig. 5") + measured("named", 0.6, lr=2e-4, item="KT Fig. 5")
    put(root, rows)
    assert "A figure without printed numbers." in item_page(root, "KT Fig. 5")


def test_an_item_without_a_layout_is_refused_and_says_what_to_do(root):
    put(root, [dataclasses.replace(row, item="KT v2 Fig. 6") for row in tab_1()])
    with pytest.raises(ValueError, match=r"expected a layout \(transfer, .*\) for 'KT v2 Fig. 6'.*LAYOUTS"):
        item_page(root, "KT v2 Fig. 6")


def test_every_item_that_is_published_has_a_layout():
    assert set(shelf.committed("pocket").items) <= set(studies.layouts())


# -- files --------------------------------------------------------------------------------------------
README = "before\n<!-- verdicts -->\nLAST TIME\n<!-- /verdicts -->\nafter\n"


def test_publishing_writes_the_summary_the_pages_and_the_verdicts(root):
    (root / "README.md").write_text(README)
    (root / "results/pocket/of_long_ago.md").write_text("no longer measured")
    written = page.publish(root)
    assert (root / "RESULTS.md").read_text() == summary(root)
    assert (root / "results/pocket/kt_tab_1.md").read_text() == item_page(root, "KT Tab. 1")
    readme = (root / "README.md").read_text()
    assert readme.startswith("before\n<!-- verdicts -->\nAt pocket scale, of 35 claims") and readme.endswith("after\n")
    assert "LAST TIME" not in readme and page.with_verdicts(readme, shelves(root)) == readme
    assert {path.name for path in written} == {"RESULTS.md", "ARTIFACT.md", "README.md", "kt_tab_1.md"}
    assert not (root / "results/pocket/of_long_ago.md").exists()


def test_a_readme_without_marks_is_refused(root):
    with pytest.raises(ValueError, match="expected <!-- verdicts -->"):
        page.with_verdicts("no marks", shelves(root))


def test_a_run_writes_beside_its_own_rows_and_links_to_what_it_did_not_measure(tmp_path, monkeypatch):
    monkeypatch.setenv("KT_OUTPUT", str(tmp_path))
    results.write(with_validation(), seconds=1, command="c", folder=tmp_path / "results")
    path = page.write("pocket")
    text = path.read_text()
    assert path == tmp_path / "RESULTS.md"
    assert "[KT Tab. 1](results/kt_tab_1.md)" in text
    assert "(../RESULTS.md)" in (tmp_path / "results/kt_tab_1.md").read_text()
    assert "[KT Fig. 4]" not in text  # published, and not measured in this run
    assert page.opening(path).startswith("At pocket scale") and "## " not in page.opening(path)


def test_a_rehearsal_writes_no_pages_of_items(tmp_path, monkeypatch):
    monkeypatch.setenv("KT_OUTPUT", str(tmp_path))
    rows = tab_1(scale="rehearsal", model="random/ViT-B-32")
    results.write(rows, seconds=1, command="c", folder=tmp_path / "results")
    path = page.write("rehearsal")
    assert path.exists() and not list(tmp_path.glob("results/*.md"))
    assert "random/" not in path.read_text()


def test_every_link_leads_somewhere():
    for text_path in (ROOT / "RESULTS.md", *sorted((ROOT / "results/pocket").glob("*.md"))):
        text = text_path.read_text()
        for target in re.findall(r"\]\((?!http|#)([^)]+)\)", text):
            assert (text_path.parent / target).exists(), f"{text_path.name}: {target}"
        assert all(f'id="{name}"' in text for name in re.findall(r"\]\(#(\w+)\)", text))


def test_origins_are_read_from_beside_the_rows(root):
    (root / "results/pocket/kt_tab_1.json").unlink()
    assert "beside which nothing says where they come from" in item_page(root, "KT Tab. 1")
