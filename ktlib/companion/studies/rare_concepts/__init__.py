"""Rare concepts (notebook 01): KT Tab. 1 and what surrounds it."""
