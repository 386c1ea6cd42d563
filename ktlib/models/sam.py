"""SAM: outlines whatever lies in a box, through transformers and behind one word, `segment`."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from ktlib.memory import joined
from ktlib.models import checkpoints, inputs

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # SAM's 123.675 and 58.395 of 255, and so on
PUBLISHED = "facebook/sam-vit-huge"  # the size of MedCLIP-SAMv2's scripts; the others load with `local-dir:`
SIZES: dict[str, dict[str, Any]] = {  # of the image encoder (Kirillov et al. 2023)
    "base": {"width": 768, "layers": 12, "heads": 12, "whole": (2, 5, 8, 11)},
    "large": {"width": 1024, "layers": 24, "heads": 16, "whole": (5, 11, 17, 23)},
    "huge": {"width": 1280, "layers": 32, "heads": 16, "whole": (7, 15, 23, 31)},
}
_TIED = "prompt_encoder.shared_embedding.positional_embedding"  # to the one below; a file may hold it once
_ROOT = "shared_image_embedding.positional_embedding"


class Segmenter(nn.Module):
    """A model that outlines what lies in a box.

    Images are float32 `(batch, 3, height, width)`, RGB in [0, 1], not normalised; resizing, padding and
    normalising happen in here.

    Attributes:
        name: as given to `ktlib.load`.
        image_size: side in pixels of the square that the model takes.
        sam: of transformers.
    """

    weights_file: ClassVar[str] = checkpoints.SAM
    mean: Tensor
    std: Tensor

    def __init__(self, sam: SamModel, *, name: str) -> None:
        super().__init__()
        self.sam = sam.eval().float()
        self.name = name
        vision: Any = sam.config.vision_config
        self.image_size: int = vision.image_size
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device

    def segment(
        self,
        images: Float[Tensor, "images 3 height width"],
        boxes: Float[Tensor, "images 4"],
        *,
        embeddings: Float[Tensor, "images channels rows columns"] | None = None,
        at_once: int = 8,
    ) -> Bool[Tensor, "images height width"]:
        """The mask of what lies in each image's box: one mask a box, no points.

        Args:
            images: RGB in [0, 1].
            boxes: left, top, right, bottom in pixels of the image; right and bottom are the first ones outside.
            embeddings: from `embed`, to be kept where an image is asked for several boxes.
            at_once: images in a pass; half as many when memory runs out.

        Raises:
            ValueError: a box that is empty or leaves its image.

        Source: KT v1, Sec. 4.4.1, through MedCLIP-SAMv2: box prompt alone, a single mask, cut at probability 0.5.
        """
        height, width = images.shape[-2:]
        _check_boxes(boxes, height, width)

        @torch.no_grad()
        def outlined(part: slice) -> Tensor:
            kept = None if embeddings is None else embeddings[part]
            logits = self.logits(images[part].to(self.device), boxes[part], embeddings=kept)
            return (self._over_picture(logits, height, width) > 0).cpu()

        return joined(outlined, len(images), at_once=at_once, what="masks")

    @torch.no_grad()
    def embed(
        self, images: Float[Tensor, "images 3 height width"], *, at_once: int = 8
    ) -> Float[Tensor, "images channels rows columns"]:
        """What the image encoder makes of images: nearly all of the work, the same for every box."""

        def seen(part: slice) -> Tensor:
            return self.sam.get_image_embeddings(self.pixels(images[part].to(self.device)))

        return joined(seen, len(images), at_once=at_once, what="embeddings of images")

    def logits(
        self,
        images: Float[Tensor, "images 3 height width"],
        boxes: Float[Tensor, "images 4"],
        *,
        embeddings: Tensor | None = None,
    ) -> Float[Tensor, "images rows columns"]:
        """Logits of the masks over the model's square, at a quarter of its patches' size: what training looks at.

        Args:
            images: RGB in [0, 1].
            boxes: as in `segment`.
            embeddings: as in `segment`; without them the image encoder is run, with a gradient where it has one.
        """
        rows, columns = self._size(*images.shape[-2:])
        scale = torch.tensor([columns / images.shape[-1], rows / images.shape[-2]], device=self.device).repeat(2)
        given: dict[str, Tensor] = {"image_embeddings": embeddings} if embeddings is not None else {}
        if embeddings is None:
            given["pixel_values"] = self.pixels(images)
        prompts = (boxes.to(self.device) * scale)[:, None]  # one box an image
        return self.sam(**given, input_boxes=prompts, multimask_output=False).pred_masks[:, 0, 0]

    def pixels(self, images: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images 3 size size"]:
        """Images as the encoder takes them: long side to its size (bilinear), normalised, zeros right or below."""
        inputs.check_images(images)
        rows, columns = self._size(*images.shape[-2:])
        if (rows, columns) != tuple(images.shape[-2:]):
            images = F.interpolate(images, (rows, columns), mode="bilinear", antialias=True)
        return F.pad((images - self.mean) / self.std, (0, self.image_size - columns, 0, self.image_size - rows))

    def copy(self) -> Segmenter:
        """An independent copy of the weights."""
        return copy.deepcopy(self)

    def digest(self) -> str:
        """sha256 of all weights, as float16 so that stored and computed halves agree; first 16 digits."""
        return checkpoints.weights_digest(self.sam)

    def described(self) -> dict[str, Any]:
        """What `config.json` says of this model beside its weights."""
        return {"model_type": "sam"} | json.loads(self.sam.config.to_json_string())

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of an image whose long side fills the model's square, as SAM rounds them."""
        scale = self.image_size / max(height, width)
        return int(height * scale + 0.5), int(width * scale + 0.5)

    def _over_picture(self, logits: Tensor, height: int, width: int) -> Tensor:
        """Logits of the square as logits of the picture, as SAM's own code has it: enlarged, cut, resized."""
        rows, columns = self._size(height, width)
        square = F.interpolate(logits[:, None], (self.image_size, self.image_size), mode="bilinear")
        return F.interpolate(square[..., :rows, :columns], (height, width), mode="bilinear")[:, 0]


