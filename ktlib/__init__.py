"""Knowledge transfer from text to images, as the paper has it: describe, invert, transfer, recognise."""

from ktlib import evaluate
from ktlib.inversion import Inversion, InversionSettings, invert
from ktlib.models import DualEncoder, available, load
from ktlib.models.vilt import PairScorer, load_pair
from ktlib.transfer import TransferSettings, named_caption, transfer

__version__ = "0.1.0"
__all__ = [
    "DualEncoder",
    "Inversion",
    "InversionSettings",
    "PairScorer",
    "TransferSettings",
    "available",
    "evaluate",
    "invert",
    "load",
    "load_pair",
    "named_caption",
    "transfer",
]
