"""Training of unfolded NMF."""
