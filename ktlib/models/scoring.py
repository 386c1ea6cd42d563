"""Every image beside every text: the joint passes that a pair scorer needs, put together so that none is wasted.

An image is embedded once, and texts of equal length go together (no padding).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ktlib.memory import fitting
from ktlib.models.protocols import ReadsTogether

MATCH = 1  # row of the matching head that says "they belong together" (ViLT's code)
SHARD = 50  # images whose passes are put together


@runtime_checkable
class Images(Protocol):
    """Images by number, (3, height, width) each; a tensor of them, or a reader."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Tensor: ...


class Texts:
    """Texts that were prepared to be read beside many images.

    Attributes:
        cut: how many the model does not read whole; never any unless `too_long` is `cut`.

    Raises:
        ValueError: a text that is too long, or with words the model does not know.
        UserWarning: texts were cut.
    """

    def __init__(self, model: ReadsTogether, texts: Sequence[str], *, too_long: str = "refuse") -> None:
        self.model, self.count = model, len(texts)
        places: dict[int, list[int]] = {}
        for place, text in enumerate(texts):
            places.setdefault(model.token_count(text), []).append(place)
        self.shelves = [
            (torch.tensor(p), model.tokenize([texts[i] for i in p], too_long=too_long))
            for _, p in sorted(places.items())
        ]
        self.cut = sum(len(p) for count, p in places.items() if count > model.context_length)
        self.fits = sys.maxsize  # most pairs in a pass, as far as is known
        if self.cut:
            what = f"{self.cut} of {self.count} texts are longer than {model.context_length} tokens: cut"
            warnings.warn(what, stacklevel=3)

    @torch.no_grad()
    def beside(self, images: Images, numbers: range, *, batch: int = 256) -> Float[Tensor, "images texts 2"]:
        """Both matching logits of some images and every text, on the CPU; on a GPU computed in bfloat16.

        Args:
            images: sizes may differ.
            numbers: which of them.
            batch: most pairs in a pass; changes speed, not results, but for rounding. Half as many are when memory
                runs out, for the images that follow too (`memory.fitting`).
        """
        work = partial(self._beside, images, numbers)
        most = min(batch, self.fits)
        scores, fits = fitting(work, at_once=most, what="scores of pairs")
        self.fits = fits if fits < most else self.fits
        return scores

    def _beside(self, images: Images, numbers: range, batch: int) -> Float[Tensor, "images texts 2"]:
        device = self.model.device
        scores = torch.empty(len(numbers), self.count, 2)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            for rows, patches in self._alike(images, numbers):
                for places, ids in self.shelves:
                    for start in range(0, len(places), batch):
                        some, there = ids[start : start + batch], places[start : start + batch]
                        at_once = max(1, batch // len(some))
                        for i in range(0, len(rows), at_once):
                            block = patches[i : i + at_once]
                            pairs = block.repeat_interleave(len(some), 0), some.repeat(len(block), 1)
                            found = self.model.match_tokens(*pairs).float().cpu().view(len(block), len(some), 2)
                            scores[rows[i : i + at_once][:, None], there] = found
        return scores

    def _alike(self, images: Images, numbers: range) -> Iterator[tuple[Tensor, Tensor]]:
        """Neighbouring images of one size, embedded: their places among the numbers and their tokens."""
        rows: list[int] = []
        waiting: list[Tensor] = []
        for row, number in enumerate(numbers):
            image = self.model.prepare(images[number].to(self.model.device)[None])[0]
            if waiting and waiting[0].shape != image.shape:
                yield torch.tensor(rows), self.model.embed_image(torch.stack(waiting))
                rows, waiting = [], []
            rows.append(row)
            waiting.append(image)
        yield torch.tensor(rows), self.model.embed_image(torch.stack(waiting))


def chosen_score(logits: Float[Tensor, "images texts 2"], score: str = "logit") -> Float[Tensor, "images texts"]:
    """What pairs are ranked by: the match logit, or (the logarithm of) its probability (D32).

    Raises:
        ValueError: another word for `score`.
    """
    if score not in ("logit", "softmax"):
        raise ValueError(f"expected the score logit or softmax, found {score!r}")
    return logits[..., MATCH] if score == "logit" else logits.log_softmax(-1)[..., MATCH]
