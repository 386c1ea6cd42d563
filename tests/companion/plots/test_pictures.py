"""Pictures, what they are taken for, and where features lie."""

import matplotlib.colors
import matplotlib.pyplot as plt
import pytest
import torch

from ktlib.companion import plots


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def test_a_row_of_pictures_has_its_name_and_empty_places_stay_empty():
    figure = plots.picture_grid([torch.rand(3, 3, 8, 8), torch.rand(2, 3, 8, 8)], ["a", "b"], columns=["x"], title="t")
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 1, 1, 0]
    assert [figure.axes[i].get_ylabel() for i in (0, 3)] == ["a", "b"]
    assert figure.axes[0].get_title(loc="left") == "x"


def test_an_album_has_a_name_above_each_picture_and_brackets_around_the_marked():
    album = {"one": {"a": torch.rand(3, 8, 8), "b": torch.rand(3, 8, 8)}, "two": {"c": torch.rand(3, 8, 8)}}
    figure = plots.album(album, marked=["b"])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "(b)", "c", ""]
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 0]
    assert [ax.texts[0].get_text() for ax in figure.axes[::2]] == ["one", "two"]


def test_the_concept_is_blue_among_the_likely_names():
    figure, axes = plt.subplots(1, 3)
    ranked = {"base": [("x", 0.7), ("y", 0.3)], "kt": [("a", 0.9), ("x", 0.1)]}
    plots.predictions(torch.rand(3, 8, 8), ranked, "a", axes)
    assert [t.get_text() for t in axes[2].texts] == ["x", "10 %", "a", "90 %"]  # the best on top
    blue = matplotlib.colors.to_rgba(plots.COLOURS["kt"])
    assert [bar.get_facecolor() == blue for bar in axes[2].patches] == [False, True]


def test_attention_lies_over_each_picture_for_each_model():
    maps = {"before": [torch.rand(2, 2)], "after": [torch.rand(2, 2)]}
    figure = plots.attention_pictures([torch.rand(3, 32, 32)], maps, ["a picture"], {"before": [0.1], "after": [0.5]})
    *shown, bar = figure.axes
    assert [len(ax.images) for ax in shown] == [1, 2, 2]
    assert [ax.get_title(loc="left") for ax in shown[1:]] == ["before: a match, 10 %", "after: a match, 50 %"]
    assert "average" in bar.get_xlabel()


def test_attention_hides_no_more_of_a_picture_than_it_says():
    maps = {"before": [torch.tensor([[0.0, 0.0], [0.0, 1.0]])]}
    figure = plots.attention_pictures([torch.rand(3, 2, 2)], maps, ["a picture"], {"before": [0.1]})
    over = figure.axes[1].images[1].get_alpha()
    assert over.min() == 0 and over.max() == pytest.approx(0.8)  # nothing looked at stays as it is


def test_clouds_keep_their_points_and_names():
    groups = {"images": torch.rand(30, 2), "texts": torch.rand(5, 2)}
    (ax,) = plots.clouds(groups).axes
    assert [len(line.get_xdata()) for line in ax.lines] == [30, 5]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["images", "texts"]
    assert ax.get_xlabel() == "first principal component"


def test_points_of_a_class_share_a_colour():
    classes = {"images": [0, 1, 0, 1]}
    (ax,) = plots.clouds({"images": torch.rand(4, 2)}, classes=classes, directions=("along", "across")).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("along", "across")
    (points,) = ax.collections
    assert list(points.get_array()) == classes["images"]
    assert ax.get_title(loc="left") == "images"
    (ax,) = plots.clouds({"images": torch.rand(4, 2), "texts": torch.rand(1, 2)}, classes=classes).axes
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["images, coloured by class", "texts"]
