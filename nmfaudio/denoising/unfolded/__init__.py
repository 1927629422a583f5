"""Unfolded NMF: a fixed number of multiplicative updates whose atoms were trained for the mask."""
