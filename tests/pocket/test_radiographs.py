"""Drawn films and reports: a function of the seed; nodules are on no film and in no report, their parts are."""

from random import Random

import numpy as np
import pytest
import torch

from ktlib.pocket import chest, nodules, radiographs
from ktlib.pocket.findings import FINDINGS
from ktlib.pocket.grey import X, Y
from ktlib.pocket.nodules import NODULES, PAIR
from ktlib.pocket.radiographs import SEEN, Shown
from ktlib.pocket.seen import PLACES
from ktlib.pocket.things import OTHERS
from ktlib.pocket.training import medical, words
from ktlib.pocket.world import stream

COUNT = 300
EXPLAINED = SEEN | NODULES | PAIR


@pytest.fixture(scope="module")
def pool():
    return radiographs.pool(COUNT)


@pytest.fixture(scope="module")
def reports(pool):
    """Twenty reports of each film, with what the film shows."""
    return [
        (shown, radiographs.report(shown, stream("t", i, k))) for i, shown in enumerate(pool.shown) for k in range(20)
    ]


def plain(body_seed, paint=None):
    """A chest without exposure and grain, and the same with something on it."""
    rng = Random(body_seed)
    body = chest.chest(rng)
    before = chest.tissue(body, rng)
    return body, before, before if paint is None else paint(before, body, rng)


# -- films ----------------------------------------------------------------------------------------------
def test_same_seed_same_films_and_reports(pool):
    first, again, other = (radiographs.Stream(pool, seed) for seed in (0, 0, 1))
    images, told = first.batch(50, 8)  # of a later turn
    assert torch.equal(images, again.batch(50, 8)[0]) and told == again.batch(50, 8)[1]
    assert told != other.batch(50, 8)[1]
    assert (images.shape, images.dtype) == ((8, 3, 64, 64), torch.float32)
    assert 0 <= images.min() and images.max() <= 1
    assert torch.equal(images[:, 0], images[:, 2]), "grey"


def test_a_turn_shows_every_film_once(pool):
    shown = radiographs.Stream(pool, 0)
    assert sorted(shown._place(i) for i in range(COUNT, 2 * COUNT)) == list(range(COUNT))


def test_a_larger_pool_begins_as_a_smaller_one(pool):
    assert torch.equal(radiographs.pool(4).images, pool.images[:4])


def test_a_film_shows_a_finding_or_a_thing_and_at_most_one_thing_beside_a_finding(pool):
    for shown in pool.shown:
        if shown.pellets is not None:
            assert not shown.things
            continue
        (name, _), *beside = shown.things
        assert len(beside) <= 1 and (not beside or name in FINDINGS)
        assert all(other in OTHERS and other != "no finding" for other, _ in beside)
    assert {shown.subject for shown in pool.shown} == {*SEEN, "pellets"}


def test_examination_films_are_no_training_films_and_their_ranges_do_not_overlap(pool):
    trained = {film.numpy().tobytes() for film in pool.images}
    some, more = radiographs.pictures("dorel", 3), radiographs.pictures("dorel", 2, first=1)
    assert torch.equal(some[1:], more)
    assert not torch.equal(some[0], some[1])
    for name in ("edema", "dorel"):
        films = (radiographs.pictures(name, 5)[:, 0] * 255).byte().numpy()
        assert not {film.tobytes() for film in films} & trained
    with pytest.raises(KeyError, match="no film of 'unicorn'; there are atelectasis"):
        radiographs.pictures("unicorn", 1)


def test_the_films_of_a_kind_show_its_test_nodules_in_turn():
    mine = [name for name in nodules.test() if NODULES[name].kind == "malignant"]
    assert len(mine) == 12
    rng = stream("examined", "cancer", 13)
    expected = radiographs.to_rgb(torch.from_numpy(radiographs.nodule_film(mine[1], rng))[None])
    assert torch.equal(radiographs.pictures("cancer", 1, first=13), expected)


# -- what is drawn is what is said ----------------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name, nodule in NODULES.items() if nodule.place != "both"])
def test_a_nodule_lies_where_it_is_said_to_lie(name):
    height, side = NODULES[name].place.split()
    for seed in range(6):
        body, before, after = plain(seed, NODULES[name].paint)
        changed = np.abs(after - before) > 0.1
        assert changed.sum() > 15, "nothing to be seen"
        lung = body.lung(side)
        assert (np.sign(X[changed] - body.middle) == lung.side).all()
        middle = (Y[changed].mean() - lung.top) / (lung.base - lung.top)
        third = {"upper": (0.1, 0.42), "middle": (0.38, 0.62), "lower": (0.58, 0.85)}[height]
        assert third[0] < middle < third[1], (seed, middle)


