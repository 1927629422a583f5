"""Unfolded NMF of speech and noise, for whole recordings and for streams."""
