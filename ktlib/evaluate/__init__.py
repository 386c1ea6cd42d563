"""One module a task; every function returns fractions, never percent."""

from ktlib.evaluate.recognition import Recognition, classifier, recognition, zero_shot

__all__ = ["Recognition", "classifier", "recognition", "zero_shot"]
