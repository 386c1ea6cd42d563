"""A tiny random SAM for tests: 64 pixels in patches of 8, two blocks."""

from ktlib.models import sam

SIZES = sam.config(width=24, layers=2, heads=2, whole=(1,), image_size=64, patch_size=8, window=4, channels=16)


def tiny_sam(seed=0):
    return sam.random(SIZES, name="tiny", seed=seed)
