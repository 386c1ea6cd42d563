"""MedCLIP: a dual encoder of a Swin and a clinical BERT, for films of the chest.

The published architecture through transformers: Swin-Tiny, pooled, and Bio_ClinicalBERT, each followed by a
projection without bias. What MedCLIP's code leaves to chance or to the caller is decided here (D59):

- Grey. Films are grey, so three channels are made one by their mean, and that one is shown three times (for
  equal channels the same as PIL's grey). Inversion starts from grey noise, and since all three channels then
  get the same gradient, it moves one channel.
- Square. A picture is padded with black to a square, as MedCLIP's processor does; a small one is enlarged,
  where the processor would put it in the middle of a black square of 224.
- Padding of texts. MedCLIP averages over all places of a batch of texts, those that only pad it included, so a
  text's vector depends on its neighbours. By default a text is averaged over its own tokens, which is what
  MedCLIP gives for a text alone; `padding="batch"` is the published arithmetic.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AutoTokenizer, BertConfig, BertModel, PretrainedConfig, SwinConfig, SwinModel

from ktlib.models import checkpoints, inputs
from ktlib.models.dual import DualEncoder
from ktlib.models.protocols import Prompts

PUBLISHED = "RyanWangZf/MedCLIP-ViT"
MEMBER = "pytorch_model.bin"  # of the published zip
MEAN, STD = 0.5862785803043838, 0.27950088968644304  # of the one grey channel (MedCLIP's constants)
DIM, CONTEXT_LENGTH = 512, 77  # published projection, and most tokens that its processor reads
MOST_SCALE = 4.6052  # log of 100: MedCLIP clamps the logit scale there
PADDINGS, ENSEMBLES = ("own", "batch"), ("max", "mean")
_LAYERS = [1, 2, -1]  # hidden states whose mean stands for a token


def published_sizes() -> tuple[SwinConfig, BertConfig]:
    """Sizes of `microsoft/swin-tiny-patch4-window7-224` and of `emilyalsentzer/Bio_ClinicalBERT`."""
    swin = SwinConfig(embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=7)
    return swin, BertConfig(vocab_size=28_996)


class VisionTower(nn.Module):
    """A Swin, the mean over its last patches, and a projection.

    Attributes:
        image_size: side in pixels.
    """

    def __init__(self, config: SwinConfig, dim: int) -> None:
        super().__init__()
        self.model = SwinModel(config)
        self.projection_head = nn.Linear(self.model.num_features, dim, bias=False)
        sides: Any = config.image_size
        self.image_size: int = sides

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "rows dim"]:
        """Projected features of normalised pixels, not of unit length; more than images where a hook makes copies."""
        return self.projection_head(self.model(pixels).pooler_output)


class TextTower(nn.Module):
    """A BERT, the mean over three of its layers and over tokens, and a projection."""

    def __init__(self, config: BertConfig, dim: int) -> None:
        super().__init__()
        self.model = BertModel(config)
        self.projection_head = nn.Linear(config.hidden_size, dim, bias=False)

    def forward(
        self,
        ids: Int[Tensor, "batch length"],
        said: Bool[Tensor, "batch length"],
        counted: Bool[Tensor, "batch length"],
    ) -> Float[Tensor, "batch dim"]:
        """Projected features of texts, not of unit length.

        Args:
            ids: of tokens.
            said: which of them are words of the text, and are attended to.
            counted: which of them the mean is taken over.
        """
        hidden = self.model(input_ids=ids, attention_mask=said.long(), output_hidden_states=True).hidden_states
        tokens = torch.stack([hidden[layer] for layer in _LAYERS]).mean(0)  # (batch, length, width)
        weights = counted[..., None].to(tokens.dtype)
        return self.projection_head((tokens * weights).sum(1) / weights.sum(1))


class Towers(nn.Module):
    """Both towers under the names that MedCLIP's file gives them."""

    def __init__(self, swin: SwinConfig, bert: BertConfig, *, dim: int = DIM, context: int = CONTEXT_LENGTH) -> None:
        super().__init__()
        self.vision_model = VisionTower(swin, dim)
        self.text_model = TextTower(bert, dim)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.context_length = context

    @property
    def visual(self) -> VisionTower:
        """The visual tower."""
        return self.vision_model

    def encode_image(self, pixels: Tensor, normalize: bool = False) -> Tensor:
        """As open_clip's models do; features as the projection makes them, or of unit length."""
        features = self.vision_model(pixels)
        return F.normalize(features, dim=-1) if normalize else features