def _check_boxes(boxes: Tensor, height: int, width: int) -> None:
    left, top, right, bottom = boxes.unbind(1)
    wrong = (left < 0) | (top < 0) | (right > width) | (bottom > height) | (left >= right) | (top >= bottom)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise ValueError(
            f"expected boxes (left, top, right, bottom) inside {width} x {height} pixels, found "
            f"{boxes[first].tolist()} for image {first}"
        )


# -- sizes and loading ----------------------------------------------------------------------------------
def config(
    *,
    width: int,
    layers: int,
    heads: int,
    whole: tuple[int, ...],
    image_size: int = 1024,
    patch_size: int = 16,
    window: int = 14,
    channels: int = 256,
) -> SamConfig:
    """The sizes of a SAM from the few that differ; all else follows from them, or is as published.

    Args:
        width, layers, heads: of the image encoder.
        whole: blocks that look at the whole image; the others look at windows.
        image_size, patch_size: in pixels.
        window: side of a window in patches.
        channels: of what the encoder makes; the decoder's width.
    """
    vision = SamVisionConfig(
        hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, global_attn_indexes=list(whole),
        image_size=image_size, patch_size=patch_size, window_size=window, output_channels=channels,
        num_pos_feats=channels // 2,
        initializer_range=0.02,  # transformers' default of 1e-10 leaves random weights without a gradient
    )  # fmt: skip
    prompts = SamPromptEncoderConfig(hidden_size=channels, image_size=image_size, patch_size=patch_size)
    decoder = SamMaskDecoderConfig(hidden_size=channels, mlp_dim=8 * channels, iou_head_hidden_dim=channels)
    return SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)


def random(wanted: SamConfig, *, name: str, seed: int = 0) -> Segmenter:
    """A model that has learnt nothing, frozen.

    Args:
        wanted: from `config`.
        name: for messages and rows.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # transformers initialises from the global generator
        sam = SamModel(wanted)
    return Segmenter(sam, name=name).requires_grad_(False).eval()


def from_state(state: Mapping[str, Tensor], wanted: SamConfig, *, name: str) -> Segmenter:
    """A model from a checkpoint's tensors: every weight, and none that is unknown; frozen.

    Args:
        state: of transformers' `SamModel`, not of segment-anything's `.pth`, whose names are others.
        wanted: sizes.
        name: for messages and rows.

    Raises:
        ValueError: a weight is missing, unknown or of another shape.
    """
    model = random(wanted, name=name)
    kept = {key: tensor.float() for key, tensor in state.items()}
    for there, absent in ((_ROOT, _TIED), (_TIED, _ROOT)):
        if there in kept:
            kept.setdefault(absent, kept[there])
    hint = "Take model.safetensors of the hub's repository; segment-anything's .pth has other names"
    checkpoints.fill(model.sam, kept, name=name, parts="transformers' SamModel", hint=hint)
    return model


def from_folder(folder: Path, *, name: str) -> Segmenter:
    """A model from `config.json` and the weights, `sam_model.safetensors` or `model.safetensors`.

    Args:
        folder: holds them.
        name: for messages and rows.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: as in `from_state`.
    """
    kinds = (checkpoints.SAM, "model.safetensors")
    found = [folder / kind for kind in kinds if (folder / kind).exists()]
    if not found or not (folder / "config.json").exists():
        there = ", ".join(sorted(p.name for p in folder.glob("*"))) or "nothing"
        raise FileNotFoundError(f"expected config.json and one of {', '.join(kinds)} in {folder}, found {there}")
    return from_state(checkpoints.read(found[0]), SamConfig.from_pretrained(folder), name=name)
