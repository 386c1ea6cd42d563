"""A tiny random pair scorer for tests: two blocks, 64 wide, patches of 16."""

import torch
from transformers import ViltConfig

from ktlib.models.vilt import PairScorer
from ktlib.pocket.training.vilt import tokenizer

WORDS = tokenizer()


def tiny_vilt(seed=0, *, image_size=32, patch=16, context=40):
    config = ViltConfig(
        vocab_size=len(WORDS), hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        image_size=image_size, patch_size=patch, max_position_embeddings=context, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = PairScorer(config, WORDS, name="pocket/tiny")
    embeddings = model.vilt.embeddings
    # transformers starts positions at zero and all else near it; here what is seen should matter
    spread = {
        embeddings.position_embeddings: 0.5, embeddings.cls_token: 0.5,
        embeddings.patch_embeddings.projection.weight: 0.5,
        model.vilt.pooler.dense.weight: 0.1, model.itm_score["fc"].weight: 0.2,
    }  # fmt: skip
    with torch.no_grad():
        for parameter, std in spread.items():
            torch.nn.init.normal_(parameter, std=std, generator=torch.Generator().manual_seed(seed))
    return model.requires_grad_(False).eval()