class MedCLIP(DualEncoder):
    """A dual encoder that reads reports and looks at grey pictures.

    Images are float32 `(batch, 3, height, width)`, in [0, 1], not normalised; all else happens in here.

    Attributes:
        padding: `own`, or `batch`: whether places that only pad a batch of texts count in a text's mean.
        ensemble: `max` or `mean` over the prompts of a class; the published evaluation has the maximum.
        closed: whether a word that the tokenizer does not know is an error.
    """

    weights_file: ClassVar[str] = checkpoints.MEDCLIP

    def __init__(
        self,
        clip: Towers,
        tokenizer: Any,
        *,
        name: str,
        mean: float = MEAN,
        std: float = STD,
        padding: str = "own",
        ensemble: str = "max",
        closed: bool = True,
    ) -> None:
        super().__init__(clip, tokenizer, name=name, mean=[mean] * 3, std=[std] * 3)
        if padding not in PADDINGS or ensemble not in ENSEMBLES:
            raise ValueError(
                f"expected padding {' or '.join(PADDINGS)} and ensemble {' or '.join(ENSEMBLES)}, "
                f"found {padding!r} and {ensemble!r}"
            )
        self.padding, self.ensemble, self.closed = padding, ensemble, closed

    def variant(self, *, padding: str | None = None, ensemble: str | None = None) -> MedCLIP:
        """The same weights, shared, under another policy.

        Args:
            padding, ensemble: as the attributes; None leaves one as it is.

        Raises:
            ValueError: another word for either.
        """
        return MedCLIP(
            self.clip,
            self.tokenizer,
            name=self.name,
            mean=float(self.mean.flatten()[0]),
            std=float(self.std.flatten()[0]),
            padding=padding or self.padding,
            ensemble=ensemble or self.ensemble,
            closed=self.closed,
        )

    @property
    def logit_scale(self) -> Float[Tensor, ""]:
        """What the model multiplies cosines with: from 1 to 100."""
        return self.clip.logit_scale.clamp(0, MOST_SCALE).exp()

    def encode_text(self, texts: Sequence[str], *, normalize: bool = True) -> Float[Tensor, "batch dim"]:
        """Unit vectors of texts.

        Raises:
            ValueError: a text is longer than the context, or has words the tokenizer does not know.

        Source: MedCLIP's text encoder: mean over three layers and over tokens; which tokens, `padding` says.
        """
        ids = self.tokenize(texts)
        said = ids != self.tokenizer.pad_token_id
        counted = said if self.padding == "own" else torch.ones_like(said)
        return self._finish(self.clip.text_model(ids, said, counted), normalize)

    def noise(
        self, count: int, generator: torch.Generator, *, side: int | None = None
    ) -> Float[Tensor, "count 3 side side"]:
        """Uniform grey pixels, on the CPU: three equal channels."""
        side = side or self.image_size
        return torch.rand((count, 1, side, side), generator=generator).repeat(1, 3, 1, 1)

    def over_picture(
        self, maps: Float[Tensor, "images rows columns"], height: int, width: int
    ) -> Float[Tensor, "images height width"]:
        """Maps of what the tower sees, laid over the picture: what lies over the black edges is cut off.

        Args:
            maps: over the whole padded square.
            height, width: of the pictures, in pixels.
        """
        side = max(height, width)
        square = F.interpolate(maps[:, None], (side, side), mode="nearest")[:, 0]
        top, left = (side - height) // 2, (side - width) // 2
        return square[:, top : top + height, left : left + width]

    # -- what recognition asks -------------------------------------------------------------------
    def classifier(self, groups: Sequence[Prompts], *, score: str = "logit") -> Callable[[Tensor], Tensor]:
        """The largest, or the mean, cosine of images to the prompts of each class.

        Args:
            groups: classes; the prompts of one class are read together.
            score: for models with a matching head; means nothing here.

        Source: MedCLIP's `PromptClassifier`; it multiplies with the logit scale, which changes no order.
        """
        classes = [inputs.prompts([name], group.templates) for group in groups for name in group.names]
        tower = self.text_digest()
        vectors = torch.cat([self.class_vectors(prompts, ["{}"], tower=tower) for prompts in classes])
        sizes = [len(prompts) for prompts in classes]

        def scores(images: Tensor) -> Tensor:
            parts = (self.encode_many(images) @ vectors.T).split(sizes, 1)
            return torch.stack([part.amax(1) if self.ensemble == "max" else part.mean(1) for part in parts], 1)

        return scores

    # -- texts and housekeeping ------------------------------------------------------------------
    def tokenize(self, texts: Sequence[str]) -> Int[Tensor, "batch length"]:
        """Token ids, padded to the longest of these texts.

        Raises:
            ValueError: a text is too long or has unknown words; nothing is ever cut off silently.
        """
        inputs.check_texts(texts)
        rows = [self._ids(text) for text in texts]
        words = self.tokenizer if self.closed else None
        for text, row in zip(texts, rows, strict=True):
            inputs.check_tokens(text, row, name=self.name, most=self.context_length, tokenizer=words)
            inputs.check_marks(text, row, name=self.name, tokenizer=self.tokenizer)
        longest, pad = max(map(len, rows)), self.tokenizer.pad_token_id
        return torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=self.device)

    def digest(self) -> str:
        """16 digits that tell models apart: of the weights and of the padding, which moves the texts' vectors."""
        return checkpoints.weights_digest(self.clip, self.padding)

    def described(self) -> dict[str, Any]:
        """What `config.json` says of this model beside its weights."""
        unsaid = ("transformers_version", "model_type")
        sizes = {
            part: {k: v for k, v in config.to_diff_dict().items() if k not in unsaid}
            for part, config in (("vision", self.clip.visual.model.config), ("text", self.clip.text_model.model.config))
        }
        numbers = {"mean": float(self.mean.flatten()[0]), "std": float(self.std.flatten()[0])}
        dim = self.clip.visual.projection_head.out_features
        return {"model_type": "medclip", **sizes, "dim": dim, "context_length": self.context_length} | numbers

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text).input_ids

    def _prepare(self, images: Tensor) -> Tensor:
        inputs.check_images(images)
        grey = images.mean(1, keepdim=True)
        height, width = images.shape[-2:]
        if height != width:
            side = max(height, width)
            top, left = (side - height) // 2, (side - width) // 2
            grey = F.pad(grey, (left, side - width - left, top, side - height - top))
        return super()._prepare(grey.expand(-1, 3, -1, -1))


