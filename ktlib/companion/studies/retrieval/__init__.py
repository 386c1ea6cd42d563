"""ViLT and Flickr30k (notebook 04): KT Tab. 5, 8 and 11."""

from collections.abc import Mapping

NOTEBOOK = "04_flickr30k_retrieval"

LAYOUTS: Mapping[str, str] = {"KT Tab. 5": "recalls", "KT Tab. 8": "recalls", "KT Tab. 11": "transfer"}
