"""ViLT: one transformer that reads a caption and looks at an image at the same time, and says whether they match.

transformers (5.23) has every part of ViLT but no class that holds the image-text matching head of
`vilt-b32-mlm-itm`: its retrieval class would put a random layer in that head's place and only warn.
Here the parts are put together by hand, and a checkpoint without a head is refused.

Two things differ from `ViltModel.forward`, neither in its result. Patches keep their order, where
transformers shuffles them (`torch.multinomial`, even in evaluation mode). And the last block works
out the first token alone, which is all that the pooler reads.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoTokenizer, ViltConfig, ViltModel
from transformers.models.vilt.modeling_vilt import ViltMLMHead

from ktlib.models import checkpoints, inputs, masking
from ktlib.models.protocols import Prompts
from ktlib.models.scoring import MATCH, SHARD, Texts, chosen_score

LONGEST = 1333 / 800  # a long side over a short one at most (ViLT's MinMaxResize)
PUBLISHED = "dandelin/vilt-b32-mlm-itm"


class PairScorer(nn.Module):
    """A model that scores an image and a text together.

    Images are float32 `(batch, 3, height, width)`, RGB in [0, 1], not normalised; resizing,
    normalising and tokenising happen in here.

    Attributes:
        name: as given to `ktlib.load`.
        image_size: the short side in pixels; the long one may be longer by `LONGEST`.
        patch: side of a patch in pixels; both sides of an image become multiples of it.
        context_length: most tokens a text may have, start and end included.
        vilt: the shared transformer with its embeddings and its pooler.
        itm_score: the matching head, two logits.
        mlm_score: the head that guesses masked words.
        closed: whether a word that the tokenizer does not know is an error. A tokenizer of word pieces
            knows pieces of any word, and random weights understand none.
    """

    weights_file: ClassVar[str] = checkpoints.PAIR
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        config: ViltConfig,
        tokenizer: Any,
        *,
        name: str,
        mean: float = 0.5,
        std: float = 0.5,
        closed: bool = True,
    ) -> None:
        super().__init__()
        self.vilt = ViltModel(config).eval()
        self.itm_score = nn.ModuleDict({"fc": nn.Linear(config.hidden_size, 2)})
        self.mlm_score = ViltMLMHead(config)
        self.mlm_score.decoder.weight = self.vilt.embeddings.text_embeddings.word_embeddings.weight  # tied
        self.config, self.tokenizer, self.name, self.closed = config, tokenizer, name, closed
        self.image_size, self.patch = _side(config.image_size), _side(config.patch_size)
        self.context_length: int = config.max_position_embeddings
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device

    # -- scores ---------------------------------------------------------------------------------
    def match(self, images: Float[Tensor, "batch 3 height width"], texts: Sequence[str]) -> Float[Tensor, "batch 2"]:
        """Two logits for each image and the text in the same place: apart, and (`MATCH`) together.

        Raises:
            ValueError: counts that differ, a text that is too long or has unknown words.
        """
        if len(images) != len(texts):
            raise ValueError(f"expected one text an image, found {len(images)} images and {len(texts)} texts")
        return self.match_tokens(self.embed_image(images), self.tokenize(texts))

    def match_tokens(
        self, patches: Float[Tensor, "batch tokens channels"], ids: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch 2"]:
        """`match` for images and texts that were prepared before: `embed_image` and `tokenize`."""
        x, mask = self._joined(patches, ids)
        for layer in self.vilt.encoder.layer[:-1]:
            x = layer(x, mask)[0]
        first = _first_token(self.vilt.encoder.layer[-1], x, mask)  # (batch, 1, width)
        return self.itm_score["fc"](self.vilt.pooler(self.vilt.layernorm(first)))

    def read(
        self, patches: Float[Tensor, "batch tokens channels"], ids: Int[Tensor, "batch length"]
    ) -> tuple[Float[Tensor, "batch 2"], Float[Tensor, "batch length channels"]]:
        """The matching logits, and what the transformer makes of each token of the text."""
        x, mask = self._joined(patches, ids)
        for layer in self.vilt.encoder.layer:
            x = layer(x, mask)[0]
        x = self.vilt.layernorm(x[:, : ids.shape[1]])
        return self.itm_score["fc"](self.vilt.pooler(x)), x

    def word_loss(
        self,
        patches: Float[Tensor, "batch tokens channels"],
        ids: Int[Tensor, "batch length"],
        labels: Int[Tensor, "batch length"],
    ) -> Float[Tensor, ""]:
        """Masked language modelling: cross-entropy of the words that were masked, given text and image.

        Args:
            patches: from `embed_image`.
            ids: of the masked texts.
            labels: the true id where a word was masked, -100 elsewhere (`mask_words`).
        """
        _, x = self.read(patches, ids)
        return self.guess(x, labels)

    def guess(
        self, x: Float[Tensor, "batch length channels"], labels: Int[Tensor, "batch length"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy of the masked words from what `read` made of them."""
        wanted = labels >= 0
        return F.cross_entropy(self.mlm_score(x[wanted]), labels[wanted])

    def attention(
        self, images: Float[Tensor, "batch 3 height width"], texts: Sequence[str]
    ) -> Float[Tensor, "layers batch heads tokens tokens"]:
        """Attention of every block: the text's tokens come first, then the image's own, then its patches in order."""
        x, mask = self._joined(self.embed_image(images), self.tokenize(texts))
        found = []
        for layer in self.vilt.encoder.layer:
            x, weights = layer(x, mask, output_attentions=True)
            found.append(weights)
        return torch.stack(found)

    # -- what goes in ---------------------------------------------------------------------------
    def embed_image(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens channels"]:
        """The image's tokens, row by row behind one for the whole: what can be kept for many texts.

        Args:
            images: RGB in [0, 1], all of one size; resized (bicubic) as ViLT's processor does.
        """
        embeddings = self.vilt.embeddings
        pixels = inputs.prepare(images, self._target_size_of(images), self.mean, self.std)
        x = embeddings.patch_embeddings(pixels)  # (batch, width, rows, columns)
        side = self.image_size // self.patch
        places = embeddings.position_embeddings[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        if tuple(x.shape[-2:]) != (side, side):
            places = F.interpolate(places, size=x.shape[-2:], mode="bilinear", align_corners=True)
        patches = (x + places).flatten(2).transpose(1, 2)
        whole = (embeddings.cls_token + embeddings.position_embeddings[:, :1]).expand(len(x), -1, -1)
        return torch.cat([whole, patches], 1)

    def prepare(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 rows columns"]:
        """Images in the size that `target_size` says."""
        return inputs.resize(images, self._target_size_of(images))

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width an image is resized to: the short side `image_size`, both multiples of a patch.

        Source: ViLT's `MinMaxResize`; transformers' `ViltImageProcessor` gives the same.
        """
        limit = int(LONGEST * self.image_size)
        scale = self.image_size / min(height, width)
        new = [scale * height, scale * width]
        if max(new) > limit:
            shrink = limit / max(new)
            new = [side * shrink for side in new]
        rows, columns = (int(side + 0.5) // self.patch * self.patch for side in new)
        return rows, columns

    def _target_size_of(self, images: Tensor) -> tuple[int, int]:
        inputs.check_images(images)
        return self.target_size(*images.shape[-2:])

    def tokenize(self, texts: Sequence[str]) -> Int[Tensor, "batch length"]:
        """Token ids, padded to the longest of these texts.

        Raises:
            ValueError: a text is too long or has unknown words; nothing is ever cut off silently.
        """
        inputs.check_texts(texts)
        rows = [self.tokenizer(text).input_ids for text in texts]
        words = self.tokenizer if self.closed else None
        for text, row in zip(texts, rows, strict=True):
            inputs.check_tokens(text, row, name=self.name, most=self.context_length, tokenizer=words)
        longest, pad = max(map(len, rows)), self.tokenizer.pad_token_id
        return torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=self.device)

    def token_count(self, text: str) -> int:
        """Tokens a text takes, start and end included."""
        return len(self.tokenizer(text).input_ids)

    def mask_words(
        self, texts: Sequence[str], generator: torch.Generator, *, share: float = 0.15
    ) -> tuple[Int[Tensor, "batch length"], Int[Tensor, "batch length"]]:
        """Texts with whole words masked, and labels for `word_loss`; see `masking.mask_words`."""
        ids = self.tokenize(texts)
        return masking.mask_words(ids, self.tokenizer, generator, vocabulary=self.config.vocab_size, share=share)

    # -- what inversion asks ----------------------------------------------------------------------
    def target(self, texts: Sequence[str], *, distance: str = "l2") -> Int[Tensor, "batch length"]:
        """Token ids of texts: there is no feature to compare with, image and text are read together."""
        return self.tokenize(texts)

    def score(
        self,
        images: Float[Tensor, "batch 3 height width"],
        target: Int[Tensor, "batch length"],
        *,
        distance: str = "l2",
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """How far images are from matching their texts, and the probability that they match.

        The distance is the cross-entropy of the matching head towards "they belong together", whatever
        distance between features is asked for.

        Source: KT v1, Sec. 4.3.
        """
        logits = self.match_tokens(self.embed_image(images), target)
        together = torch.full((len(images),), MATCH, device=logits.device)
        far = F.cross_entropy(logits, together, reduction="none")
        return far, logits.detach().float().softmax(1)[:, MATCH]

    def noise(
        self, count: int, generator: torch.Generator, *, side: int | None = None
    ) -> Float[Tensor, "count 3 side side"]:
        """Normal pixels in the model's own range, cut off where they leave [0, 1]; on the CPU.

        Source: KT v1, Sec. 4.3 and 8.9 (D30).
        """
        side = side or self.image_size
        drawn = torch.randn((count, 3, side, side), generator=generator)
        return (drawn * self.std.cpu() + self.mean.cpu()).clamp(0, 1)

    def from_block(self, block: int) -> NoReturn:
        """Refused: what enters a block holds a text as well as an image.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"expected layer=None for {self.name}, found {block}: Eq. 4 is for dual encoders")

    # -- what recognition asks --------------------------------------------------------------------
    def classifier(self, groups: Sequence[Prompts], *, score: str = "logit") -> Callable[[Tensor], Tensor]:
        """Match scores of images beside every prompt; a class with several prompts has their mean.

        Args:
            groups: classes.
            score: `logit` or `softmax` (D32).

        Source: KT v1, Tab. 1, ViLT rows: argmax of the match score over all class prompts.
        """
        prompts = [template.format(name) for names, templates in groups for name in names for template in templates]
        texts, sizes = Texts(self, prompts), [len(names) * len(templates) for names, templates in groups]

        def scores(images: Tensor) -> Tensor:
            shards = [range(i, min(i + SHARD, len(images))) for i in range(0, len(images), SHARD)]
            both = chosen_score(torch.cat([texts.beside(images, shard) for shard in shards]), score)
            parts = zip(both.split(sizes, 1), groups, strict=True)
            return torch.cat([part.unflatten(1, (len(g.names), len(g.templates))).mean(2) for part, g in parts], 1)

        return scores

    # -- housekeeping ---------------------------------------------------------------------------
    def digest(self) -> str:
        """sha256 of all weights, as float16 so that stored and computed halves agree; first 16 digits."""
        return checkpoints.weights_digest(self)

    def copy(self) -> PairScorer:
        """An independent copy of the weights; the tokenizer is shared."""
        return copy.deepcopy(self, {id(self.tokenizer): self.tokenizer})

    def _joined(self, patches: Tensor, ids: Tensor) -> tuple[Tensor, Tensor | None]:
        """Text and image tokens in one sequence, and what keeps them from looking at padding (None: there is none)."""
        said = ids != self.tokenizer.pad_token_id
        there = torch.ones(patches.shape[:2], dtype=torch.long, device=ids.device)
        x, mask = self.vilt.embeddings(ids, said.long(), None, None, there, None, patches)
        if bool(said.all()):
            return x, None
        return x, (1 - mask[:, None, None].to(x.dtype)) * torch.finfo(x.dtype).min


def _side(size: Any) -> int:
    """A side in pixels; transformers would also take two of them."""
    if not isinstance(size, int):
        raise ValueError(f"expected square images and patches, found {size}")
    return size


def _first_token(layer: Any, x: Tensor, mask: Tensor | None) -> Tensor:
    """The last block for the first token alone: it looks at all others, and nobody reads those again.

    The arithmetic is that of transformers' `ViltLayer`.
    """
    attention = layer.attention.attention
    normed = layer.layernorm_before(x)
    shape = (len(x), -1, attention.num_attention_heads, attention.attention_head_size)
    query = attention.query(normed[:, :1]).view(shape).transpose(1, 2)
    key, value = (f(normed).view(shape).transpose(1, 2) for f in (attention.key, attention.value))
    scores = query @ key.transpose(-1, -2) / math.sqrt(attention.attention_head_size)
    weights = (scores if mask is None else scores + mask).softmax(-1)
    seen = (weights @ value).transpose(1, 2).flatten(2)  # (batch, 1, width)
    first = layer.attention.output.dense(seen) + x[:, :1]
    return layer.output(layer.intermediate(layer.layernorm_after(first)), first)


# -- loading ------------------------------------------------------------------------------------------
_BUFFERS = ("position_ids", "token_type_ids")  # the published file is older than transformers' non-persistent buffers


def from_state(
    state: Mapping[str, Tensor], config: ViltConfig, tokenizer: Any, *, name: str, closed: bool = True
) -> PairScorer:
    """A model from a checkpoint's tensors, with every head it needs or not at all.

    Args:
        state: `vilt.*`, `itm_score.fc.*` and `mlm_score.*`, as in `vilt-b32-mlm-itm`.
        config: sizes.
        tokenizer: of transformers.
        name: for messages and rows.
        closed: as in `PairScorer`.

    Raises:
        ValueError: a weight is missing (a head, say) or is not known; nothing is left random.
    """
    with torch.random.fork_rng(devices=[]):
        model = PairScorer(config, tokenizer, name=name, closed=closed)
    kept = {key: tensor.float() for key, tensor in state.items() if not key.endswith(_BUFFERS)}
    if "mlm_score.bias" in kept:  # transformers 4 kept the decoder's bias beside it
        kept["mlm_score.decoder.bias"] = kept.pop("mlm_score.bias")
    words = "vilt.embeddings.text_embeddings.word_embeddings.weight"
    if words in kept:  # the decoder is tied to them, and a safetensors file holds a tied weight once
        kept.setdefault("mlm_score.decoder.weight", kept[words])
    hint = f"Fine-tuned checkpoints and those of vilt-b32-mlm lack the matching head; take {PUBLISHED}"
    checkpoints.fill(model, kept, name=name, parts="vilt, itm_score.fc and mlm_score", hint=hint)
    return model.requires_grad_(False).eval()


def from_folder(folder: Path, *, name: str, tokenizer: Path | None = None) -> PairScorer:
    """A model from `config.json` and the weights: `vilt_model.safetensors`, `model.safetensors` or `pytorch_model.bin`.

    Args:
        folder: holds them.
        name: for messages and rows.
        tokenizer: the folder of the tokenizer where it is another one.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: as in `from_state`.
    """
    kinds = (checkpoints.PAIR, "model.safetensors", "pytorch_model.bin")
    found = [folder / kind for kind in kinds if (folder / kind).exists()]
    if not found or not (folder / "config.json").exists():
        there = ", ".join(sorted(p.name for p in folder.glob("*"))) or "nothing"
        raise FileNotFoundError(f"expected config.json and one of {', '.join(kinds)} in {folder}, found {there}")
    facts = json.loads((folder / "config.json").read_text())
    sizes = {k: v for k, v in facts.items() if k not in ("architectures", "transformers_version")}
    words = AutoTokenizer.from_pretrained(tokenizer or folder)
    # Dropout is 0, as in the papers' runs through transformers.
    return from_state(checkpoints.read(found[0]), ViltConfig(**sizes), words, name=name)
