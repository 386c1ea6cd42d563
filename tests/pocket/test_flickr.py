"""The pocket Flickr: twins, captions, splits."""

import pytest

from ktlib.pocket import flickr, world


def test_twins_show_the_same_two_things_the_other_way_round():
    first, second = flickr.split("test", 2)
    back = {"left": "right", "right": "left", "above": "below", "below": "above"}
    for one, other in zip(first.captions, second.captions, strict=True):
        assert [back.get(word, word) for word in one.split()] == other.split()
    assert first.image.tobytes() != second.image.tobytes()


def test_scenes_have_five_captions_in_the_world_s_words():
    known = set(world.vocabulary())
    for scene in [*flickr.split("validation", 20), flickr.training_scene(0, 5)]:
        assert len(scene.captions) == flickr.CAPTIONS
        assert all(word in known for caption in scene.captions for word in caption.split())


def test_no_scene_shows_what_the_fold_holds_out():
    scenes = [*flickr.split("test", 40), *(flickr.training_scene(0, index) for index in range(200))]
    said = {word for scene in scenes for word in scene.captions[0].split()}
    assert not said & set(flickr.FOLD.held_out)
    assert {"theremin", "tonometer"} <= said  # known here, rare in another fold


def test_splits_and_training_share_no_scene():
    splits = [{s.image.tobytes() for s in flickr.split(name, 20)} for name in ("validation", "test")]
    trained = {flickr.training_scene(0, i).image.tobytes() for i in range(20)}
    assert not splits[0] & splits[1] and not splits[1] & trained and not splits[0] & trained
    with pytest.raises(ValueError, match="expected validation or test and an even count, found 'test' and 3"):
        flickr.split("test", 3)