# -- loading ------------------------------------------------------------------------------------------
# transformers 5.9 renamed the parts of its Swin; the published file has the older names. In this order.
_RENAMED = (
    ("attention.self.query", "attention.q_proj"),
    ("attention.self.key", "attention.k_proj"),
    ("attention.self.value", "attention.v_proj"),
    ("attention.self.relative_position_bias_table", "attention.relative_position_bias.relative_position_bias_table"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
)
_BUFFERS = "relative_position_index"  # of the Swin: worked out anew, no longer kept
_POSITIONS = "text_model.model.embeddings.position_ids"  # the same of the BERT


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's tensors under the names of today's transformers, without the buffers it no longer keeps."""
    found = {}
    for name, tensor in state.items():
        if name == _POSITIONS or (name.startswith("vision_model.") and name.endswith(_BUFFERS)):
            continue
        if name.startswith("vision_model.model.encoder."):
            for old, new in _RENAMED:
                name = name.replace(old, new)
        found[name] = tensor.float()
    return found


def from_state(
    state: Mapping[str, Tensor],
    swin: SwinConfig,
    bert: BertConfig,
    tokenizer: Any,
    *,
    name: str,
    dim: int = DIM,
    context_length: int = CONTEXT_LENGTH,
    mean: float = MEAN,
    std: float = STD,
    closed: bool = True,
) -> MedCLIP:
    """A model from a checkpoint's tensors: every weight, and none that is unknown; frozen.

    Args:
        state: as in the published file; names of any transformers from 4 on.
        swin, bert: sizes.
        tokenizer: of transformers.
        name: for messages and rows.
        dim: width of the vectors.
        context_length: most tokens of a text.
        mean, std: of the grey channel.
        closed: as in `MedCLIP`.

    Raises:
        ValueError: a weight is missing, unknown or of another shape; nothing is left random.
    """
    with torch.random.fork_rng(devices=[]):
        towers = Towers(swin, bert, dim=dim, context=context_length)
    hint = "Take the ViT file that data_manifests/checkpoints.yaml names, not the ResNet's"
    checkpoints.fill(towers, renamed(state), name=name, parts="a Swin and a BERT with a projection each", hint=hint)
    model = MedCLIP(towers, tokenizer, name=name, mean=mean, std=std, closed=closed)
    return model.requires_grad_(False).eval()


def read(file: Path) -> dict[str, Tensor]:
    """The tensors of the published zip, or of a weights file.

    Raises:
        ValueError: the zip is damaged, or holds no `pytorch_model.bin`.
    """
    if file.suffix != ".zip":
        return checkpoints.read(file)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name for name in archive.namelist() if name.rsplit("/", 1)[-1] == MEMBER]
            if len(members) != 1:
                found = checkpoints.some(archive.namelist())
                raise ValueError(f"expected one {MEMBER} in {file}, found {found}: fetch the zip again")
            weights = archive.read(members[0])
    except zipfile.BadZipFile as error:
        raise ValueError(f"expected a whole zip, found {file}, which is not ({error}): fetch it again") from error
    return torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)


def from_folder(folder: Path, *, name: str) -> MedCLIP:
    """A model from `config.json` (`MedCLIP.described`), the weights and a tokenizer.

    Args:
        folder: holds them; the weights in `medclip_model.safetensors` or `pytorch_model.bin`.
        name: for messages and rows.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: as in `from_state`.
    """
    kinds = (checkpoints.MEDCLIP, MEMBER)
    found = [folder / kind for kind in kinds if (folder / kind).exists()]
    if not found or not (folder / "config.json").exists():
        there = ", ".join(sorted(p.name for p in folder.glob("*"))) or "nothing"
        raise FileNotFoundError(f"expected config.json and one of {', '.join(kinds)} in {folder}, found {there}")
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del facts["model_type"]
    swin, bert = SwinConfig(**facts.pop("vision")), BertConfig(**facts.pop("text"))
    words = AutoTokenizer.from_pretrained(folder, config=PretrainedConfig())  # it would read ours, and warn
    return from_state(checkpoints.read(found[0]), swin, bert, words, name=name, **facts)


def random(tokenizer: Any, *, name: str) -> MedCLIP:
    """The published architecture with random weights (seed 0), frozen; any word is read.

    Args:
        tokenizer: of transformers.
        name: for messages and rows.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # transformers initialises from the global generator
        towers = Towers(*published_sizes())
    return MedCLIP(towers, tokenizer, name=name, closed=False).requires_grad_(False).eval()
