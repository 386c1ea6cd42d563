"""The three scales. A scale is data: which models, which pictures, how many steps.

No function asks which scale it is in; it is given the values that stand here.
"""

from ktlib.companion.scales.paper import PAPER
from ktlib.companion.scales.pocket import POCKET
from ktlib.companion.scales.rehearsal import REHEARSAL
from ktlib.companion.scales.shapes import (
    ZOOM_SHOT_ENCODERS,
    Captioning,
    Films,
    Scale,
    Searching,
    Segmenting,
    Teaching,
    ZoomShot,
)

__all__ = [
    "SCALES", "ZOOM_SHOT_ENCODERS", "Captioning", "Films", "Scale", "Searching", "Segmenting", "Teaching", "ZoomShot",
    "scale",
]  # fmt: skip

SCALES = {one.name: one for one in (POCKET, REHEARSAL, PAPER)}


def scale(name: str) -> Scale:
    """A scale by name.

    Raises:
        ValueError: there is no such scale.
    """
    if name not in SCALES:
        raise ValueError(f"expected a scale ({', '.join(SCALES)}), found {name!r}")
    return SCALES[name]
