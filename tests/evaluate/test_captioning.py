"""Caption metrics: values by hand, pycocoevalcap and METEOR's own EVAL as oracles, and bad input told in a sentence."""

import math

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu

from ktlib.evaluate import captioning as _shadowed  # noqa: F401 - the function; the module is taken below
from ktlib.evaluate import java
from ktlib.evaluate.captioning import METRICS, captioning, paired_difference, plain_words

WITHOUT_JAVA = tuple(metric for metric in METRICS if metric not in ("meteor", "spice"))
REFERENCES = {
    "1": ["a red disk left of a blue ring", "a disk beside a ring", "there is a red disk"],
    "2": ["a dog runs on the grass", "a dog on grass"],
    "3": ["two boats on the sea", "a pair of boats"],
    "4": ["a small house", "a house with a red roof", "one house"],
}
CAPTIONS = {"1": "a red disk left of a ring", "2": "the dog is running on grass", "3": "a moon", "4": "a small house"}
OTHERS = {"1": "a photo of a disk", "2": "a dog", "3": "two boats", "4": "a photo of a house"}
