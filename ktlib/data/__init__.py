"""Readers of the real datasets, one for each on-disk format, and the manifests that describe them."""
