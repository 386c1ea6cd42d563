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
import difflib
import functools
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoTokenizer, ViltConfig, ViltModel
from transformers.models.vilt.modeling_vilt import ViltMLMHead

MATCH = 1  # row of the matching head that says "they belong together" (ViLT's code)
LONGEST = 1333 / 800  # a long side over a short one at most (ViLT's MinMaxResize)
PUBLISHED, TOKENIZER = "dandelin/vilt-b32-mlm-itm", "dandelin/vilt-b32-mlm"
WEIGHTS = "vilt_model.safetensors"  # ours; the published file is a pytorch_model.bin


class PairScorer(nn.Module):
    """A model that scores an image and a text together.

    Images are float32 `(batch, 3, height, width)`, RGB in [0, 1], not normalised; resizing,
    normalising and tokenising happen in here.

    Attributes:
        name: as given to `load_pair`.
        image_size: the short side in pixels; the long one may be longer by `LONGEST`.
        patch: side of a patch in pixels; both sides of an image become multiples of it.
        context_length: most tokens a text may have, start and end included.
        vilt: the shared transformer with its embeddings and its pooler.
        itm_score: the matching head, two logits.
        mlm_score: the head that guesses masked words.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ViltConfig, tokenizer: Any, *, name: str, mean: float = 0.5, std: float = 0.5) -> None:
        super().__init__()
        self.vilt = ViltModel(config).eval()
        self.itm_score = nn.ModuleDict({"fc": nn.Linear(config.hidden_size, 2)})
        self.mlm_score = ViltMLMHead(config)
        self.mlm_score.decoder.weight = self.vilt.embeddings.text_embeddings.word_embeddings.weight  # tied
        self.config, self.tokenizer, self.name = config, tokenizer, name
        self.image_size, self.patch = _side(config.image_size), _side(config.patch_size)
        self.context_length: int = config.max_position_embeddings
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

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
        x = embeddings.patch_embeddings((self.prepare(images) - self.mean) / self.std)  # (batch, width, rows, columns)
        side = self.image_size // self.patch
        places = embeddings.position_embeddings[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        if tuple(x.shape[-2:]) != (side, side):
            places = F.interpolate(places, size=x.shape[-2:], mode="bilinear", align_corners=True)
        patches = (x + places).flatten(2).transpose(1, 2)
        whole = (embeddings.cls_token + embeddings.position_embeddings[:, :1]).expand(len(x), -1, -1)
        return torch.cat([whole, patches], 1)

    def prepare(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 rows columns"]:
        """Images in the size that `target_size` says."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected images (batch, 3, height, width) in [0, 1], found {tuple(images.shape)}")
        height, width = images.shape[-2:]
        size = self.target_size(height, width)
        if size == (height, width):
            return images
        smaller = size[0] < height or size[1] < width
        return F.interpolate(images, size, mode="bicubic", antialias=smaller)

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

    def tokenize(self, texts: Sequence[str]) -> Int[Tensor, "batch length"]:
        """Token ids, padded to the longest of these texts.

        Raises:
            ValueError: a text is too long or has unknown words; nothing is ever cut off silently.
        """
        if isinstance(texts, str):
            raise ValueError(f"expected a list of texts, found one string: write [{texts!r}]")
        rows = [self.tokenizer(text).input_ids for text in texts]
        for text, row in zip(texts, rows, strict=True):
            self._check(text, row)
        longest, pad = max(map(len, rows)), self.tokenizer.pad_token_id
        return torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=self.mean.device)

    def token_count(self, text: str) -> int:
        """Tokens a text takes, start and end included."""
        return len(self.tokenizer(text).input_ids)

    def mask_words(
        self, texts: Sequence[str], generator: torch.Generator, *, share: float = 0.15
    ) -> tuple[Int[Tensor, "batch length"], Int[Tensor, "batch length"]]:
        """Texts with whole words masked, and labels for `word_loss`.

        At least one word a text, else words until `share` of the tokens is reached; the pieces of a
        word go together. Of the chosen tokens eight in ten become the mask, one a random word, one
        stays. Words are chosen before padding, so padding does not count.

        Args:
            texts: to be masked, each on its own.
            generator: on the CPU.
            share: of the tokens.

        Source: KT v1, Sec. 8.9 (D38); transformers' `DataCollatorForWholeWordMask`, BERT.
        """
        ids = self.tokenize(texts)
        labels = torch.full_like(ids, -100)
        for row, label in zip(ids, labels, strict=True):
            words = self._words(row.tolist())
            wanted, taken = max(1, round(share * int((row != self.tokenizer.pad_token_id).sum()))), 0
            for word in torch.randperm(len(words), generator=generator).tolist():
                if taken and taken + len(words[word]) > wanted:
                    continue
                for place in words[word]:
                    label[place] = row[place]
                    kind, other = torch.rand(2, generator=generator).tolist()
                    if kind < 0.8:
                        row[place] = self.tokenizer.mask_token_id
                    elif kind < 0.9:
                        row[place] = int(other * self.config.vocab_size)
                taken += len(words[word])
                if taken >= wanted:
                    break
        return ids, labels

    # -- housekeeping ---------------------------------------------------------------------------
    def digest(self) -> str:
        """sha256 of all weights, as float16 so that stored and computed halves agree; first 16 digits."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().half().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

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

    def _words(self, row: list[int]) -> list[list[int]]:
        """Places of each word's pieces; special tokens are no words."""
        special = {self.tokenizer.pad_token_id, self.tokenizer.cls_token_id, self.tokenizer.sep_token_id}
        words: list[list[int]] = []
        for place, token in enumerate(self.tokenizer.convert_ids_to_tokens(row)):
            if row[place] in special:
                continue
            if token.startswith("##") and words:
                words[-1].append(place)
            else:
                words.append([place])
        return words

    def _check(self, text: str, row: list[int]) -> None:
        if self.name.startswith("pocket/") and self.tokenizer.unk_token_id in row:  # BERT knows pieces of any word
            known = self.tokenizer.get_vocab()
            unknown = [w for w in text.lower().replace(".", "").split() if w not in known]
            raise ValueError(
                f"{self.name} does not know {', '.join(map(repr, unknown))} in {text!r}: a pocket model speaks "
                "only the world's words; `python -m ktlib pocket words` lists them"
            )
        if len(row) > self.context_length:
            raise ValueError(
                f"expected at most {self.context_length} tokens for {self.name}, found {len(row)} in {text!r}: "
                "shorten it (the name in front of a description counts too)"
            )


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


