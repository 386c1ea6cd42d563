"""Knowledge transfer from text to images, as the paper has it: describe, invert, transfer, recognise.

And Zoom-shot: extract features, fit a linear map into CLIP's space, recognise without a label.
"""

from ktlib import evaluate
from ktlib.captioning import CaptioningSettings
from ktlib.evaluate.features import extract
from ktlib.inversion import Inversion, InversionSettings, invert
from ktlib.linear_maps import LinearMap, Maps, least_squares
from ktlib.models import Captioner, DualEncoder, MedCLIP, PairScorer, Segmenter, VisionEncoder, available, load
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
