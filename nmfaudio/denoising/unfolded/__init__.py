"""Unfolded NMF at run time."""
