"""Loops of unfolded NMF."""
