"""Multichannel Wiener filter: separates sources by their place as well as by their powers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_count, checked
from ..errors import NmfaudioError
from ..spectra.phase import wiener_masks

_CHUNK = 2**18  # entries of all covariances at a time, for the sake of memory
_TINY = 1e-150  # its square, a determinant, is a number still
_PRIOR = 3.0  # weight of a source's mean covariance over all bins, in frames of the mixture


@checked
def multichannel_wiener(
    powers: NDArray[np.floating], Y: NDArray[np.complexfloating], n_iter: int = 10
) -> NDArray[np.complexfloating]:
    """Estimate the spectra of sources in every channel from estimates of their powers.

    A source is Gaussian with covariance ``v_j(f, n) R_j(f)`` between channels, ``R_j`` of full rank (Duong, Vincent
    and Gribonval, "Under-determined reverberant audio source separation using a full-rank spatial covariance model",
    2010): ``Y_j = v_j R_j (sum_i v_i R_i)^-1 Y``. The ``R_j`` are estimated by expectation-maximisation, with frames
    weighted by ``v_j``, starting from the Wiener filter of each channel alone. The mean of ``R_j`` over all bins is
    their prior; without it, a bin that almost belongs to one source would tell nothing about the others.

    Parameters
    ----------
    powers : ndarray, shape (J, C, F, N)
        Non-negative power of every source in every channel.
    Y : ndarray of complex, shape (C, F, N)
        Spectrum of the mixture.
    n_iter : int
        Iterations of expectation-maximisation.

    Returns
    -------
    ndarray of complex, shape (J, C, F, N)
        Spectra of the sources; their sum over J is Y.

    Raises
    ------
    NmfaudioError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> S = rng.standard_normal((2, 5, 200)) + 1j * rng.standard_normal((2, 5, 200))
    >>> S *= rng.random((2, 1, 200)) > 0.5
    >>> images = S[:, None] * np.array([[1, 0.3], [0.2, 1]])[:, :, None, None]
    >>> found = multichannel_wiener(abs(images) ** 2, images.sum(axis=0))
    >>> bool(abs(found - images).max() < 0.1 * abs(images).max())
    True
    """
    if Y.ndim != 3 or powers.shape[1:] != Y.shape:
        raise NmfaudioError(f"powers (J, C, F, N) and Y (C, F, N) do not fit: {powers.shape} and {Y.shape}")
    check_count("n_iter", n_iter, 0)
    out = wiener_masks(powers) * Y
    v = powers.mean(axis=1, dtype=np.float64)
    outer = np.einsum("jcfn,jdfn->jfcd", out, out.conj()).astype(np.complex128)  # of the filter of each channel
    mean = outer.sum(axis=1) / np.maximum(v.sum(axis=(1, 2)), np.finfo(np.float64).tiny)[:, None, None]
    step = max(1, _CHUNK // (len(v) * len(Y) ** 2 * max(1, Y.shape[2])))
    for first in range(0, Y.shape[1], step):
        bins = slice(first, first + step)
        out[:, :, bins] = _filtered(v[:, bins], outer[:, bins], mean, Y[:, bins].astype(np.complex128), n_iter)
    return out


def _filtered(
    v: NDArray[np.float64],
    outer: NDArray[np.complex128],
    mean: NDArray[np.complex128],
    Y: NDArray[np.complex128],
    n_iter: int,
) -> NDArray[np.complex128]:
    """Filter some of the bins; v (J, F, N), outer (J, F, C, C), mean (J, C, C), Y (C, F, N)."""
    x, eye = np.ascontiguousarray(Y.transpose(1, 2, 0)), np.eye(len(Y))
    level = v.mean(axis=(0, 2))[:, None, None]
    least = 1e-9 * level + _TINY
    prior = _PRIOR * level * mean[:, None]
    powers = v.sum(axis=2)[..., None, None]
    total = powers + _PRIOR * level + least
    R = (outer + prior) / total  # (J, F, C, C)
    for i in range(n_iter + 1):
        inverse = _inverse(np.einsum("jfn,jfcd->fncd", v, R) + least[..., None] * eye)
        whitened = np.einsum("fncd,fnd->fnc", inverse, x)
        s = v[..., None] * (whitened @ R.swapaxes(-1, -2)) + least / len(v) * whitened  # (J, F, N, C)
        if i < n_iter:
            observed = s.swapaxes(-1, -2) @ s.conj()
            explained = R @ np.einsum("jfn,fncd->jfcd", v**2, inverse)
            explained += least / len(v) * np.einsum("jfn,fncd->jfcd", v, inverse)
            R = (observed + (powers * eye - explained) @ R + prior) / total
    return np.transpose(s, (0, 3, 1, 2))


def _inverse(S: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Invert matrices, shape (..., C, C); those of two channels by the formula, ten times as fast as by LAPACK."""
    if S.shape[-1] != 2:
        inverse: NDArray[np.complex128] = np.asarray(np.linalg.inv(S), np.complex128)
        return inverse
    determinant = S[..., 0, 0] * S[..., 1, 1] - S[..., 0, 1] * S[..., 1, 0]
    adjugate = np.empty_like(S)
    adjugate[..., 0, 0], adjugate[..., 1, 1] = S[..., 1, 1], S[..., 0, 0]
    adjugate[..., 0, 1], adjugate[..., 1, 0] = -S[..., 0, 1], -S[..., 1, 0]
    adjugate /= determinant[..., None, None]
    return adjugate