def from_state(state: Mapping[str, Tensor], config: ViltConfig, tokenizer: Any, *, name: str) -> PairScorer:
    """A model from a checkpoint's tensors, with every head it needs or not at all.

    Args:
        state: `vilt.*`, `itm_score.fc.*` and `mlm_score.*`, as in `vilt-b32-mlm-itm`.
        config: sizes.
        tokenizer: of transformers.
        name: for messages and rows.

    Raises:
        ValueError: a weight is missing (a head, say) or is not known; nothing is left random.
    """
    with torch.random.fork_rng(devices=[]):
        model = PairScorer(config, tokenizer, name=name)
    kept = {key: tensor.float() for key, tensor in state.items() if not key.endswith(_BUFFERS)}
    if "mlm_score.bias" in kept:  # transformers 4 kept the decoder's bias beside it
        kept["mlm_score.decoder.bias"] = kept.pop("mlm_score.bias")
    words = "vilt.embeddings.text_embeddings.word_embeddings.weight"
    if words in kept:  # the decoder is tied to them, and a safetensors file holds a tied weight once
        kept.setdefault("mlm_score.decoder.weight", kept[words])
    expected = model.state_dict().keys()
    missing, strange = sorted(expected - kept.keys()), sorted(kept.keys() - expected)
    if missing or strange:
        raise ValueError(
            f"{name}: expected the weights of vilt, itm_score.fc and mlm_score; missing: {_some(missing)}; "
            f"unknown: {_some(strange)}. Fine-tuned checkpoints and those of vilt-b32-mlm lack the matching head; "
            f"take {PUBLISHED}"
        )
    model.load_state_dict(kept)
    return model.requires_grad_(False).eval()


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "") if keys else "none"


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
    kinds = (WEIGHTS, "model.safetensors", "pytorch_model.bin")
    found = [folder / kind for kind in kinds if (folder / kind).exists()]
    if not found or not (folder / "config.json").exists():
        there = ", ".join(sorted(p.name for p in folder.glob("*"))) or "nothing"
        raise FileNotFoundError(f"expected config.json and one of {', '.join(kinds)} in {folder}, found {there}")
    safe = found[0].suffix == ".safetensors"
    state = load_file(found[0]) if safe else torch.load(found[0], weights_only=True, map_location="cpu")
    config = _config(json.loads((folder / "config.json").read_text()))
    return from_state(state, config, AutoTokenizer.from_pretrained(tokenizer or folder), name=name)


