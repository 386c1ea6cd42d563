"""A tiny random captioner for tests, with the words of the tiny CLIP, whose decoder has something to say."""

import torch
from open_clip import CoCa
from torch import nn

from ktlib.models.coca import Captioner
from tests.conftest import WORDS

PAD, UNKNOWN, START, END = 0, 1, 14, 15
NAMES = ["<pad>", "<unknown>", *WORDS, "<start>", "<end>"]


class Words:
    """As open_clip wraps a tokenizer of transformers."""

    class _Inner:
        unk_token_id, pad_token_id, bos_token_id, eos_token_id = UNKNOWN, PAD, START, END

        def get_vocab(self):
            return {word: i for i, word in enumerate(NAMES)}

        def __call__(self, text):
            ids = [self.get_vocab().get(word, UNKNOWN) for word in text.lower().split()]
            return type("Encoding", (), {"input_ids": [START, *ids, END]})()

        def decode(self, ids, skip_special_tokens):
            special = (PAD, UNKNOWN, START, END) if skip_special_tokens else ()
            return " ".join(NAMES[i] for i in ids if i not in special)

    def __init__(self, context):
        self.tokenizer, self.context = self._Inner(), context

    def __call__(self, texts):
        rows = [self.tokenizer(text).input_ids for text in texts]
        return torch.tensor([row + [PAD] * (self.context - len(row)) for row in rows])


def tiny_coca(seed=0, *, context=12, sharp=3.0, ending=0.0):
    """32 pixels in patches of 8, 32 dimensions, two layers everywhere.

    Args:
        seed: of all weights.
        context: most tokens.
        sharp: spread of the scores of words.
        ending: what is added to the score of the end, whatever came before.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = CoCa(
            embed_dim=32,
            vision_cfg={
                "image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32,
                "attentional_pool": True, "attn_pooler_queries": 6, "attn_pooler_heads": 4, "output_tokens": True,
            },
            text_cfg={
                "context_length": context, "vocab_size": 16, "width": 32, "heads": 4, "layers": 2, "embed_cls": True,
                "output_tokens": True,
            },
            multimodal_cfg={"context_length": context, "vocab_size": 16, "width": 32, "heads": 4, "layers": 2},
        )  # fmt: skip
        for parameter in clip.parameters():  # open_clip's own start makes all words and all images nearly alike
            if parameter.ndim >= 2:
                nn.init.normal_(parameter, std=0.5 * parameter.shape[-1] ** -0.5)
        for embedding in (clip.text.token_embedding.weight, clip.text.positional_embedding):
            nn.init.normal_(embedding, std=1.0)
        nn.init.normal_(clip.text_decoder.text_projection, std=sharp * 32**-0.5)
        with torch.no_grad():  # the last channel says the same everywhere
            clip.text_decoder.ln_final.weight[-1], clip.text_decoder.ln_final.bias[-1] = 0.0, 1.0
            clip.text_decoder.text_projection[-1] = torch.eye(16)[END] * ending
    clip.requires_grad_(False)
    return Captioner(clip, Words(context), name="tiny", mean=[0.5] * 3, std=[0.25] * 3)