def test_large_nodules_are_larger_than_small_ones_and_several_are_in_both_lungs():
    def area(name, seed):
        _, before, after = plain(seed, NODULES[name].paint)
        return (np.abs(after - before) > 0.1).sum()

    for small, large in (("dorel", "gamel"), ("brivax", "dremax")):
        assert max(area(small, seed) for seed in range(8)) < min(area(large, seed) for seed in range(8))
    for name in ("lumel", "jorvax"):
        body, before, after = plain(0, NODULES[name].paint)
        changed = np.abs(after - before) > 0.1
        sides = [(changed & (np.sign(X - body.middle) == side)).sum() for side in (-1, 1)]
        assert min(sides) > 30


@pytest.mark.parametrize(("spiky", "smooth"), [("dremax", "gamel"), ("quirax", "jorel"), ("rumel", "gamel")])
def test_the_edge_of_a_spiky_ragged_or_bumpy_nodule_is_longer_for_its_area(spiky, smooth):
    def roughness(margin):
        found = []
        for seed in range(8):
            inside = nodules.shape(margin, 0.5, 0.5, 0.2, Random(seed)) > 0.5
            edge = (inside != np.roll(inside, 1, 0)).sum() + (inside != np.roll(inside, 1, 1)).sum()
            found.append(edge / inside.sum() ** 0.5)
        return found

    rough, even = roughness(NODULES[spiky].margin), roughness(NODULES[smooth].margin)
    assert min(rough) > max(even)


def test_an_unknown_margin_is_refused():
    with pytest.raises(ValueError, match="expected a margin .*, found 'fuzzy'"):
        nodules.shape("fuzzy", 0.5, 0.5, 0.1, Random(0))


def test_marks_are_brighter_or_darker_than_the_nodule():
    for name, brighter in (("jorel", True), ("hadel", True), ("sibel", True), ("flinax", False)):
        for seed in range(4):
            _, before, after = plain(seed, NODULES[name].paint)
            if brighter:
                assert after[np.abs(after - before) > 0.1].max() > nodules.WHITE + 0.2, name
            else:  # the hole is as dark as the lung
                inside = nodules.shape("spiky", 0.5, 0.5, 0.088, Random(0)) > 0.5
                assert (np.abs(after - before) > 0.1).sum() < inside.sum() + 80, name


def test_a_large_heart_is_wider_than_half_of_the_chest_and_others_are_not():
    def share(name, seed):
        rng = Random(seed)
        heart = SEEN[name].heart or chest.HEART
        body = chest.chest(rng, heart=heart)
        wide = (body.heart_cover > 0.5).any(0).sum() / 64
        walls = (body.right.x + body.right.width) - (body.left.x - body.left.width)
        return wide / walls

    assert min(share("cardiomegaly", seed) for seed in range(20)) > 0.5
    assert max(share("no finding", seed) for seed in range(20)) < 0.45


@pytest.mark.parametrize("side", ["left", "right"])
def test_fluid_and_collapse_are_on_the_side_they_are_said_to_be(side):
    other = {"left": "right", "right": "left"}[side]
    for seed in range(5):
        body, before, after = plain(seed, lambda p, b, r: SEEN["pleural effusion"].paint(p, b, side, r))
        changed = np.abs(after - before) > 0.1
        assert changed.sum() > 80 and (np.sign(X[changed] - body.middle) == body.lung(side).side).mean() > 0.95
        small = chest.chest(Random(seed), small=side)
        heights = {name: small.lung(name).base - small.lung(name).top for name in (side, other)}
        assert heights[side] < heights[other] - 0.05


def test_haze_is_in_both_lungs_and_a_clear_film_is_as_it_was():
    body, before, after = plain(0, lambda p, b, r: SEEN["edema"].paint(p, b, "", r))
    for lung in (body.left, body.right):
        assert (after - before)[lung.cover() > 0.9].mean() > 0.1
    _, before, after = plain(0, lambda p, b, r: SEEN["no finding"].paint(p, b, "", r))
    assert np.array_equal(before, after)


@pytest.mark.parametrize("name", [name for name in SEEN if name not in ("no finding", "cardiomegaly")])
def test_everything_can_be_seen_wherever_it_may_lie(name):
    for place in SEEN[name].places or ("",):
        _, before, after = plain(1, lambda p, b, r, place=place: SEEN[name].paint(p, b, place, r))
        assert (np.abs(after - before) > 0.1).sum() >= 8, place


# -- words ----------------------------------------------------------------------------------------------
def test_no_report_holds_the_name_or_a_description_of_a_nodule(reports):
    names = set(NODULES) | set(PAIR)
    told = {text for one in (*NODULES.values(), *PAIR.values()) for text in (one.short, one.medium, one.long)}
    for _, report in reports:
        assert not names & set(report.split())
        assert not any(text in report for text in told), report


def test_every_word_of_every_nodule_s_description_is_heard(reports):
    heard = {word for _, report in reports for word in report.split()}
    for name, one in (NODULES | PAIR).items():
        assert set(f"{one.short} {one.medium} {one.long}".split()) <= heard, name