def _config(facts: Mapping[str, Any]) -> ViltConfig:
    """Sizes of a checkpoint; dropout is 0, as in the papers' runs through transformers."""
    return ViltConfig(**{k: v for k, v in facts.items() if k not in ("architectures", "transformers_version")})


def pair_names() -> list[str]:
    """Names that `load_pair` takes."""
    from ktlib.pocket import weights

    shipped = sorted(p.parent.name for p in weights.HERE.glob(f"*/{WEIGHTS}"))
    return [*(f"pocket/{n}" for n in shipped), PUBLISHED, "random/vilt-b32"]


def load_pair(name: str) -> PairScorer:
    """A pair scorer by name: float32, evaluation mode, frozen, on the CPU.

    Args:
        name: `pocket/vilt-b` (ours, shipped), `dandelin/vilt-b32-mlm-itm` (published), or
            `random/vilt-b32` (the published size, random weights of seed 0, the pocket's words).

    Raises:
        ValueError: no such model, or a checkpoint without its heads.
        FileNotFoundError: published weights that are not here, and downloads are switched off.
        RuntimeError: damaged weights.
    """
    from ktlib.pocket import weights

    if name.startswith("pocket/") and name in pair_names():
        return from_folder(_whole(weights.HERE / name.removeprefix("pocket/")), name=name)
    if name == PUBLISHED:
        return _published()
    if name == "random/vilt-b32":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # transformers initialises from the global generator
            model = PairScorer(ViltConfig(), _pocket_tokenizer(), name=name)
        return model.requires_grad_(False).eval()
    near = difflib.get_close_matches(name, pair_names(), n=3, cutoff=0.3) or pair_names()
    raise ValueError(f"expected the name of a pair scorer, found {name!r}; did you mean {', '.join(near)}?")


@functools.cache
def _whole(folder: Path) -> Path:
    """The folder of a pocket model, its digests checked once a process."""
    from ktlib.pocket import weights

    weights.verify(folder)
    return folder


def _pocket_tokenizer() -> Any:
    """The pocket's words, with an error for none: at rehearsal only the number of tokens matters."""
    from ktlib.pocket.training.vilt import tokenizer

    return tokenizer()


def _published() -> PairScorer:
    """`vilt-b32-mlm-itm` with the tokenizer of `vilt-b32-mlm`: its own repository has none."""
    from ktlib.data import manifests

    wanted = manifests.checkpoint(PUBLISHED)
    gap = manifests.missing_checkpoint(wanted)
    if gap and os.environ.get("HF_HUB_OFFLINE") == "1":
        raise FileNotFoundError(str(gap))
    file = wanted.file() or Path(hf_hub_download(PUBLISHED, wanted.wanted))
    try:
        words = AutoTokenizer.from_pretrained(TOKENIZER)
    except OSError as error:
        raise FileNotFoundError(
            f"expected the tokenizer of {TOKENIZER} in the hub's cache, found none; get it: hf download {TOKENIZER}"
        ) from error
    state = torch.load(file, weights_only=True, map_location="cpu")
    return from_state(state, ViltConfig(), words, name=PUBLISHED)  # ViltConfig's defaults are the published sizes
