"""Figures: every function takes rows or pictures and an optional `ax`, draws, and computes nothing new."""

from ktlib.companion.plots.captions import caption_gains, caption_grid, explained
from ktlib.companion.plots.concepts import against_binding, name_points, own_concepts, paired_gains
from ktlib.companion.plots.curves import (
    along,
    data_against_compute,
    gains_against_distance,
    loss_curves,
    similarity_curves,
    trade_off,
)
from ktlib.companion.plots.films import class_recalls, kinds
from ktlib.companion.plots.intervals import bars, behind, by_encoder, by_setting, recall_changes, recall_grid
from ktlib.companion.plots.masks import map_checks, map_grid, mask_gains, mask_rates
from ktlib.companion.plots.pictures import album, attention_pictures, clouds, picture_grid, predictions
from ktlib.companion.plots.style import COLOURS, LABELS, MARKERS, WIDE, figure_of, save_figure, use_style
from ktlib.companion.plots.verdicts import verdicts

__all__ = [
    "COLOURS",
    "LABELS",
    "MARKERS",
    "WIDE",
    "against_binding",
    "album",
    "along",
    "attention_pictures",
    "bars",
    "behind",
    "by_encoder",
    "by_setting",
    "caption_gains",
    "caption_grid",
    "class_recalls",
    "clouds",
    "data_against_compute",
    "explained",
    "figure_of",
    "gains_against_distance",
    "kinds",
    "loss_curves",
    "map_checks",
    "map_grid",
    "mask_gains",
    "mask_rates",
    "name_points",
    "own_concepts",
    "paired_gains",
    "picture_grid",
    "predictions",
    "recall_changes",
    "recall_grid",
    "save_figure",
    "similarity_curves",
    "trade_off",
    "use_style",
    "verdicts",
]
