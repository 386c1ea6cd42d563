"""CoCa: a dual encoder that can also say what it sees, through a decoder that looks at the image.

open_clip's model as it is, with a `generate` of our own: open_clip's fails under transformers 5, runs the
text tower and the decoder over the whole text for every new word, and does what no other beam search does
(`decoding`). Here what was read stays read: keys and values of the words before are kept, those of the
image are worked out once and shared by its beams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from open_clip.transformer import MultimodalTransformer, TextTransformer
from torch import Tensor, nn

from ktlib.memory import halving
from ktlib.models import checkpoints, decoding
from ktlib.models.dual import DualEncoder, from_open_clip

AT_ONCE = 32  # images whose captions are searched for together; changes speed and memory, not captions
KeysValues = tuple[Tensor, Tensor]  # (rows, heads, length, channels) each


class Captioner(DualEncoder):
    """A dual encoder with a decoder that writes captions.

    All that `DualEncoder` says holds. Images become a vector for the contrast and tokens for the decoder;
    texts pass through the text tower first, whose words, not its vector, the decoder reads.
    """

    weights_file: ClassVar[str] = checkpoints.CAPTIONER

    def __init__(self, clip: Any, tokenizer: Any, *, name: str, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(clip, tokenizer, name=name, mean=mean, std=std)
        text = getattr(clip, "text", None)
        if not (isinstance(clip, open_clip.CoCa) and isinstance(text, TextTransformer) and text.cls_emb is not None):
            raise ValueError(f"expected open_clip's CoCa with a text tower of its own, found {type(clip).__name__}")
        self.start, self.end = self._special_ids()

    def _special_ids(self) -> tuple[int, int]:
        """Ids of the words that begin and end a text.

        Raises:
            ValueError: the tokenizer lacks one, or pads with another word than the model was built for.
        """
        words = self._of_transformers
        if words is None:
            return self.tokenizer.sot_token_id, self.tokenizer.eot_token_id
        found = {"start": words.bos_token_id, "end": words.eos_token_id, "padding": words.pad_token_id}
        if lacking := [what for what, number in found.items() if number is None]:
            raise ValueError(
                f"expected a tokenizer with ids for start, end and padding of {self.name}, found none for "
                f"{', '.join(lacking)}: a decoder needs them; set bos_token, eos_token and pad_token"
            )
        if found["padding"] != self.clip.pad_id:
            raise ValueError(f"expected padding {self.clip.pad_id} for {self.name}, found {found['padding']}")
        return found["start"], found["end"]

    def text_parameters(self) -> list[nn.Parameter]:
        """The text tower's weights; the decoder's are not among them."""
        return list(self.clip.text.parameters())

    def decoder_parameters(self) -> list[nn.Parameter]:
        """The decoder's weights, its projection onto words included."""
        return list(self.clip.text_decoder.parameters())

    # -- captions ---------------------------------------------------------------------------------
    def generate(
        self,
        images: Float[Tensor, "batch 3 height width"],
        *,
        search: str = "beam_logits",
        longest: int = 30,
        shortest: int = 5,
        beams: int = decoding.BEAMS,
        groups: int = decoding.GROUPS,
    ) -> list[str]:
        """A caption an image; without the words that begin and end a text, and without space around it.

        Args:
            images: RGB in [0, 1].
            search: of `decoding.SEARCHES`; the default is what open_clip did when the paper was written.
            longest: most words, the start counted.
            shortest: before so many words, the start counted, no caption ends.
            beams, groups: as in `decoding.search`.

        Raises:
            ValueError: an unknown search, numbers that do not fit each other or the model, or other pixels.

        Source: KT v1, Sec. 4.4.3; `longest`, `shortest`, `beams` and `groups` are open_clip's defaults (INFERRED).
        """
        if longest > self.context_length:
            raise ValueError(f"expected captions of at most {self.context_length} words, found longest={longest}")
        limits = decoding.Limits(self.start, self.end, longest, shortest)
        if images.numel() and not (images.min() >= 0 and images.max() <= 1):  # NaN is neither; a search waits anyway
            raise ValueError(
                f"expected images in [0, 1], found {images.min():g} to {images.max():g}: divide "
                "8-bit pixels by 255, and do not normalise: that is done here"
            )

        @torch.no_grad()
        def written(some: Sequence[int]) -> decoding.Found:
            _, seen = self.see(images[some[0] : some[-1] + 1].to(self.device))
            told = Continuation(self.clip.text, self.clip.text_decoder, seen, self.clip.pad_id)
            return decoding.search(told, len(some), limits, kind=search, beams=beams, groups=groups)

        found = halving(written, range(len(images)), at_once=AT_ONCE, what="captions")
        return [self._written(ids) for part in found for ids in part]

    def see(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch tokens dim"]]:
        """Unit vectors for the contrast and tokens for the decoder, from one look.

        Args:
            images: RGB in [0, 1].
        """
        pooled, tokens = self.clip.visual(self._prepare(images))
        return F.normalize(pooled, dim=-1), tokens

    def blank(self, count: int) -> Float[Tensor, "count 1 dim"]:
        """What the decoder looks at where there is no image: a single token of zeros.

        All values that attention can fetch are then the same, whatever it asks for, so nothing that is
        seen can say anything; one token does as well as 255. A picture of one colour would not do: it is
        something to see.

        Args:
            count: of texts.
        """
        return torch.zeros(count, 1, self.clip.text_decoder.width, device=self.device)

    def caption_loss(self, images: Float[Tensor, "batch 3 height width"], texts: Sequence[str]) -> Float[Tensor, ""]:
        """Mean cross-entropy of the words of captions, each guessed from those before it and the image.

        Args:
            images: RGB in [0, 1].
            texts: one an image.

        Raises:
            ValueError: counts that differ, a text that is too long or has unknown words.

        Source: KT v1, Eq. 5, which prints a sum; open_clip and we take the mean over words that are no padding.
        """
        return self.told_loss(self.see(images)[1], texts)

    def told_loss(self, seen: Float[Tensor, "batch tokens dim"], texts: Sequence[str]) -> Float[Tensor, ""]:
        """`caption_loss` from what was seen before (`see`, `blank`)."""
        if len(seen) != len(texts):
            raise ValueError(f"expected one text an image, found {len(seen)} images and {len(texts)} texts")
        ids = self.tokenize(texts)
        ids = ids[:, : int((ids == self.end).int().argmax(1).max()) + 1]  # what follows the longest is padding
        _, read = self.clip.text(ids[:, :-1])
        guessed = self.clip.text_decoder(seen, read)  # (batch, words, vocabulary)
        return F.cross_entropy(guessed.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=self.clip.pad_id)

    def _written(self, ids: Sequence[int]) -> str:
        """Words of ids; cut at the end, the start dropped."""
        kept = list(ids)[: ids.index(self.end)] if self.end in ids else list(ids)
        kept = [number for number in kept if number != self.start]
        if (words := self._of_transformers) is not None:
            return words.decode(kept, skip_special_tokens=True).strip()
        return self.tokenizer.decode(kept).strip()


class Continuation:
    """Text tower and decoder, going one word on: a `decoding.Step` that keeps what it has read.

    A text tower of open_clip's CoCa hides a word from those behind it if the word before it is padding
    (`correct_cls_mask` moved that by one, but not for published weights). A search may write padding,
    which for CLIP's words is an exclamation mark, so this is done here too.
    """

    def __init__(
        self, text: TextTransformer, decoder: MultimodalTransformer, seen: Float[Tensor, "images tokens dim"], pad: int
    ) -> None:
        self.text, self.decoder, self.pad = text, decoder, pad
        self.across = [_keys_values(block, block.ln_1_kv(seen)) for block in decoder.cross_attn]
        self.kept: dict[nn.Module, KeysValues] = {}
        self.words = torch.empty(len(seen), 0, dtype=torch.long, device=seen.device)  # (rows, length)
        self.open = 1

    def __call__(
        self, words: Int[Tensor, "images open"], rows: Int[Tensor, "images open"]
    ) -> Float[Tensor, "images open vocabulary"]:
        """Scores of the next word; see `decoding.Step`."""
        device = self.words.device
        if not torch.equal(rows.flatten(), torch.arange(len(self.words))):  # else all go on as they are
            self._follow(rows.to(device))
        images, self.open = words.shape
        self.words = torch.cat([self.words, words.to(device).view(-1, 1)], 1)
        place = self.words.shape[1] - 1
        x = self.text.token_embedding(self.words[:, -1:]) + self.text.positional_embedding[place]
        visible = self._visible()
        for block in self.text.transformer.resblocks:
            x = self._read(block, x, visible)
        for block, cross, seen in zip(self.decoder.resblocks, self.decoder.cross_attn, self.across, strict=True):
            x = self._read(block, x)
            x = _look(cross, x.view(images, self.open, -1), seen).view(images * self.open, 1, -1)
        return (self.decoder.ln_final(x) @ self.decoder.text_projection).view(images, self.open, -1)

    def _follow(self, rows: Int[Tensor, "images open"]) -> None:
        """Keep the texts that go on, in their new order, and the images that they belong to."""
        owners, parents = rows[:, 0] // self.open, rows.flatten()
        if len(owners) < len(self.across[0][0]):
            self.across = [(keys[owners], values[owners]) for keys, values in self.across]
        self.kept = {block: (keys[parents], values[parents]) for block, (keys, values) in self.kept.items()}
        self.words = self.words[parents]

    def _visible(self) -> Tensor:
        """Which words may be looked at: (rows, 1, 1, length)."""
        solid = self.words != self.pad
        if not self.text.correct_cls_mask:
            solid = torch.cat([torch.ones_like(solid[:, :1]), solid[:, :-1]], 1)
        return solid[:, None, None]

    def _read(self, block: Any, x: Float[Tensor, "rows 1 dim"], visible: Tensor | None = None) -> Tensor:
        """A block on the last word of each text, with what it made of the words before."""
        normed = block.ln_1(x)
        new = _keys_values(block, normed)
        old = self.kept.get(block)
        keys, values = new if old is None else (torch.cat([a, b], 2) for a, b in zip(old, new, strict=True))
        self.kept[block] = keys, values
        return _finish(block, x, _attend(block, normed, keys, values, visible))


def _look(block: Any, x: Float[Tensor, "images open dim"], seen: KeysValues) -> Tensor:
    """A block of cross attention: the open texts of an image look at it side by side."""
    return _finish(block, x, _attend(block, block.ln_1(x), *seen))


def _finish(block: Any, x: Tensor, attended: Tensor) -> Tensor:
    """The rest of a block: its two sums."""
    x = x + block.ls_1(attended)
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def _keys_values(block: Any, x: Float[Tensor, "rows length dim"]) -> KeysValues:
    attention, dim = block.attn, x.shape[-1]
    both = F.linear(x, attention.in_proj_weight[dim:], attention.in_proj_bias[dim:])
    keys, values = (_heads(part, attention.num_heads) for part in both.chunk(2, -1))
    return keys, values


def _attend(block: Any, x: Tensor, keys: Tensor, values: Tensor, visible: Tensor | None = None) -> Tensor:
    attention, dim = block.attn, x.shape[-1]
    asked = _heads(F.linear(x, attention.in_proj_weight[:dim], attention.in_proj_bias[:dim]), attention.num_heads)
    found = F.scaled_dot_product_attention(asked, keys, values, attn_mask=visible)
    return attention.out_proj(found.transpose(1, 2).flatten(2))


def _heads(x: Float[Tensor, "rows length dim"], heads: int) -> Float[Tensor, "rows heads length channels"]:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


# -- how it is made ---------------------------------------------------------------------------------
def initialise(clip: Any) -> None:
    """Give the decoder's projection onto words random values, in place, from the global generator.

    open_clip (3.3) leaves whatever the memory holds there: `torch.empty`, and its own initialisation is never called.

    Args:
        clip: open_clip's CoCa, untrained.

    Source: open_clip's `MultimodalTransformer.init_parameters`: a normal of the width's inverse root.
    """
    projection = clip.text_decoder.text_projection
    nn.init.normal_(projection, std=projection.shape[0] ** -0.5)


def random(architecture: str, *, name: str) -> Captioner:
    """A CoCa with random weights of seed 0, all of them.

    Args:
        architecture: as open_clip names it.
        name: for messages and rows.
    """
    model = from_open_clip(architecture, name=name, kind=Captioner)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        initialise(model.clip)
    return model
