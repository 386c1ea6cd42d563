"""Knowledge transfer from text to images, as the paper has it: describe, invert, transfer, recognise.

And Zoom-shot: extract features, fit a linear map into CLIP's space, recognise without a label.
"""

from __future__ import annotations

import sys
import types
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what is imported when it is first asked for
    from ktlib import evaluate
    from ktlib.captioning import CaptioningSettings
    from ktlib.evaluate.features import extract
    from ktlib.inversion import Inversion, InversionSettings, invert
    from ktlib.linear_maps import LinearMap, Maps, least_squares
    from ktlib.models import Captioner, DualEncoder, MedCLIP, PairScorer, Segmenter, VisionEncoder
    from ktlib.models.load import available, load
    from ktlib.transfer import MatchingSettings, TransferSettings, named_caption, transfer
    from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings, align, fit, fit_many

__version__ = "0.1.0"
__all__ = [
    "AlignerSettings",
    "Captioner",
    "CaptioningSettings",
    "DualEncoder",
    "Inversion",
    "InversionSettings",
    "LinearMap",
    "Maps",
    "MatchingSettings",
    "MedCLIP",
    "PairScorer",
    "Segmenter",
    "TransferSettings",
    "VisionEncoder",
    "ZoomShotSettings",
    "align",
    "available",
    "evaluate",
    "extract",
    "fit",
    "fit_many",
    "invert",
    "least_squares",
    "load",
    "named_caption",
    "transfer",
]

# The home of each name: seconds of loading torch are spared a command that only refuses its arguments.
_NAMES = {
    "captioning": ("CaptioningSettings",),
    "evaluate.features": ("extract",),
    "inversion": ("Inversion", "InversionSettings", "invert"),
    "linear_maps": ("LinearMap", "Maps", "least_squares"),
    "models": ("Captioner", "DualEncoder", "MedCLIP", "PairScorer", "Segmenter", "VisionEncoder"),
    "models.load": ("available", "load"),
    "transfer": ("MatchingSettings", "TransferSettings", "named_caption", "transfer"),
    "zoom_shot": ("AlignerSettings", "ZoomShotSettings", "align", "fit", "fit_many"),
}
_HOMES = {name: f"{__name__}.{home}" for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A name of `__all__`, or a module of the package, imported when it is first asked for (PEP 562).

    Raises:
        AttributeError: there is no such name.
    """
    if name in _HOMES:
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found
    if not name.startswith("_") and find_spec(f"{__name__}.{name}"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """`ktlib.transfer` is the verb, though a module is called so too: importing that one does not put it here."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
