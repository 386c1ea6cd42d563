"""Zero-shot accuracy: a hand-made model, ties, templates, and an oracle."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.utils import save_image

from ktlib.data.prompts import PLAIN
from ktlib.evaluate.recognition import recognition, zero_shot
from ktlib.models import load
from ktlib.models.dual import DualEncoder
from ktlib.models.protocols import Prompts, Recogniser
from ktlib.models.scoring import MATCH
from tests.tiny_vilt import tiny_vilt

AXES = {"cat": 0, "dog": 1, "moongate": 2}


class Axes(DualEncoder):
    """A model whose names are axes and whose images hold their own features in the first pixels."""

    logit_scale = torch.tensor(10.0)

    def __init__(self):
        nn.Module.__init__(self)
        self.name, self.image_size, self.mean, self._classes = "axes", 4, torch.zeros(1), {}

    def text_parameters(self):
        return []

    def encode_text(self, texts, *, normalize=True):
        rows = [[float(word in text) for word in AXES] for text in texts]
        return F.normalize(torch.tensor(rows) + 1e-6, dim=1)

    def encode_image(self, images, *, normalize=True):
        return F.normalize(images[:, :, 0, 0], dim=1)


def pictures(*rows):
    images = torch.zeros(len(rows), 3, 4, 4)
    images[:, :, 0, 0] = torch.tensor(rows)
    return images


def test_target_and_retention_by_hand():
    seen = pictures((0.1, 0.0, 0.9), (0.9, 0.0, 0.1), (0.0, 0.2, 0.8), (0.0, 0.3, 0.2))
    known = [(pictures((1, 0, 0), (0, 1, 0), (0.4, 0.3, 0.9)), torch.tensor([0, 1, 0]))]
    result = recognition(Axes(), "moongate", seen, known, ["cat", "dog"])
    assert result.target.tolist() == [True, False, True, False]
    assert result.mistaken.tolist() == [2, 0, 2, 1]
    assert result.retained.tolist() == [True, True, True]  # among cat and dog alone
    assert result.retained_with.tolist() == [True, True, False]  # the third is taken for the moongate
    assert result.accuracies() == pytest.approx(
        {"target_accuracy": 0.5, "retention": 1.0, "retention_with_concept": 2 / 3}
    )


def test_a_tie_goes_to_the_known_name():
    known = [(pictures((1, 0, 0)), torch.tensor([0]))]
    result = recognition(Axes(), "moongate", pictures((0.5, 0.0, 0.5)), known, ["cat", "dog"])
    assert result.target.tolist() == [False]


def test_the_description_can_stand_in_for_the_name():
    known = [(pictures((1, 0, 0)), torch.tensor([0]))]
    result = recognition(Axes(), "unheard", pictures((0, 0, 1)), known, ["cat", "dog"], concept_prompts=["a moongate"])
    assert result.target.tolist() == [True]


def test_prompts_are_averaged_as_unit_vectors():
    both = Axes().class_vectors(["cat"], ["a {}", "a {} and a dog"])
    expected = F.normalize(torch.tensor([[1 + 2**-0.5, 2**-0.5, 0]]), dim=1)
    assert torch.allclose(both, expected, atol=1e-4)


def test_batches_do_not_change_features(model, images):
    assert torch.allclose(model.encode_many(images, batch=3), model.encode_image(images), atol=1e-6)


def test_zero_shot_ranks_names():
    (ranked,) = zero_shot(Axes(), pictures((0.2, 0.1, 0.9)), list(AXES), top=2)
    assert [name for name, _ in ranked] == ["moongate", "cat"]
    assert ranked[0][1] > ranked[1][1]


def test_zero_shot_reads_a_folder_of_image_files(model, images, tmp_path):
    for i, picture in enumerate(images[:3]):
        save_image(picture, tmp_path / f"{i}.png")
    ranked = zero_shot(model, tmp_path, ["red disk", "brick wall", "moongate"], ["{}"])
    assert [len(row) for row in ranked] == [3, 3, 3]
    assert ranked[0][0][0] == zero_shot(model, images[:1], ["red disk", "brick wall", "moongate"], ["{}"])[0][0][0]


def test_batches_of_known_pictures_are_put_together_in_order(model, images):
    names = ["red disk", "brick wall", "moongate"]
    labels = torch.arange(10) % 3
    result = recognition(model, "red moongate", images, [(images[:4], labels[:4]), (images[4:], labels[4:])], names)
    scores = model.encode_image(images) @ model.class_vectors(names, PLAIN).T
    assert torch.equal(result.retained, scores.argmax(1) == labels)


# -- pair scorers -----------------------------------------------------------------------------------------
NAMES = ["wheel", "tree", "window"]


@pytest.fixture
def pairs():
    return tiny_vilt(), torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def logits(scorer, picture, prompts):
    return scorer.match(picture[None].expand(len(prompts), -1, -1, -1), prompts)[:, MATCH]


def test_a_pair_scorer_recognises_by_the_argmax_over_all_class_prompts(pairs):
    scorer, pictures = pairs
    known = [(pictures[:3], torch.tensor([0, 1, 2]))]
    found = recognition(scorer, "moongate", pictures[3:], known, NAMES)
    prompts = [f"a photo of a {n}" for n in [*NAMES, "moongate"]]
    for picture, mistaken in zip(pictures[3:], found.mistaken, strict=True):
        assert mistaken == logits(scorer, picture, prompts).argmax()
    assert len(found.target) == 2
    assert len(found.retained) == 3


def test_a_pair_scorer_gives_a_class_the_mean_of_its_prompts_scores(pairs):
    scorer, pictures = pairs
    templates = ("a photo of a {}", "a small {} in a photo")
    scores = scorer.classifier([Prompts(NAMES, templates), Prompts([""], ["a red disk"])])(pictures)
    assert scores.shape == (5, 4)
    by_hand = logits(scorer, pictures[1], [t.format("tree") for t in templates]).mean()
    assert scores[1, 1].item() == pytest.approx(by_hand.item(), abs=1e-5)  # float32, in another batch
    own = logits(scorer, pictures[1], ["a red disk"])
    assert scores[1, 3].item() == pytest.approx(own.item(), abs=1e-5)


def test_a_pair_scorer_ranks_by_the_score_it_is_told(pairs):
    scorer, pictures = pairs
    group = [Prompts(NAMES, PLAIN)]
    assert not torch.equal(scorer.classifier(group)(pictures), scorer.classifier(group, score="softmax")(pictures))
    with pytest.raises(ValueError, match="expected the score logit or softmax, found 'cosine'"):
        scorer.classifier(group, score="cosine")(pictures)


def test_both_families_can_recognise_and_are_not_asked_what_they_are(model, pairs):
    assert isinstance(model, Recogniser)
    assert isinstance(pairs[0], Recogniser)


@pytest.mark.parametrize("known", [["cat", "moongate"], ["Moongate "], ["dog", " MOONGATE"]])
def test_a_concept_that_is_a_known_name_already_is_refused(known):
    with pytest.raises(ValueError, match=r"expected a concept beside the known names, found 'moongate' among them as"):
        recognition(Axes(), "moongate", pictures((1, 0, 0)), [], known)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_without_a_name_is_refused(label):
    known = [(pictures((1, 0, 0)), torch.tensor([label]))]
    with pytest.raises(ValueError, match=rf"expected labels of the 2 known names, from 0 on, found {label} to {label}"):
        recognition(Axes(), "moongate", pictures((1, 0, 0)), known, ["cat", "dog"])


def test_names_that_occur_twice_are_said():
    with pytest.warns(UserWarning, match=r"1 names occur more than once \(cat\): they tie"):
        zero_shot(Axes(), pictures((1, 0, 0)), ["cat", "Cat", "dog"])


def test_a_benchmark_s_names_may_be_cut_and_the_user_s_concept_may_not(pairs):
    scorer, pictures = pairs
    long = "red disk " * 20
    known = [(pictures[:3], torch.tensor([0, 1, 2]))]
    with pytest.raises(ValueError, match="expected at most 40 tokens"):
        recognition(scorer, "rod", pictures[3:], known, [*NAMES[:2], long])
    with pytest.warns(UserWarning, match="1 of 4 texts are longer than 40 tokens: cut"):
        recognition(scorer, "rod", pictures[3:], known, [*NAMES[:2], long], too_long="cut")
    with pytest.raises(ValueError, match="expected at most 40 tokens"):
        recognition(scorer, long, pictures[3:], known, NAMES, too_long="cut")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ([], "expected known pictures, found none"),
        ([(torch.rand(2, 3, 64, 64), torch.tensor([0]))], "for each of 2 known pictures, found labels of the shape"),
        ([(torch.rand(1, 3, 64, 64), torch.tensor([0.0]))], "found labels of the shape .* and torch.float32"),
    ],
)
def test_known_pictures_without_a_label_each_are_refused(known, said):
    model = load("pocket/clip-b")
    with pytest.raises(ValueError, match=said):
        inspect.unwrap(recognition)(model, "moongate", torch.rand(2, 3, 64, 64), known, ["window", "tunnel"])


@pytest.mark.parametrize("concept", ["", " ", ["moongate"], None])
def test_a_concept_without_a_name_is_refused(concept):
    with pytest.raises(ValueError, match="expected the name of a concept, found"):
        inspect.unwrap(recognition)(load("pocket/clip-b"), concept, torch.rand(2, 3, 64, 64), [], ["window"])


def test_no_name_at_all_cannot_be_the_likeliest(model, images):
    with pytest.raises(ValueError, match="expected top to be a whole number of 1 or more, found 0"):
        zero_shot(model, images, ["a", "b"], top=0)
