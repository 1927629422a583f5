"""Unfolded NMF of any sources: a fixed number of multiplicative updates whose atoms were trained for the masks."""
