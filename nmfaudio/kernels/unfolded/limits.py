"""Limits that keep unfolded NMF finite. Training, blocks of frames and single frames use the same ones."""

import numpy as np

EPS = np.float32(1e-4)
"""Added to the model of a stacked frame, whose mean is one."""

LEAST = np.float32(1e-8)
"""Added to denominators, so that silent frames divide by something; also the smallest quotient of an update."""

MOST = np.float32(18)
"""Largest size of the natural logarithm of a factor: a frame unlike all atoms must not overflow or vanish."""

MOST_LOG2 = np.float32(MOST / np.log(2))
"""The same as a logarithm to base 2."""

TINY = np.float32(1e-30)
"""Smallest estimate of speech or noise, below anything that the updates can reach from their start."""

LEAST_MASK = np.float32(1e-8)
"""Smallest mask that enters a geometric mean, 160 dB down, so that its slope is finite."""

LEAST_SHARE = np.float32(1e-2)
"""Added to the average share of noise in a span, so that the noise spectrum of a span without noise fades out."""

LEAST_MEAN = np.float32(np.finfo(np.float32).tiny * 1e6)
"""Smallest mean of a stack that it is divided by."""
