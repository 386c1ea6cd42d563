"""Which arithmetic is done: the kernels of torch and its libraries, and a canary that tells equal bits from others.

Inversion is chaotic in the last bit: where sums are taken in another order, hundreds of steps make other pictures of
it. So a scale may pin its kernels and threads (D44). Libraries look at the environment once, when they are loaded:
it must be set before a process imports torch, that is, by whoever starts the process.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from open_clip.model import CLIP
from torch import Tensor

from ktlib import places
from ktlib.companion.record.instructions import NAMES, NATIVE, PINNED
from ktlib.inversion import InversionSettings, invert
from ktlib.models import DualEncoder

THREADS = 2  # of pinned kernels; another number divides sums otherwise: ours (D44)
VARIABLE = "KT_KERNELS"  # a user's choice in place of the scale's


@dataclass(frozen=True)
class Kernels:
    """Kernels to be used by processes that are yet to be started.

    Attributes:
        name: `avx2`, `compatible` or `native`.
        threads: None for as many as the environment and torch choose.
    """

    name: str = NATIVE
    threads: int | None = None

    def __str__(self) -> str:
        """`avx2-2`: names a folder."""
        return self.name if self.threads is None else f"{self.name}-{self.threads}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables to be set before torch is imported, and a cache of its own; none where nothing is chosen."""
        own = dict(PINNED.get(self.name, {}))
        if self.threads is not None:
            # without the last one MKL takes no more threads than there are cores, whatever it was told
            own |= {"OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads), "MKL_DYNAMIC": "FALSE"}
        return own if self == Kernels() else own | {"KT_CACHE": str(places.cache() / str(self))}


def choose(of_scale: str, name: str | None = None, threads: int | None = None) -> Kernels:
    """The kernels that a run uses.

    Args:
        of_scale: what the scale asks for; native on a processor that has no such instructions.
        name: what the user asks for; by default what `KT_KERNELS` says, else the scale's.
        threads: by default two of pinned kernels, and of native ones as many as the environment chooses.

    Raises:
        ValueError: no such kernels, fewer than one thread, or kernels that this processor does not have.
    """
    wanted = name or os.environ.get(VARIABLE) or None
    if wanted is not None and wanted not in NAMES:
        raise ValueError(f"expected kernels out of {', '.join(NAMES)}, found {wanted!r}")
    if threads is not None and threads < 1:
        raise ValueError(f"expected at least one thread, found {threads}")
    if wanted in PINNED and not available(wanted):
        raise ValueError(f"expected a processor with the instructions of {wanted}; take --kernels {NATIVE}")
    used = wanted or (of_scale if available(of_scale) else NATIVE)
    return Kernels(used, THREADS if threads is None and used in PINNED else threads)


def available(name: str) -> bool:
    """Whether this processor can be held to these kernels: pinned ones are made of AVX2, or exist on x86 alone."""
    return name == NATIVE or bool(torch.cpu._is_avx2_supported())


def running(environment: Mapping[str, str] = os.environ) -> str:
    """The kernels of this process: `avx2`, or `native AVX512`, where nothing is pinned and torch has chosen.

    Args:
        environment: of this process, as it was when torch was imported.
    """
    pinned = (name for name, own in PINNED.items() if own.items() <= environment.items())
    return next(pinned, f"{NATIVE} {torch.backends.cpu.get_cpu_capability()}")


# -- the canary ---------------------------------------------------------------------------------------
class _Letters:
    """A tokenizer of one token a byte; all that the canary's model reads."""

    sot_token_id, eot_token_id = 256, 257

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def __call__(self, texts: Sequence[str]) -> Tensor:
        rows = [[self.sot_token_id, *self.encode(text), self.eot_token_id] for text in texts]
        return torch.tensor([row + [0] * (32 - len(row)) for row in rows])


def _model() -> DualEncoder:
    """A CLIP of the pocket's size with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        clip = CLIP(
            embed_dim=128,
            vision_cfg={"image_size": 64, "patch_size": 16, "width": 128, "layers": 4, "head_width": 64},
            text_cfg={"context_length": 32, "vocab_size": 258, "width": 128, "heads": 4, "layers": 3},
        )
    clip.requires_grad_(False)
    return DualEncoder(clip, _Letters(), name="canary", mean=[0.5] * 3, std=[0.25] * 3)


@functools.cache
def canary() -> str:
    """Eight digits of the images of one short inversion: where they are the same, equal bits may be expected.

    A random model of the pocket's size, two descriptions, ten images each, twelve steps: no shipped weight is read,
    so that only arithmetic, the version of torch and the code of inversion can change it. On a GPU where there is one.

    Source: ours (D44).
    """
    model = _model().to("cuda" if torch.cuda.is_available() else "cpu")
    settings = InversionSettings(steps=12, sizes=((0, 16), (3, 32), (6, 64)))
    found = invert(model, ["a round opening", "a red disk"], settings=settings, progress=False)
    return hashlib.sha256(found.images.numpy().tobytes()).hexdigest()[:8]
