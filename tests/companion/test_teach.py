"""What notebooks show: code without its docstring, printed numbers as they stand, means as percent."""

import dataclasses

import pytest
import torch

import ktlib
from ktlib.companion import teach
from ktlib.companion.record import published
from ktlib.companion.record.judging import HOLDS, Verdict
from ktlib.evaluate.intervals import Estimate
from tests.rows import row


def test_code_is_shown_without_its_docstring():
    shown = teach.show_source(teach.percent).data
    assert shown.startswith("def percent(") and "A fraction as percent" not in shown
    assert "A fraction as percent" in teach.show_source(teach.percent, docstring=True).data


def test_fractions_are_written_as_percent_with_their_interval():
    assert teach.percent(0.1234) == "12.3 %"
    assert teach.percent(Estimate(0.5, 0.4, 0.6)) == "50.0 % [40.0, 60.0]"


def test_printed_numbers_stand_as_printed_and_doubtful_ones_are_marked():
    table = teach.printed("KT Tab. 1", metric="accuracy", model="CLIP ViT-L/14")
    assert "78.95 †" in table.to_string()
    with pytest.raises(ValueError, match="expected numbers printed as KT Tab. 99"):
        teach.printed("KT Tab. 99")


def test_what_was_varied_can_be_a_column_whole_or_in_parts():
    rows = [row(varied=f"lr=0.1;tv={tv}", subject=name, value=tv / 10) for tv in (1, 5) for name in "ab"]
    parts = teach.pivot(rows, "tv", "subject").data
    assert parts.index.tolist() == ["1", "5"] and parts.loc["5", "a"] == 0.5
    assert teach.pivot(rows, "varied", "subject").data.index.tolist() == ["lr=0.1;tv=1", "lr=0.1;tv=5"]


def test_methods_are_listed_at_equal_retention_with_their_gain():
    rows = [
        row(subject=subject, method=method, seed=seed, varied=varied, metric=metric, value=value)
        for subject in ("moongate", "tonometer")
        for method, varied, seeds, target in (("base", "", (None,), 0.1), ("kt", "lr=0.1", (0, 1), 0.6))
        for seed in seeds
        for metric, value in (("target_accuracy", target), ("retention", 0.8))
    ]
    table = teach.equal_retention(rows, ["kt"], 0.02)
    assert table.loc[("m", "base"), "accuracy"] == "10.0 %"
    assert table.loc[("m", "kt"), "gain over base"] == "50.0 % [50.0, 50.0]"
    assert table.loc[("m", "kt"), "concepts"] == 2


def test_verdicts_are_a_table_with_the_claim_in_words_and_read_aloud():
    verdict = Verdict(
        "K1", "pocket", HOLDS, "a minus b", Estimate(0.1, 0.0, 0.2), (), deciding="a minus b +10.0 points"
    )
    table = teach.verdict_table([verdict])
    assert table.data.iloc[0].tolist() == ["K1", published.claims()["K1"].claim, HOLDS, "a minus b"]
    assert table.caption == "Read aloud: K1: holds (a minus b +10.0 points)."
    assert teach.verdict_table([]).caption == "Read aloud: nothing was judged."


@pytest.mark.parametrize(
    ("guess", "outcome", "said"),
    [
        (None, 12.34, "You made no guess; it is **12.3 %**."),
        (30, 12.34, "You guessed 30 %; it is **12.3 %**, 17.7 lower."),
        (10, 12.34, "You guessed 10 %; it is **12.3 %**, 2.3 higher."),
        (12.3, 12.31, "You guessed 12.3 %; it is **12.3 %**, as you said."),
        ("Noise", "noise", "You guessed Noise; it is **noise**: as you said."),
        ("noise", "kt", "You guessed noise; it is **kt**: not as you said."),
    ],
)
def test_a_guess_is_set_beside_the_outcome(guess, outcome, said):
    assert teach.reveal(guess, outcome).data == said


def test_numbers_are_read_aloud():
    said = teach.aloud({"a": 0.5, "b": 0.1, "c": 0.3}, "accuracy").data
    assert said.endswith("accuracy is highest for *a* (50.0 %) and lowest for *b* (10.0 %).")
    said = teach.aloud({"a": 0.5, "b": 0.1, "c": 0.3}, "accuracy", mean=True).data
    assert said.endswith("lowest for *b* (10.0 %); the mean of the 3 is 30.0 %.")
    assert "is +10.0 points for all 2" in teach.aloud({"a": 0.1, "b": 0.1}, "gain", unit="points").data
    assert "(12)" in teach.aloud({"a": 12, "b": 1}, "count", unit="").data
    with pytest.raises(ValueError, match="expected numbers to read aloud"):
        teach.aloud({}, "gain")


def test_a_number_is_read_aloud_beside_what_it_is_held_against_and_with_its_meaning():
    said = teach.aloud({"a": 0.5, "b": 0.1}, "accuracy", "It is a share.", beside={"chance": 0.25}, mean=True).data
    assert said.endswith("the mean of the 2 is 30.0 %; beside it, chance: 25.0 %. It is a share.")
    said = teach.aloud_gains({"x": Estimate(0.1, 0.05, 0.2)}, "It is a gain.").data
    assert said == "**Read aloud:** *x* +10.0 points [+5.0, +20.0], above zero. It is a gain."


def test_sentences_are_read_aloud_and_silence_is_an_error():
    assert teach.say("One.", "", "Two.").data == "**Read aloud:** One. Two."
    with pytest.raises(ValueError, match="expected at least one sentence to read aloud, found none"):
        teach.say("")


def test_means_are_by_a_column_or_by_what_is_varied():
    rows = [
        row(method=m, varied=f"lr={lr}", value=v) for m, lr, v in (("kt", 1, 0.2), ("kt", 2, 0.4), ("noise", 1, 0.6))
    ]
    rows.append(row(method="base", varied="", value=0.1))
    assert teach.means(rows, "method") == pytest.approx({"kt": 0.3, "noise": 0.6, "base": 0.1})
    assert teach.means(rows[:3], "lr") == pytest.approx({"1": 0.4, "2": 0.4})
    assert teach.means(rows, "steps") == {}


def test_differences_are_read_aloud_with_the_side_of_their_interval():
    found = {"x": Estimate(0.1, 0.05, 0.2), "y": Estimate(0, -0.1, 0.1), "z": Estimate(-0.1, -0.2, -0.05)}
    said = teach.aloud_gains(found).data
    assert said.count("above zero") == said.count("below zero") == said.count("not clear of zero") == 1
    assert "*x* +10.0 points [+5.0, +20.0], above zero" in said


def test_a_watched_model_inverts_to_the_same_images_and_keeps_each_view():
    model = ktlib.load("pocket/clip-b-0")
    settings = ktlib.InversionSettings().stretched(30)
    settings = dataclasses.replace(settings, steps=4, sizes=((0, 16),), schedule="constant")
    options = {"images_per_concept": 2, "settings": settings, "progress": False}
    watched = teach.Watched(model)
    plain = ktlib.invert(model, ["a red circle"], **options)
    found = ktlib.invert(watched, ["a red circle"], **options)
    assert torch.equal(found.images, plain.images)
    views, labels = watched.film(3, side=8)
    assert views.shape == (3, 3, 8, 8) and labels[0] == "step 1" and labels[-1] == "finished"
    assert torch.equal(watched.seen[-1], plain.images[0, 0])
