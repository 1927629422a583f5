"""Wiener filter of all channels together: sources are told apart by where they are as well as by their powers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 64  # bins at a time, for the sake of memory


def multichannel_wiener(
    powers: NDArray[np.floating], Y: NDArray[np.complexfloating], n_iter: int = 5
) -> NDArray[np.complexfloating]:
    """Spectra of sources in every channel from estimates of their powers.

    A source is Gaussian with covariance ``v_j(f, n) R_j(f)`` between channels, ``R_j`` of full rank (Duong, Vincent
    and Gribonval, "Under-determined reverberant audio source separation using a full-rank spatial covariance model",
    2010): ``Y_j = v_j R_j (sum_i v_i R_i)^-1 Y``. The ``R_j`` are found by expectation-maximisation from the Wiener
    filter of each channel by itself.

    Parameters
    ----------
    powers
        Non-negative, shape (J, F, N): power of every source, the mean over channels.
    Y
        Spectrum of the mixture, shape (C, F, N).
    n_iter
        Iterations of expectation-maximisation.

    Returns
    -------
    NDArray
        Shape (J, C, F, N); over J they add up to Y.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> S = rng.standard_normal((2, 5, 200)) + 1j * rng.standard_normal((2, 5, 200))
    >>> S *= rng.random((2, 1, 200)) > 0.5
    >>> images = S[:, None] * np.array([[1, 0.3], [0.2, 1]])[:, :, None, None]
    >>> found = multichannel_wiener(abs(S) ** 2, images.sum(axis=0))
    >>> bool(abs(found - images).max() < 0.1 * abs(images).max())
    True
    """
    out = np.empty((len(powers), *Y.shape), Y.dtype)
    for first in range(0, Y.shape[1], _CHUNK):
        bins = slice(first, first + _CHUNK)
        out[:, :, bins] = _filtered(powers[:, bins].astype(np.float64), Y[:, bins].astype(np.complex128), n_iter)
    return out


def _filtered(v: np.ndarray, Y: np.ndarray, n_iter: int) -> np.ndarray:
    eye = np.eye(len(Y))
    x = Y.transpose(1, 2, 0)[..., None]  # (F, N, C, 1)
    v = v[..., None, None]
    R = np.tile(eye, (len(v), len(x), 1, 1, 1)).astype(Y.dtype)  # (J, F, 1, C, C)
    least = 1e-9 * v.mean(axis=(0, 2), keepdims=True)[0] + np.finfo(np.float64).tiny
    for i in range(n_iter + 1):
        each = v * R + least / len(v) * eye
        gain = each @ np.linalg.inv(each.sum(axis=0))
        s = gain @ x  # (J, F, N, C, 1)
        if i < n_iter:
            C = s @ s.conj().swapaxes(-1, -2) + (eye - gain) @ each
            R = C.sum(axis=2, keepdims=True) / (v.sum(axis=2, keepdims=True) + least)
    return s[..., 0].transpose(0, 3, 1, 2)
