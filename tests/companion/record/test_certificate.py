"""A run beside the published rows: what is equal, what may tip, and what must be found."""

from dataclasses import replace

import pytest

from ktlib.companion.record import certificate, rows
from ktlib.companion.record.certificate import Certificate, compare
from ktlib.companion.record.rows import Row
from ktlib.companion.studies.zoom_shot import RATES

ROW = Row(
    item="KT Tab. 5", scale="pocket", dataset="gallery", model="vilt", subject="", method="kt", varied={"lr": "0.1"},
    metric="tr@1", over="", value=0.0, low=0.0, high=1.0, n=100, seed=0, split="test", settings="s", weights="w",
)  # fmt: skip
TABLE = [replace(ROW, seed=seed, value=0.01 * seed) for seed in range(40)]


def found(before, after):
    (one,) = compare(before, after)
    return one


def test_what_is_measured_and_the_digests_are_no_part_of_the_key_and_all_else_is():
    other = replace(ROW, value=1.0, low=1.0, high=0.0, settings="t", weights="v")
    assert certificate.key(other) == certificate.key(ROW)
    changes = {"split": "validation", "varied": {"lr": "0.2"}, "over": "base", "seed": None, "n": 99, "subject": "cat"}
    for column, value in changes.items():
        assert certificate.key(replace(ROW, **{column: value})) != certificate.key(ROW), column


def test_validation_and_test_rows_are_not_taken_for_each_other():
    both = [ROW, replace(ROW, split="validation", value=0.9)]
    assert found(both, both[::-1]).equal == 2


def test_two_rows_of_one_kind_are_refused():
    with pytest.raises(ValueError, match="found two of KT Tab. 5 · vilt · kt · lr=0.1 · test · tr@1 · seed 0"):
        compare([ROW, ROW], [ROW])


@pytest.mark.parametrize(
    ("by", "counts"),
    [(0.0, (3, 0, 0)), (0.01, (2, 1, 0)), (0.02, (2, 1, 0)), (0.03, (2, 0, 1)), (float("nan"), (2, 0, 1))],
)
def test_two_items_of_n_are_within_the_tolerance_and_three_beyond(by, counts):
    before = [replace(ROW, seed=seed) for seed in range(3)]
    one = found(before, [*before[:2], replace(before[2], value=by)])
    assert (one.equal, one.within, one.beyond) == counts
    assert one.same == (by == 0)


def test_missing_and_new_rows_are_counted_and_never_explained():
    one = found(TABLE[:3], TABLE[1:5])
    assert (one.equal, one.missing, one.new) == (2, 1, 2)
    assert one.unexplained == ("KT Tab. 5: 1 rows are missing", "KT Tab. 5: 2 rows are new")
    (gone,) = compare(TABLE, [])
    assert (gone.missing, gone.equal) == (40, 0)


def test_an_item_whose_rows_are_all_wrong_is_found_among_thousands_that_are_right():
    many = [replace(ROW, item="ZS Tab. 1", subject=f"{i}", value=0.5) for i in range(5000)]
    wrong = [replace(row, value=row.value + 1.0) for row in TABLE]
    right, bad = sorted(compare([*many, *TABLE], [*many, *wrong]), key=lambda one: len(one.unexplained))
    assert right.unexplained == ()
    assert len(bad.unexplained) == 41  # each row, and their mean
    assert "moved by 1.000 on average" in bad.unexplained[0]


def test_an_item_that_is_a_little_wrong_throughout_is_found():
    assert "on average" in found(TABLE, [replace(row, value=row.value + 0.06) for row in TABLE]).unexplained[0]


def test_one_chaotic_row_is_explained_and_one_wild_row_is_not():
    def moved(by, **changes):
        before = [replace(row, **changes) for row in TABLE]
        return found(before, [replace(before[0], value=before[0].value + by), *before[1:]]).unexplained

    assert moved(0.6) == ()
    assert len(moved(0.8)) == 1
    assert moved(0.02, method="base") == ()
    assert len(moved(0.03, method="base")) == 1  # nothing is inverted or trained: two items may tip, not three
    assert moved(-0.04, method="least_squares") == ()
    assert len(moved(-0.06, method="least_squares")) == 1  # solving multiplies rounding, but not as training does


