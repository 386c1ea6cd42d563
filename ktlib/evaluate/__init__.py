"""One module a task; every function returns fractions, never percent."""

from ktlib.evaluate.recognition import Recognition, recognition, zero_shot
from ktlib.evaluate.retrieval import Retrieval, retrieve

__all__ = ["Recognition", "Retrieval", "recognition", "retrieve", "zero_shot"]
