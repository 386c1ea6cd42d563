"""Self-distillation without labels: DINO, and the loss on hidden patches that DINOv2 adds to it.

A student sees all views of a picture, a teacher the large ones; the student predicts what the teacher
says of another view. The teacher is a moving average of the student. Nothing here has an argument
for a label or a caption.

Against collapse both have what DINOv2 has, Sinkhorn and KoLeo: with the moving centre of the first
DINO, pictures fell into about ten prototypes within 200 steps and its features told no more than at
the beginning.
"""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class View(NamedTuple):
    """A random crop: side in pixels it is resized to, and the share of the picture it covers."""

    side: int
    area: tuple[float, float]


GLOBAL, LOCAL, LOCALS = View(64, (0.5, 1.0)), View(32, (0.35, 0.7)), 2
PROTOTYPES = 128  # ours (D11), no more than a batch has views; DINO has 65,536
STUDENT_TEMPERATURE = 0.1  # DINO
TEACHER_TEMPERATURE = 0.03  # ours (D11); DINO's 0.04 leaves the targets of short training too soft
TINT, GREY, EXCHANGED = 0.3, 0.2, 0.4  # ours (D11)
KOLEO = 0.1  # DINOv2
MASKED = (0.1, 0.5)  # share of the patches, in half of the pictures: iBOT


