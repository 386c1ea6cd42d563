"""One module a task; every function returns fractions, never percent."""

from ktlib.evaluate.captioning import CaptionScores, captioning
from ktlib.evaluate.recognition import Recognition, recognition, zero_shot
from ktlib.evaluate.retrieval import Retrieval, retrieve

__all__ = ["CaptionScores", "Recognition", "Retrieval", "captioning", "recognition", "retrieve", "zero_shot"]
