"""One adapter a family of models, and one loader: `load` finds the right one by name."""

from ktlib.models.coca import Captioner
from ktlib.models.dual import DualEncoder
from ktlib.models.load import available, load
from ktlib.models.medclip import MedCLIP
from ktlib.models.sam import Segmenter
from ktlib.models.vilt import PairScorer
from ktlib.models.vision import VisionEncoder

__all__ = ["Captioner", "DualEncoder", "MedCLIP", "PairScorer", "Segmenter", "VisionEncoder", "available", "load"]