def crop(
    images: Float[Tensor, "batch 3 h w"], view: View, generator: torch.Generator
) -> Float[Tensor, "batch 3 side side"]:
    """A crop of each picture, of random area, shape (3:4 to 4:3) and place; bilinear.

    Nothing is flipped and no colour changes, so left and right and the colours can be learnt.
    """
    draw = torch.rand(4, len(images), generator=generator)
    area = view.area[0] + (view.area[1] - view.area[0]) * draw[0]
    stretch = torch.exp((2 * draw[1] - 1) * math.log(4 / 3) / 2)
    width, height = (area.sqrt() * stretch).clamp(max=1), (area.sqrt() / stretch).clamp(max=1)
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width, height
    theta[:, 0, 2], theta[:, 1, 2] = (1 - width) * (2 * draw[2] - 1), (1 - height) * (2 * draw[3] - 1)
    grid = F.affine_grid(theta, [len(images), 3, view.side, view.side], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recolour(images: Float[Tensor, "batch 3 h w"], generator: torch.Generator) -> Float[Tensor, "batch 3 h w"]:
    """Each picture somewhat lighter, darker or tinted; some grey, some with their colours exchanged.

    Seldom enough that colours can be learnt, often enough that two views cannot always be matched by
    their colours alone. Shapes stay hard all the same: see the cards.
    """
    draw = torch.rand(3, len(images), 3, 1, 1, generator=generator)
    order = torch.rand(len(images), 3, generator=generator).argsort(1)
    order = torch.where(draw[2, :, 1, :, 0] < EXCHANGED, order, torch.arange(3))
    images = images.gather(1, order[:, :, None, None].expand_as(images))
    tinted = images * (1 + TINT * (2 * draw[0] - 1)) + TINT * (2 * draw[1] - 1)
    return torch.where(draw[2, :, :1] < GREY, images.mean(1, keepdim=True).expand_as(images), tinted)


class Head(nn.Module):
    """DINO's projection head: three layers, a unit bottleneck, cosines with prototypes."""

    def __init__(self, dim: int, *, hidden: int = 256, bottleneck: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        self.prototypes = nn.Parameter(torch.randn(PROTOTYPES, bottleneck))

    def forward(self, features: Float[Tensor, "*n dim"]) -> Float[Tensor, "*n prototypes"]:
        """Cosines between the projected features and the prototypes."""
        return F.normalize(self.layers(features), dim=-1) @ F.normalize(self.prototypes, dim=-1).T


def sinkhorn(scores: Float[Tensor, "n prototypes"], *, rounds: int = 3) -> Float[Tensor, "n prototypes"]:
    """Assignments of pictures to prototypes in which each prototype is used alike (DINOv2)."""
    q = (scores / TEACHER_TEMPERATURE).exp()
    for _ in range(rounds):
        q = q / q.sum(0, keepdim=True) / q.shape[1]
        q = q / q.sum(1, keepdim=True) / q.shape[0]
    return q * q.shape[0]


def koleo(features: Float[Tensor, "n dim"]) -> Float[Tensor, ""]:
    """Kozachenko-Leonenko: minus the mean logarithm of the distance to the nearest other (DINOv2)."""
    unit = F.normalize(features, dim=-1)
    nearest = (unit @ unit.T).fill_diagonal_(-2).argmax(1)
    return -((unit - unit[nearest]).norm(dim=1) + 1e-8).log().mean()


class Distillation(nn.Module):
    """Student and teacher.

    Args:
        student: a timm VisionTransformer.
        teacher: another of the same architecture; its weights are overwritten.
        dim: width of a feature.
        masked: with the loss on hidden patches that DINOv2 takes from iBOT.
    """

    def __init__(self, student: Any, teacher: Any, dim: int, *, masked: bool) -> None:
        super().__init__()
        self.student = nn.ModuleDict({"backbone": student, "head": Head(dim)})
        if masked:
            self.student["patch_head"] = Head(dim)
            self.mask_token = nn.Parameter(torch.zeros(dim))
        teacher.load_state_dict(student.state_dict())
        self.teacher = nn.ModuleDict(
            {name: teacher if name == "backbone" else copy.deepcopy(part) for name, part in self.student.items()}
        ).requires_grad_(False)
        self.masked = masked

    def loss(self, images: Float[Tensor, "batch 3 64 64"], generator: torch.Generator) -> Float[Tensor, ""]:
        """What training minimises, on fresh views of these pictures."""
        size = len(images)
        wide = torch.cat([recolour(crop(images, GLOBAL, generator), generator) for _ in range(2)])
        near = torch.cat([recolour(crop(images, LOCAL, generator), generator) for _ in range(LOCALS)])
        with torch.no_grad():
            taught = tokens(self.teacher["backbone"], wide)
            said = self.teacher["head"](taught[:, 0])
            target = sinkhorn(said)
        mask = self._mask(len(wide), taught.shape[1] - 1, generator) if self.masked else None
        learnt = tokens(self.student["backbone"], wide, mask, self.mask_token if self.masked else None)
        seen = torch.cat([learnt[:, 0], tokens(self.student["backbone"], near)[:, 0]])
        guess = (self.student["head"](seen) / STUDENT_TEMPERATURE).log_softmax(-1)
        guesses, targets = guess.view(2 + LOCALS, size, -1), target.view(2, size, -1)
        pairs = [-(targets[t] * guesses[s]).sum(-1).mean() for t in range(2) for s in range(2 + LOCALS) if s != t]
        loss = torch.stack(pairs).mean()
        if self.masked:
            with torch.no_grad():
                patches = sinkhorn(self.teacher["patch_head"](taught[:, 1:][mask]))
            hidden = (self.student["patch_head"](learnt[:, 1:][mask]) / STUDENT_TEMPERATURE).log_softmax(-1)
            loss = loss - (patches * hidden).sum(-1).mean()
        return loss + KOLEO * sum(koleo(view) for view in learnt[:, 0].chunk(2)) / 2

    @torch.no_grad()
    def follow(self, progress: float, *, momentum: float = 0.98) -> None:
        """Move the teacher towards the student, ever more slowly (cosine to 1).

        Args:
            progress: share of the training that is done.
            momentum: at the beginning; DINO's 0.996 is for longer training.
        """
        momentum = 1 - (1 - momentum) * (1 + math.cos(math.pi * progress)) / 2
        for old, new in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            old.lerp_(new, 1 - momentum)

    def result(self) -> nn.Module:
        """The trained backbone: the teacher's."""
        return self.teacher["backbone"]

    def _mask(self, count: int, patches: int, generator: torch.Generator) -> Bool[Tensor, "count patches"]:
        share = MASKED[0] + (MASKED[1] - MASKED[0]) * torch.rand(count, 1, generator=generator)
        share[torch.rand(count, generator=generator) < 0.5] = 0
        return torch.rand(count, patches, generator=generator) < share


def tokens(
    vit: Any,
    images: Float[Tensor, "batch 3 side side"],
    mask: Bool[Tensor, "batch patches"] | None = None,
    mask_token: Float[Tensor, " dim"] | None = None,
) -> Float[Tensor, "batch tokens dim"]:
    """Normalised tokens of a timm VisionTransformer, the class token first; masked patches are hidden."""
    if mask is None or mask_token is None:
        x = vit.patch_embed(images)  # (batch, rows, columns, dim): timm keeps the grid when its size may change
    else:
        rows, columns = vit.patch_embed.grid_size
        hidden = mask.view(len(mask), 1, rows, columns)
        # the pixels too: the convolutions of neighbouring patches reach over the edge
        x = vit.patch_embed(images.masked_fill(F.interpolate(hidden.float(), images.shape[-2:]) > 0, 0))
        x = torch.where(hidden.movedim(1, -1), mask_token, x)
    return vit.norm(vit.blocks(vit.norm_pre(vit._pos_embed(x))))
