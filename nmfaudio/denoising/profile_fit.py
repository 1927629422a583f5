"""Correct a mask by a noise profile."""

import numpy as np

from .gain import ratio_mask

_ITERATIONS = 10
_SHARE = np.float32(0.5)  # of the estimated noise that the profile accounts for to begin with
_LEAST_FACTOR, _LARGEST_FACTOR = np.float32(0.3), np.float32(10)
_TINY = np.float32(1e-9)


def profile_fit(V: np.ndarray, mask: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Correct a mask by a noise profile, frame by frame.

    First the profile competes: with the mask m, multiplicative updates (Lee and Seung 2001, eq. 5) of scales s and n
    and of activations a fit ``s m V + n (1 - m) V + W a`` to V, and speech keeps the share of the first part. Then the
    profile is fitted to the remaining noise and predicts the noise level of each bin: the odds of speech are multiplied
    by the root of ``(V / W a - 1) / 2``, kept between 0.3 and 10. The result does not depend on the level.

    Parameters
    ----------
    V : ndarray, shape (at least F, N)
        Compressed magnitude.
    mask : ndarray, shape (F, N)
        Share of speech.
    W : ndarray, shape (F or fewer, K)
        Atoms of the profile; it does not cover rows of zeros, nor those that it lacks.

    Returns
    -------
    ndarray, shape (F, N)
        Share of speech.
    """
    if len(W) < len(mask):
        return np.concatenate([profile_fit(V, mask[: len(W)], W), mask[len(W) :]])
    V = V[: len(W)] / np.maximum(V[: len(W)].mean(axis=0), np.finfo(np.float32).tiny)
    S = V * mask
    N = V - S
    S_sum, N_sum = (np.maximum(X.sum(axis=0), _TINY) for X in (S, N))
    W_sum = W.sum(axis=0)[:, None]
    s, n, a = np.float32(1), 1 - _SHARE, np.tile(_SHARE * N_sum / W.sum(), (len(W_sum), 1))
    for _ in range(_ITERATIONS):
        Q = V / (s * S + n * N + W @ a + _TINY)
        s = s * (S * Q).sum(axis=0) / S_sum
        n = n * (N * Q).sum(axis=0) / N_sum
        a = a * (W.T @ Q) / W_sum
    speech = ratio_mask(s * S, n * N + W @ a)
    N = V * (1 - speech)
    for _ in range(_ITERATIONS):
        a = a * (W.T @ (N / (W @ a + _TINY))) / W_sum
    factor = np.sqrt(np.clip((V / (W @ a + _TINY) - 1) / 2, _LEAST_FACTOR, _LARGEST_FACTOR))
    factor[~W.any(axis=1)] = 1
    return ratio_mask(speech * factor, 1 - speech)
