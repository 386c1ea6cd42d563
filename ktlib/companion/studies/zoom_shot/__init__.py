"""Zoom-shot (notebook 06): the twenty tables of ZS, and what the verdicts on them need beside."""

from collections.abc import Mapping

NOTEBOOK = "06_zoom_shot"

# One table an encoder, in the order of ZS Tab. 1.
LOSSES = ("ZS Tab. 3", "ZS Tab. 9", "ZS Tab. 10", "ZS Tab. 11", "ZS Tab. 12")
SIZES = ("ZS Tab. 4", "ZS Tab. 13", "ZS Tab. 15", "ZS Tab. 17", "ZS Tab. 19")
ALIGNER_SIZES = ("ZS Tab. 5", "ZS Tab. 14", "ZS Tab. 16", "ZS Tab. 18", "ZS Tab. 20")
# Not items of the paper: what the verdicts on Z6 and Z13 need, and where learning rates were chosen.
WEIGHTS, RESCALING, RATES = "weight_of_distillation", "rescaling_of_variance", "learning_rates_of_maps"

LAYOUTS: Mapping[str, str] = dict.fromkeys(
    [*(f"ZS Tab. {number}" for number in range(1, 21)), WEIGHTS, RESCALING, RATES], "sets"
)