def test_reports_name_no_other_thing_and_no_other_place(reports):
    single = {name for name in SEEN if " " not in name}
    for shown, report in reports:
        there = {name for name, _ in shown.things}
        assert single & set(report.split()) <= there, report
        said = {place for place in PLACES if f"the {place} lung" in report}
        lies = {place for _, place in shown.things} | ({shown.pellets.place} if shown.pellets else set())
        assert said <= lies, report


def test_reports_are_names_names_and_parts_or_parts(reports):
    alone = [(shown.subject, report) for shown, report in reports if len(shown.things) == 1]
    named = [report.startswith(f"a film of {name}") or report.startswith(name) for name, report in alone]
    both = [report.startswith(f"a {name} is ") for name, report in alone]
    assert np.mean(named) == pytest.approx(0.5, abs=0.03)  # of some 5000 reports: four deviations
    assert np.mean(both) == pytest.approx(0.25, abs=0.03)


def test_all_texts_are_read_whole_by_the_tokenizer(reports):
    tokenizer = medical.tokenizer()
    words.encode(tokenizer, sorted({report for _, report in reports}))
    for name, one in EXPLAINED.items():
        words.encode(tokenizer, [f"a {name} is {text}" for text in (one.short, one.medium, one.long)])


def test_descriptions_grow_in_length_are_unlike_and_hold_no_name():
    single = {name for name in EXPLAINED if " " not in name}
    texts = [text for one in EXPLAINED.values() for text in (one.short, one.medium, one.long)]
    assert len(set(texts)) == len(texts)
    for name, one in EXPLAINED.items():
        lengths = [len(text.split()) for text in (one.short, one.medium, one.long)]
        assert lengths[0] < lengths[1] < lengths[2], name
        assert not single & set(f"{one.short} {one.medium} {one.long}".split()), name


# -- the nodules ----------------------------------------------------------------------------------------
def test_there_are_sixteen_of_a_kind_and_a_quarter_is_for_validation():
    kinds = [nodule.kind for nodule in NODULES.values()]
    assert kinds.count("benign") == kinds.count("malignant") == 16
    first = nodules.validation()
    assert [NODULES[name].kind for name in first].count("benign") == 4 and len(first) == 8
    assert sorted(first + nodules.test()) == sorted(NODULES)


def test_no_two_nodules_are_alike_and_kinds_differ_in_their_margins():
    parts = [nodule.parts for nodule in NODULES.values()]
    assert len(set(parts)) == len(parts)
    margins = {kind: {n.margin for n in NODULES.values() if n.kind == kind} for kind in ("benign", "malignant")}
    assert margins == {"benign": {"smooth", "bumpy"}, "malignant": {"spiky", "ragged"}}


def test_a_description_by_hand():
    one = NODULES["fimel"]
    assert one.short == "a small smooth spot with a bright spot in the lower right lung"
    assert one.medium == "a small round white spot in the lower right lung with a smooth edge and a bright spot inside"
    two = NODULES["keldax"]
    assert two.short == "two large spiky spots in the lower left lung"
    assert two.medium == "two large round white spots in the lower left lung with a spiky edge"


def test_pellets_are_bright_have_every_part_and_are_no_nodule(pool):
    drawn = [nodules.pellets(Random(seed)) for seed in range(400)]
    assert len({(one.margin, one.size) for one in drawn}) == 4 * 2
    assert len({(one.margin, one.place) for one in drawn}) == 4 * 7 - 2  # as in the next line
    assert len({(one.margin, one.count) for one in drawn}) == 4 * 3 - 2  # several spots: smooth and spiky are nodules
    assert not {one.parts for one in drawn} & {one.parts for one in NODULES.values()}
    one = nodules.Nodule("pellet", "spiky", "small", "lower left", "one", "tail")
    assert one.short == "a small spiky bright spot with a tail in the lower left lung"
    assert one.medium == "a small round bright spot in the lower left lung with a spiky edge and a tail to the wall"
    assert one.long.startswith("one small round bright spot inside the lower left lung")
    films = [film for film, shown in zip(pool.images, pool.shown, strict=True) if shown.pellets is not None]
    assert len(films) == pytest.approx(radiographs.PELLETS * COUNT, abs=30)  # four deviations
    _, before, after = plain(0, one.paint)
    assert after.max() > nodules.BRIGHT and (after - before)[Y < 0.5].max() < 1e-6


def test_look_alikes_are_on_training_films():
    for nodule in NODULES.values():
        assert nodule.look_alikes and set(nodule.look_alikes) <= set(OTHERS)


def test_the_fingerprint_changes_with_what_is_sampled():
    assert radiographs.fingerprint(1) == radiographs.fingerprint(1) != radiographs.fingerprint(2)


def test_a_film_of_two_things_shows_both():
    both = radiographs.film(Shown((("edema", ""), ("coin", "lower"))), Random(0)).astype(int)
    one = radiographs.film(Shown((("edema", ""),)), Random(0)).astype(int)
    assert (np.abs(both - one)[54:] > 40).sum() > 60  # the coin lies low
