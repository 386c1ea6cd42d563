"""Zoom-shot (notebook 06): the twenty tables of ZS."""
