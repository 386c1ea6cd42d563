"""ViLT and Flickr30k (notebook 04): KT Tab. 5, 8 and 11."""
