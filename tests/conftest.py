"""Shared by all tests: a tiny random CLIP, and shapes checked at every call.

The annotations of `ktlib` are enforced here by jaxtyping and beartype, so a tensor of the wrong
shape fails the test that made it.
"""

import os
import sys
import types

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

typed = types.ModuleType("typed")  # the hook takes its checker by name
typed.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float too
sys.modules["typed"] = typed
install_import_hook("ktlib", "typed.check")

import pytest
import torch
from open_clip.model import CLIP

WORDS = ["a", "round", "opening", "in", "brick", "wall", "moongate", "is", "red", "disk", "photo", "of"]


class WordTokenizer:
    """One id a word, as a Hugging Face tokenizer behind open_clip would have it."""

    class _Inner:
        unk_token_id = 1

        def get_vocab(self):
            return {word: i + 2 for i, word in enumerate(WORDS)}

        def __call__(self, text):
            ids = [self.get_vocab().get(word, 1) for word in text.lower().split()]
            return type("Encoding", (), {"input_ids": [14, *ids, 15]})()

    def __init__(self):
        self.tokenizer = self._Inner()

    def __call__(self, texts):
        rows = [self.tokenizer(text).input_ids for text in texts]
        return torch.tensor([row + [0] * (12 - len(row)) for row in rows])


def tiny_clip(seed: int = 0, **vision):
    """A random CLIP of two layers: 32 pixels, patches of 8, 32 dimensions."""
    from ktlib.models.dual import DualEncoder

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = CLIP(
            embed_dim=32,
            vision_cfg={"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32} | vision,
            text_cfg={"context_length": 12, "vocab_size": 16, "width": 64, "heads": 2, "layers": 2},
        )
    clip.requires_grad_(False)
    return DualEncoder(clip, WordTokenizer(), name="tiny", mean=[0.5] * 3, std=[0.25] * 3)


@pytest.fixture
def model():
    return tiny_clip()


@pytest.fixture
def images():
    return torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
