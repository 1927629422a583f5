"""Training of unfolded NMF on mixtures, stage after stage."""
