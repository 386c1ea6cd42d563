"""Masks of lesions from sentences (notebook 03): KT Tab. 4 and 7, Fig. 6 and 7, and whether the maps mean anything."""

from collections.abc import Mapping

from ktlib.evaluate.overlap import METRICS as OF_MASKS

NOTEBOOK = "03_segmentation"
TABLE_4, TABLE_7 = "KT Tab. 4", "KT Tab. 7"
SETTINGS, CHECKS = "settings of the maps", "checks of the maps"  # no items of the papers: choices and questions of ours
COARSE = "dsc_coarse"  # of the brighter part of the map, before SAM
METRICS = (*OF_MASKS, COARSE)
DECIDES = "dsc"  # chooses learning rates (D73)
JUDGES = ("dsc", "nsd")  # what K9 asks to rise; IoU orders the masks of an image as DSC does (D74)

LAYOUTS: Mapping[str, str] = {TABLE_4: "masks", TABLE_7: "masks", SETTINGS: "masks", CHECKS: "checks"}
