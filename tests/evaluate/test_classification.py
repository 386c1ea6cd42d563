"""Zero-shot accuracy: a hand-made model, ties, templates, and an oracle."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ktlib.evaluate.recognition import classifier, encode, recognition, zero_shot
from ktlib.models.dual import DualEncoder

AXES = {"cat": 0, "dog": 1, "moongate": 2}


class Axes(DualEncoder):
    """A model whose names are axes and whose images hold their own features in the first pixels."""

    logit_scale = torch.tensor(10.0)

    def __init__(self):
        nn.Module.__init__(self)
        self.name, self.image_size, self.mean = "axes", 4, torch.zeros(1)

    def encode_text(self, texts):
        rows = [[float(word in text) for word in AXES] for text in texts]
        return F.normalize(torch.tensor(rows) + 1e-6, dim=1)

    def encode_image(self, images):
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
    both = classifier(Axes(), ["cat"], ["a {}", "a {} and a dog"])
    expected = F.normalize(torch.tensor([[1 + 2**-0.5, 2**-0.5, 0]]), dim=1)
    assert torch.allclose(both, expected, atol=1e-4)


def test_batches_do_not_change_features(model, images):
    assert torch.allclose(encode(model, images, batch=3), model.encode_image(images), atol=1e-6)


def test_zero_shot_ranks_names():
    (ranked,) = zero_shot(Axes(), pictures((0.2, 0.1, 0.9)), list(AXES), top=2)
    assert [name for name, _ in ranked] == ["moongate", "cat"]
    assert ranked[0][1] > ranked[1][1]


def test_batches_of_known_pictures_are_put_together_in_order(model, images):
    names = ["red disk", "brick wall", "moongate"]
    labels = torch.arange(10) % 3
    result = recognition(model, "moongate", images, [(images[:4], labels[:4]), (images[4:], labels[4:])], names)
    scores = model.encode_image(images) @ classifier(model, names).T
    assert torch.equal(result.retained, scores.argmax(1) == labels)
