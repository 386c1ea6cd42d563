"""Vision encoders: any network that makes features of pictures behind one word, `features`.

Which feature a published network gives is stated here once; Zoom-shot does not say (D25):

| name | feature | width |
|---|---|---|
| torchvision/mobilenet_v3_small | pooled, before the first fully connected layer | 576 |
| torchvision/densenet121 | after the last ReLU, pooled | 1024 |
| torchvision/resnet18 | pooled | 512 |
| timm/vit_base_patch16_224.dino | class token, normalised by the last LayerNorm | 768 |
| timm/vit_base_patch14_dinov2.lvd142m | class token, normalised by the last LayerNorm | 768 |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import timm
import torch
import torchvision
from jaxtyping import Float
from timm.models.densenet import _filter_torchvision_pretrained as rename_densenet
from timm.models.vision_transformer import checkpoint_filter_fn as fit_vision_transformer
from torch import Tensor, nn

from ktlib.data.manifests import Checkpoint
from ktlib.models import checkpoints, inputs
from ktlib.models.dual import DualEncoder

# The published networks, and the keys of their classifiers: what a weights file may have too many.
HEADS = {
    "torchvision/mobilenet_v3_small": "classifier.",
    "torchvision/densenet121": "classifier.",
    "torchvision/resnet18": "fc.",
    "timm/vit_base_patch16_224.dino": "head.",
    "timm/vit_base_patch14_dinov2.lvd142m": "head.",
}


class VisionEncoder(nn.Module):
    """A network that maps pictures to features, in evaluation mode.

    Images are float32 `(batch, 3, height, width)`, RGB in [0, 1], not normalised; resizing and
    normalising happen in here.

    Attributes:
        name: as given to `ktlib.load`.
        image_size: side in pixels the network takes.
        dim: width of a feature.
    """

    weights_file: ClassVar[str] = checkpoints.ENCODER
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        image_size: int,
        dim: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.network = network.eval().float()
        self.name = name
        self.image_size = image_size
        self.dim = dim
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device

    @classmethod
    def of(cls, model: DualEncoder, *, pixels: str = "normalized") -> VisionEncoder:
        """CLIP as a source of features: `encode_image(normalize=False)`; the weights are shared.

        Args:
            model: any dual encoder.
            pixels: `normalized` as CLIP was trained; `raw` feeds [0, 1] as it is, without mean and
                standard deviation, as the Linear Aligner's code does.

        Raises:
            ValueError: another word for `pixels`.
        """
        if pixels not in ("normalized", "raw"):
            raise ValueError(f"expected pixels 'normalized' or 'raw', found {pixels!r}")
        raw = pixels == "raw"
        with torch.inference_mode():
            dim = model.visual(torch.zeros(1, 3, model.image_size, model.image_size, device=model.device)).shape[1]
        return cls(
            model.visual,
            name=f"{model.name} (raw pixels)" if raw else model.name,
            image_size=model.image_size,
            dim=dim,
            mean=[0.0] * 3 if raw else model.mean.flatten().tolist(),
            std=[1.0] * 3 if raw else model.std.flatten().tolist(),
        )

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        """Features as the network makes them, not of unit length.

        Args:
            images: RGB in [0, 1]; resized (bicubic) when they are not `image_size` large.

        Raises:
            ValueError: another layout, or 8-bit pixels.
        """
        return self.network(inputs.prepare(images, (self.image_size, self.image_size), self.mean, self.std))

    def digest(self) -> str:
        """16 digits that tell encoders apart: of the weights, the size and the normalisation."""
        parts = self.image_size, self.mean.flatten().tolist(), self.std.flatten().tolist()
        return checkpoints.weights_digest(self.network, *parts)

    def train(self, mode: bool = True) -> VisionEncoder:
        """Stays in evaluation mode: features must not depend on the other pictures of a batch."""
        return super().train(False)


def build(wanted: Checkpoint) -> nn.Module:
    """A published architecture without its classifier, with random weights from the global generator."""
    model = wanted.library["model"]
    if wanted.library["name"] == "torchvision":
        network = torchvision.models.get_model(model, weights=None)
        setattr(network, HEADS[wanted.name].rstrip("."), nn.Identity())
        return network
    # timm's DINOv2 is built for 518 pixels unless it is told otherwise
    size: dict[str, Any] = {"img_size": wanted.image_size} if model.startswith("vit_") else {}
    return timm.create_model(model, pretrained=False, num_classes=0, **size)


def fill(network: nn.Module, name: str, file: Path) -> None:
    """Load published weights: every weight must be there, and none too many but the classifier's.

    timm's own loader is not used: with `num_classes=0` it turns strictness off (timm 1.0.31).

    Args:
        network: as `build` makes it; filled in place.
        name: of the checkpoint.
        file: safetensors, or a pickle of tensors (`.pth`).

    Raises:
        RuntimeError: a weight is missing, unknown or of another shape.
    """
    state = checkpoints.read(file)
    if name.endswith("densenet121"):
        state = rename_densenet(state)  # torchvision's file has the names of its first release
    if isinstance(network, timm.models.VisionTransformer):
        state = fit_vision_transformer(state, network)  # positions to the size; Meta's names to timm's
    state = {key: tensor for key, tensor in state.items() if not key.startswith(HEADS[name])}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise RuntimeError(
            f"expected the weights of {name} in {file}, found others: {error}; take the file that "
            "data_manifests/checkpoints.yaml names"
        ) from error
