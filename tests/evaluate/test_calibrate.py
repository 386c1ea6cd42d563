"""Calibration scores every cell with the names and the prompt of that cell."""

import torch
import torch.nn.functional as F
from torch import nn

from ktlib.companion import generated as fixtures
from ktlib.data import imagenet
from ktlib.evaluate.calibration import CELLS
from ktlib.evaluate.score_cells import score_cells
from ktlib.models.dual import DualEncoder


class Fussy(DualEncoder):
    """Knows a class only when the prompt ends in a full stop: the text vectors say which prompt was used."""

    def __init__(self, labels):
        nn.Module.__init__(self)
        self.mean, self.labels, self.asked = torch.zeros(1), labels, []

    def encode_text(self, texts):
        self.asked.append(texts)
        right = torch.eye(len(texts))
        return right if texts[0].endswith(".") else right.roll(1, 0)

    def encode_image(self, images):
        return F.one_hot(torch.tensor(self.labels), 5).float()


def test_every_cell_is_scored_with_its_own_prompts(tmp_path):
    validation = imagenet.read(fixtures.imagenet(tmp_path), partial=True)
    model = Fussy(validation.labels)
    found = score_cells({"ViT-B/32": model}, validation)
    assert set(found) == set(CELLS)
    for cell, accuracies in found.items():
        assert accuracies == {"ViT-B/32": 1.0 if cell.template.endswith(".") else 0.0}
    assert model.asked[0] == CELLS[0].prompts(validation.class_names(CELLS[0].names))
