"""A tiny random MedCLIP for tests: 32 pixels in patches of 4, two stages of a Swin, a BERT of three layers."""

import torch
from transformers import BertConfig, SwinConfig

from ktlib.models.medclip import MedCLIP, Towers
from ktlib.pocket.training import words
from tests.conftest import WORDS

TOKENIZER = words.for_vilt([*WORDS, "small", "large", "left", "right"], most=16)
SWIN = SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 2], num_heads=[1, 2], window_size=4)
BERT = BertConfig(
    vocab_size=len(TOKENIZER), hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64,
    max_position_embeddings=16,
)  # fmt: skip


def tiny_medclip(seed=0, **policy):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        towers = Towers(SWIN, BERT, dim=24, context=16)
        for (
            name,
            parameter,
        ) in towers.named_parameters():  # transformers starts near zero; here what is seen should matter
            if name.endswith("weight") and parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    return MedCLIP(towers, TOKENIZER, name="tiny", **policy).requires_grad_(False).eval()
