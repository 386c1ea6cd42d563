"""Caption metrics: values by hand, pycocoevalcap and METEOR's own EVAL as oracles, and bad input told in a sentence."""

import inspect
import math
import shutil

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider

from ktlib.evaluate import java
from ktlib.evaluate.captioning import BLEU, _split, captioning, paired_difference, plain_words

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no Java on the PATH")
PURE = (*BLEU, "rouge_l", "cider")  # those that are computed without Java
REFERENCES = {
    "1": ["a red disk left of a blue ring", "a disk beside a ring", "there is a red disk"],
    "2": ["a dog runs on the grass", "a dog on grass"],
    "3": ["two boats on the sea", "a pair of boats"],
    "4": ["a small house", "a house with a red roof", "one house"],
}
CAPTIONS = {"1": "a red disk left of a ring", "2": "the dog is running on grass", "3": "a moon", "4": "a small house"}
OTHERS = {"1": "a photo of a disk", "2": "a dog", "3": "two boats", "4": "a photo of a house"}


@pytest.fixture
def no_java(tmp_path, monkeypatch):
    """A machine without Java; words that were split before are forgotten."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    _split.cache_clear()
    yield
    _split.cache_clear()


def scores(captions, references=REFERENCES, metrics=PURE):
    return captioning(captions, references, metrics=metrics)


# -- by hand ---------------------------------------------------------------------------------------------
def test_bleu_of_two_captions_worked_out_by_hand(no_java):
    found = scores({"1": "a red disk on a disk", "2": "a dog"}, {"1": ["a red disk", "a disk"], "2": ["a dog runs"]})
    # one word: a twice (no reference has more than one: 1), red, disk twice (1): 3 of 6, and 2 of 2: 5 of 8
    # two words: "a red", "red disk", "a disk" of 5, and 1 of 1: 4 of 6
    # lengths 6 + 2 = 8, closest references 3 + 3 = 6: nothing is taken off
    assert found.corpus["bleu1"] == pytest.approx(5 / 8)
    assert found.corpus["bleu2"] == pytest.approx(math.sqrt(5 / 8 * 4 / 6))
    assert found.per_image["bleu1"]["2"] == pytest.approx(math.exp(1 - 3 / 2))  # shorter than its reference


def test_rouge_of_a_caption_worked_out_by_hand(no_java):
    found = scores({"1": "a red disk on a box", "2": "a dog"}, {"1": ["a disk in a red box", "a box"], "2": ["a cat"]})
    # with the first reference "a disk a box": 4 of 6 and 4 of 6; with the second "a box": 2 of 6 and 2 of 2
    precision, recall, beta = 4 / 6, 1.0, 1.2  # the best of each, though of different references
    by_hand = (1 + beta**2) * precision * recall / (recall + beta**2 * precision)
    assert found.per_image["rouge_l"]["1"] == pytest.approx(by_hand)
    assert found.corpus["rouge_l"] == pytest.approx((by_hand + 0.5) / 2)


def test_cider_of_single_words_worked_out_by_hand(no_java):
    found = scores({"1": "disk", "2": "ring"}, {"1": ["disk"], "2": ["disk ring"]})
    # "disk" is in the references of both images: weight log(2/2) = 0; "ring" in one: log 2
    # image 1 has no weight at all; image 2: cosine of (0, log 2) with itself is 1 for one word, 0 for 2, 3 and 4.
    # Lengths count pairs of words, 0 and 1: the penalty is exp(-1 / (2 * 6^2)). The mean of four, times 10.
    assert found.per_image["cider"] == pytest.approx({"1": 0.0, "2": 2.5 * math.exp(-1 / 72)})


# -- oracles ---------------------------------------------------------------------------------------------
def random_sets(seed):
    rng = np.random.default_rng(seed)
    words = ["a", "red", "blue", "disk", "ring", "dog", "runs", "running", "on", "the", "grass", "house"]

    def text(longest):
        return " ".join(rng.choice(words, rng.integers(1, longest)))

    told = {str(image): [text(9) for _ in range(rng.integers(1, 4))] for image in range(6)}
    said = {image: told[image][0] if rng.random() < 0.3 else text(9) for image in told}
    return said, told


@pytest.mark.parametrize("seed", range(5))
def test_what_follows_from_sums_is_what_the_library_says_of_the_images_drawn(no_java, seed):
    said, told = random_sets(seed)
    found = scores(said, told)
    drawn = ["0", "3", "3", "5"]
    wanted = Bleu(4).compute_score(
        {str(n): told[image] for n, image in enumerate(drawn)}, {str(n): [said[i]] for n, i in enumerate(drawn)}, 0
    )[0]
    assert [found.resampled(metric, drawn) for metric in BLEU] == pytest.approx(wanted, rel=1e-9)
    cider, each = Cider().compute_score(told, {image: [text] for image, text in said.items()})
    assert found.corpus["cider"] == pytest.approx(cider)
    assert found.resampled("cider", drawn) == pytest.approx(np.mean([each[int(image)] for image in drawn]))
    for metric in PURE:
        assert found.resampled(metric, found.images) == found.corpus[metric]


@needs_java
@pytest.mark.parametrize("seed", range(5))
def test_meteor_from_summed_counts_is_what_the_program_says(seed):
    program = java.meteor(java.find())
    said, told = random_sets(seed)
    found = captioning(said, told, metrics=["meteor"])
    counts = [program.statistics(said[image], told[image]) for image in said]
    each, whole = program.scores(counts)
    assert [*found.per_image["meteor"].values()] == pytest.approx(each)
    assert found.corpus["meteor"] == pytest.approx(whole)
    drawn = [0, 3, 3, 5]
    wanted = program.scores([counts[number] for number in drawn])[1]
    assert found.resampled("meteor", [str(number) for number in drawn]) == pytest.approx(wanted)


@needs_java
def test_a_caption_that_is_a_reference_is_perfect_and_a_synonym_is_worth_something():
    found = captioning({"1": "a small house", "2": "a zebra"}, {"1": ["a small house"], "2": ["a small house"]})
    assert found.per_image["meteor"]["1"] == 1.0
    assert "spice" in found.corpus or "spice" in found.missing
    near = captioning({"1": "a hound", "2": "a boat"}, {"1": ["a dog"], "2": ["a dog"]}, metrics=["meteor"])
    assert near.per_image["meteor"]["1"] > near.per_image["meteor"]["2"]


@needs_java
@pytest.mark.parametrize(
    "text",
    [
        "A man's dog isn't here, is it?",
        "don't they're 5% black & white",
        "a 'quoted' word; i.e. this",
        "a well-known TV",
    ],
)
def test_words_without_java_are_those_of_the_tokenizer_in_ordinary_captions(text):
    assert plain_words(text) == java.tokenize([text])[0]


# -- intervals -------------------------------------------------------------------------------------------
def test_a_difference_is_after_minus_before_and_the_same_every_time(no_java):
    worse, better = scores(OTHERS), scores(CAPTIONS)
    for metric in PURE:
        found = paired_difference(worse, better, metric)
        assert found.value == better.corpus[metric] - worse.corpus[metric]
        assert found.low <= found.value <= found.high
        assert found == paired_difference(worse, better, metric)
    assert paired_difference(worse, better, "cider") != paired_difference(worse, better, "cider", seed=1)
    assert paired_difference(better, better, "bleu4") == (0, 0, 0)  # the same images for both


def test_a_gain_on_every_image_is_a_gain_in_every_draw(no_java):
    images = [str(number) for number in range(30)]
    colours = {image: ("red", "blue", "green", "grey", "pink")[int(image) % 5] for image in images}
    told = {image: [f"a {colour} disk left of a ring", f"a {colour} disk"] for image, colour in colours.items()}
    worse = scores({image: "a photo of a disk" if int(image) % 3 else "a disk" for image in images}, told)
    better = scores({image: f"a {colour} disk left of a ring" for image, colour in colours.items()}, told)
    for metric in PURE:
        assert paired_difference(worse, better, metric).low > 0
        low, high = better.estimate(metric)[1:]
        assert low <= better.corpus[metric] <= high


def test_other_images_are_not_compared(no_java):
    few = {image: CAPTIONS[image] for image in ("1", "2", "3")}
    with pytest.raises(ValueError, match="expected the same images in the same order, found 4 and 3, not shared: 4"):
        paired_difference(scores(CAPTIONS), scores(few), "bleu1")
    with pytest.raises(ValueError, match="expected images that were scored, found 1 others: .'9'"):
        scores(few).resampled("bleu1", ["1", "9"])


# -- bad input -------------------------------------------------------------------------------------------
def test_without_java_the_other_metrics_are_there(no_java):
    found = captioning(CAPTIONS, REFERENCES)
    assert set(found.corpus) == set(PURE)
    assert set(found.missing) == {"meteor", "spice"}
    assert "expected java, found none on the PATH" in found.missing["meteor"]
    assert found.notes[0].startswith("words were split without the PTB tokenizer: expected java, found none")
    with pytest.raises(ValueError, match="expected a metric of bleu1, .*, found 'meteor': expected java"):
        found.resampled("meteor", ["1"])


def test_a_meteor_that_dies_is_missing_once_and_the_next_is_another(monkeypatch):
    started = []

    class Dying(java.Meteor):
        def __init__(self, **own):
            started.append(own)

        def statistics(self, words, references):
            raise java.NoAnswer("METEOR died: out of memory")

    monkeypatch.setattr(java, "Meteor", Dying)
    monkeypatch.setattr(java, "find", lambda: java.Java("a Java of this test's", 17))
    monkeypatch.setattr(java, "tokenize", list)
    for _ in range(2):
        found = captioning(CAPTIONS, REFERENCES, metrics=["bleu1", "meteor"])
        assert found.missing == {"meteor": "METEOR died: out of memory"} and set(found.corpus) == {"bleu1"}
    assert len(started) == 2


def test_images_without_references_or_captions_are_left_out_and_named(no_java):
    references = {"1": REFERENCES["1"], "2": REFERENCES["2"], "3": [], "4": ["...", " "], "6": ["a dog"]}
    found = scores(CAPTIONS | {"5": "a dog"}, references)
    assert found.left_out == {
        "3": "no reference",
        "5": "no reference",
        "6": "no caption was generated",
        "4": "no reference with a word in it",
    }
    assert found.images == ("1", "2")
    alone = scores({image: CAPTIONS[image] for image in "12"}, {image: REFERENCES[image] for image in "12"})
    assert found.corpus == alone.corpus


@pytest.mark.parametrize("nothing", ["", "  ", "?!", "...", ". , ;"])
def test_a_caption_without_a_word_is_scored_and_worth_nothing(no_java, nothing):
    found = scores(CAPTIONS | {"4": nothing})
    assert not found.left_out and "1 captions without a word: 0 in every metric" in found.notes
    assert all(found.per_image[metric]["4"] == 0 for metric in PURE)
    assert found.corpus["rouge_l"] == pytest.approx(np.mean([*found.per_image["rouge_l"].values()]))
    assert found.corpus["bleu1"] < scores(CAPTIONS).corpus["bleu1"]  # silence is no way out


@needs_java
def test_meteor_takes_a_caption_without_a_word():
    found = captioning(CAPTIONS | {"4": "?!"}, REFERENCES, metrics=["meteor"])
    assert found.per_image["meteor"]["4"] == 0


def test_sets_of_references_may_differ_in_size_and_lose_empty_ones(no_java):
    found = scores(CAPTIONS, REFERENCES | {"1": [*REFERENCES["1"], "", "--"]})
    assert "4 images, 2 to 3 references each" in found.notes
    assert "2 references without a word: not used" in found.notes
    assert found.corpus == scores(CAPTIONS).corpus


def test_one_image_has_no_cider(no_java):
    found = scores({"1": CAPTIONS["1"]})
    assert "with one image nothing has weight" in found.missing["cider"]
    assert "cider" not in found.corpus and "cider" not in found.per_image and "bleu4" in found.corpus


@pytest.mark.parametrize(
    ("captions", "references", "metrics", "message"),
    [
        (CAPTIONS, REFERENCES, ("bleu5",), "expected metrics of bleu1, .*, spice, found bleu5"),
        (CAPTIONS, {"1": "a dog"}, PURE, "expected a list of references of image 1, found the one text 'a dog'"),
        (CAPTIONS, {"01": ["a dog"]}, PURE, r"found none: captions of 4 images \('1', '2'\), references of 1 \('01'\)"),
        ({}, REFERENCES, PURE, "expected images with a caption and references, found none"),
    ],
)
def test_what_cannot_be_scored_is_refused(no_java, captions, references, metrics, message):
    with pytest.raises(ValueError, match=message):
        captioning(captions, references, metrics=metrics)


def test_a_text_that_is_none_is_named(no_java):
    for captions, references in ((CAPTIONS | {"2": None}, REFERENCES), (CAPTIONS, REFERENCES | {"2": [None]})):
        with pytest.raises(ValueError, match="expected texts for captions and references, found None"):
            scores(captions, references)


def test_no_images_and_a_missing_metric_have_no_value(no_java):
    found = captioning(CAPTIONS, REFERENCES)
    with pytest.raises(ValueError, match="expected images that were scored, found none"):
        found.resampled("cider", [])
    with pytest.raises(ValueError, match=r"expected a metric of bleu1, .*, found 'meteor': expected java"):
        found.estimate("meteor")


def test_words_that_were_split_otherwise_are_not_compared(monkeypatch):
    """As where Java fails for some captions alone."""

    def fails(texts):
        raise java.NoAnswer("the PTB tokenizer gave no answer for 120 s and was ended")

    _split.cache_clear()
    monkeypatch.setattr(java, "tokenize", list)
    split = scores(CAPTIONS)
    _split.cache_clear()
    monkeypatch.setattr(java, "tokenize", fails)
    plain = scores(OTHERS)
    _split.cache_clear()
    assert not split.plain and plain.plain
    with pytest.raises(ValueError, match="expected captions whose words were split alike"):
        paired_difference(split, plain, "bleu1")


def test_captions_without_ids_are_refused():
    with pytest.raises(ValueError, match=r"expected captions by the image's id, \{id: …\}, found list"):
        inspect.unwrap(captioning)(["a dog"], {"1": ["a dog"]})  # what a user meets, who runs without our type checks
