"""What a pocket captioner is told: true of the picture, in two styles, one of them with prompts now and then."""

from random import Random

import pytest

from ktlib.pocket import flickr, telling, world
from ktlib.pocket.scenes import SHAPES

# "and", "black", "white" aside, which name what is there: all words of KT's 26 prompts that could be said of anything.
PROMPTS = set(
    "a photo of the bad low resolution rendering cropped hard to see bright clean dirty dark my good one close-up "
    "large itap jpeg corrupted".split()
)

TOLD = ("a photo of a {}", "itap of the {}")


def pictures(count, scenes=0.7):
    return [telling.training_picture(0, index, scenes=scenes) for index in range(count)]


def test_fragments_have_no_word_of_the_prompts_and_four_words_at_least():
    for picture, rng in pictures(300):
        told = telling.fragments(picture, rng).split()
        assert not PROMPTS & set(told)
        assert len(told) >= telling.LEAST


def test_the_web_is_mostly_fragments_with_some_sentences_and_prompts_about_what_is_there():
    plain = prompted = 0
    for picture, rng in pictures(600):
        told = telling.web(picture, rng, TOLD)
        plain += told in telling.plain_captions(picture)
        prompted += told in {text.format(thing.name) for text in TOLD for thing in picture.things}
    assert 0.02 < plain / 600 < 0.08 and 0.02 < prompted / 600 < 0.08
    assert not any(PROMPTS & set(telling.plain(picture, rng).split()) - {"a", "of"} for picture, rng in pictures(300))


def test_every_word_is_the_world_s_or_declared():
    known = {*world.vocabulary(), *telling.WORDS}
    assert not set(world.vocabulary()) & set(telling.WORDS)
    said = set()
    for picture, rng in pictures(600):
        for told in (telling.fragments, telling.plain):
            said |= set(told(picture, rng).split())
    assert said <= known
    assert set(telling.WORDS) <= said  # and none is declared in vain


def test_names_and_colours_are_those_of_the_picture():
    names = {*world.OBJECTS, *SHAPES}
    for picture, rng in pictures(300, scenes=1.0):
        there = {thing.name for thing in picture.things}
        colours = {thing.colours["a"] for thing in picture.things if "a" in thing.colours}
        web, plain = (told(picture, rng).split() for told in (telling.fragments, telling.plain))
        assert set(web) & names <= there == set(plain) & names
        for told in (web, plain):
            assert set(told) & set(world.COLOURS) <= colours


def test_fragments_often_leave_out_what_is_there():
    shown = [(set(telling.fragments(picture, rng).split()), picture) for picture, rng in pictures(600, scenes=1.0)]
    named = [sum(thing.name in words for thing in picture.things) for words, picture in shown]
    assert 0.1 < named.count(0) / 600 < 0.25 and 0.25 < named.count(2) / 600 < 0.45


def test_sides_are_told_as_they_are():
    shape = {name: telling.Thing(name, {"a": colour}) for name, colour in (("disk", "red"), ("box", "blue"))}
    picture = telling.Shown(world.pool_picture(0)[0], (shape["disk"], shape["box"]), "left of")
    told = {telling.fragments(picture, Random(seed)) for seed in range(300)}
    assert any("left" in one.split() for one in told)
    for words in (one.split() for one in told if {"left", "disk"} <= set(one.split())):
        assert words.index("left") - words.index("disk") in (1, 2)
    assert telling.plain_captions(picture)[:2] == ("a red disk left of a blue box", "a blue box right of a red disk")


def test_plain_captions_of_a_single_thing_are_as_long_as_a_search_writes():
    for picture, rng in pictures(100, scenes=0.0):
        told = telling.plain(picture, rng)
        assert told.endswith("and nothing else") and len(told.split()) >= telling.LEAST


def test_the_stream_is_its_own():
    """Scenes of training, of the card, and of the pocket Flickr share no picture."""
    trained = {picture.image.tobytes() for picture, _ in pictures(60, scenes=1.0)}
    card = {picture.image.tobytes() for picture in telling.split("validation", 60)}
    others = [*flickr.split("validation", 20), *flickr.split("test", 20)]
    others += [flickr.training_scene(0, index) for index in range(20)]
    theirs = {scene.image.tobytes() for scene in others}
    assert not trained & card and not trained & theirs and not card & theirs


def test_an_unknown_style_is_an_error():
    with pytest.raises(ValueError, match="expected a style of web, plain, found 'loud'"):
        telling.tell(pictures(1)[0][0], "loud", Random(0), prompts=TOLD)