def test_a_control_that_is_wrong_throughout_does_not_hide_behind_other_methods():
    solved = [replace(row, method="least_squares") for row in TABLE[:4]]
    after = [*TABLE, *(replace(row, value=row.value + 0.03) for row in solved)]
    assert found([*TABLE, *solved], after).unexplained == (
        "KT Tab. 5: its rows of least_squares moved by 0.030 on average, more than 0.01",
    )


def search(rates, seeds=(0, 1), item="learning_rates_of_maps", losses="CC"):
    one = replace(ROW, item=item, split="validation", method="zoom_shot")
    return [replace(one, varied={"lr": f"{lr:g}", "losses": losses}, seed=seed) for lr in rates for seed in seeds]


def test_a_search_that_widens_its_range_may_end_at_other_rates():
    one = found(search([0.001, 0.01, 0.03]), search([0.01, 0.03, 0.1, 0.3]))
    assert (one.equal, one.missing, one.new, one.searched) == (4, 2, 4, 6) and one.unexplained == ()
    said = Certificate("pocket", (one,), {}, {}).text()
    assert "6 of the missing and new are of rates that a search tried in one run alone" in said


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (search([0.01, 0.1]), "2 rows are missing"),  # a rate between two others
        ([row for row in search([0.01, 0.03, 0.1]) if row.lr != 0.1 or row.seed], "1 rows are missing"),  # half a rate
        ([*search([0.01, 0.03, 0.1]), *search([0.3], seeds=[0])], "1 rows are new"),
        ([*search([0.01, 0.03, 0.1]), *search([0.1], losses="MSE")], "2 rows are new"),  # another arm
        (search([0.3]), "6 rows are missing"),  # no rate in common
        ([], "6 rows are missing"),
    ],
)
def test_nothing_else_of_a_search_may_lack(after, said):
    assert said in " ".join(found(search([0.01, 0.03, 0.1]), after).unexplained)


def test_rates_of_a_fixed_grid_may_not_lack():
    before, after = (search(rates, item="KT Tab. 1") for rates in ([0.01, 0.03, 0.1], [0.01, 0.03]))
    assert found(before, after).unexplained == ("KT Tab. 1: 2 rows are missing",)


def test_the_searches_that_widen_their_ranges_are_those_of_the_studies():
    assert certificate.WIDENED == (RATES,)


def test_the_text_is_one_screen_and_says_what_changed():
    items = [replace(ROW, item=f"ZS Tab. {i}") for i in range(30)]
    compared = compare([ROW, *items], [replace(ROW, value=0.9), *(replace(row, value=0.01) for row in items)])
    verdicts = {"K1": ("holds", "holds"), "K5": ("holds", "inconclusive")}
    made = {"published": ("commit 1, one processor",), "here": ("commit 2, another",)}
    text = Certificate("pocket", tuple(compared), verdicts, made, ("KT Tab. 8",)).text()
    assert len(text.splitlines()) <= 30
    assert max(len(line) for line in text.splitlines()) <= 120
    for said in (
        "0 equal, 30 within and 1 beyond the tolerance, 0 missing, 0 new",
        "1 equal, 1 changed",
        "K5: published holds, here inconclusive",
        "commit 1, one processor",
        "commit 2, another",
        "not computed here, so not compared: KT Tab. 8",
        "KT Tab. 5",
        "and 21 more items",
    ):
        assert said in text
    assert "two of the pictures" in text  # the tolerance is stated


def test_a_folder_beside_itself_is_equal_and_its_makers_are_named(tmp_path):
    rows.write(TABLE, seconds=1.0, command="./run_all.sh", folder=tmp_path)
    own = rows.read("pocket", folder=tmp_path)
    (one,) = compare(own, own)
    assert one.same and one.equal == 40 and one.unexplained == ()
    (maker,) = certificate.made(tmp_path, ["KT Tab. 5"])
    assert maker.startswith("commit ") and "threads" in maker
    assert certificate.made(tmp_path, ["KT Tab. 99"]) == ("commit unknown, unknown, torch ?",)
    assert (
        certificate.report([one]) == "1 of 1 items are the same; rows: 40 equal, 0 within, 0 beyond, 0 missing, 0 new"
    )


def test_the_committed_rows_have_one_key_each():
    committed = rows.committed("pocket")
    assert committed
    assert all(one.same for one in compare(committed, committed))
