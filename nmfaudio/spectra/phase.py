"""Phase: from estimated powers of sources to their signals, by one function for every method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_choice, check_count, checked
from ..errors import NmfaudioError
from .stft import STFT

__all__ = ["METHODS", "griffin_lim", "signals_of", "wiener_masks"]

METHODS = {"mixture": 0, "griffin-lim": 50, "fast-griffin-lim": 50, "misi": 30, "consistent": 20}
"""Name of each method, and its iterations by default."""

_MOMENTUM = 0.99
_PRECISION = 1e-5  # of conjugate gradients: below is rounding in single precision
_CONSISTENCY = 10.0  # weight of the penalty where the mean power of the mixture is 1


@checked
def signals_of(
    powers: NDArray[np.floating],
    Y: NDArray[np.complexfloating],
    stft: STFT,
    length: int,
    method: str = "mixture",
    n_iter: int | None = None,
) -> NDArray[np.floating]:
    """Signals of sources from estimates of their powers and the spectrum of their mixture.

    Source `j` has the share ``powers[j] / powers.sum(axis=0)`` of a bin.

    ==================  ============================================================================================
    "mixture"           the share times `Y` (Wiener filter); the sources have the mixture's phase
    "griffin-lim"       magnitudes as before, phases that fit the overlapping frames best, each source for itself
                        (Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984)
    "fast-griffin-lim"  the same with momentum (Perraudin, Balazs and Søndergaard, "A fast Griffin-Lim algorithm", 2013)
    "misi"              the same for all sources at once, which must add up to the mixture (Gunawan and Sen, "Iterative
                        phase estimation for the synthesis of separated sources from single-channel mixtures", 2010)
    "consistent"        the likeliest Gaussian sources of these powers that add up to the mixture, under a penalty for
                        spectra that are no signal's (Le Roux and Vincent, "Consistent Wiener filtering for audio source
                        separation", 2013, here for any number of sources)
    ==================  ============================================================================================

    With "mixture", "misi" and "consistent" the signals add up to the mixture.

    Parameters
    ----------
    powers
        Non-negative, shape (J, ..., F, N) or (J, F, N): estimated power of every source.
    Y
        Spectrum of the mixture, shape (..., F, N), by `stft`.
    stft
        Its transform.
    length
        Samples of the mixture.
    method
        One of `METHODS`.
    n_iter
        Iterations; by default those of `METHODS`.

    Returns
    -------
    NDArray
        Signals, shape (J, ..., length).

    Raises
    ------
    NmfaudioError
        If there is no such method.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import STFT
    >>> y = np.random.default_rng(0).standard_normal(4000)
    >>> stft = STFT(512, 128)
    >>> powers = np.stack([np.full((257, 35), 1.0), np.full((257, 35), 3.0)])
    >>> bool(np.allclose(signals_of(powers, stft(y), stft, 4000), [0.25 * y, 0.75 * y]))
    True
    """
    check_choice("method", method, METHODS)
    n_iter = METHODS[method] if n_iter is None else n_iter
    check_count("n_iter", n_iter, 0)
    if Y.ndim > powers.ndim - 1:
        powers = powers.reshape(len(powers), *[1] * (Y.ndim + 1 - powers.ndim), *powers.shape[1:])
    if powers.ndim != Y.ndim + 1 or powers.shape[-2:] != Y.shape[-2:]:
        raise NmfaudioError(f"powers of shape {powers.shape} do not fit Y of shape {Y.shape}: give (J, ..., F, N)")
    X = wiener_masks(powers) * Y
    if method in ("griffin-lim", "fast-griffin-lim"):
        return griffin_lim(np.abs(X), X, stft, length, n_iter, _MOMENTUM if method[0] == "f" else 0.0)
    if method == "misi":
        return _misi(X, stft.synthesis(Y, length), stft, n_iter)
    if method == "consistent":
        return _adding_up(
            stft.synthesis(_consistent(powers, X, stft, length, n_iter), length), stft.synthesis(Y, length)
        )
    return stft.synthesis(X, length)


@checked
def wiener_masks(powers: NDArray[np.floating]) -> NDArray[np.floating]:
    """Wiener mask of each source, shape (J, ...): its share of the power. All are equal where nothing is estimated.

    Examples
    --------
    >>> import numpy as np
    >>> wiener_masks(np.array([[1.0, 0.0], [3.0, 0.0]]))
    array([[0.25, 0.5 ],
           [0.75, 0.5 ]])
    """
    total = powers.sum(axis=0)
    tiny = np.finfo(powers.dtype).tiny
    return np.where(total > tiny, powers / np.maximum(total, tiny), 1 / len(powers)).astype(powers.dtype)


@checked
def griffin_lim(
    magnitudes: NDArray[np.floating],
    X: NDArray[np.complexfloating],
    stft: STFT,
    length: int,
    n_iter: int,
    momentum: float = 0.0,
    fixed: NDArray[np.bool_] | bool = False,
) -> NDArray[np.floating]:
    """Signal whose spectrum has these magnitudes as nearly as can be.

    Parameters
    ----------
    magnitudes
        Shape (..., F, N).
    X
        Spectrum of the same shape, whose phases to start from.
    stft
        Its transform.
    length
        Samples of the signal.
    n_iter
        Iterations.
    momentum
        0 for Griffin and Lim's, about 1 for the fast one of Perraudin et al. (2013).
    fixed
        True where the spectrum is known to be X; the signal keeps to it as far as the rest allows.

    Returns
    -------
    NDArray
        Signal, shape (..., length).

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import STFT
    >>> y = np.random.default_rng(0).standard_normal(4000)
    >>> stft = STFT(512, 128)
    >>> bool(np.allclose(griffin_lim(np.abs(stft(y)), stft(y), stft, 4000, n_iter=3), y))
    True
    """
    check_count("n_iter", n_iter, 0)
    if magnitudes.shape != X.shape:
        raise NmfaudioError(f"magnitudes of shape {magnitudes.shape} do not fit X of shape {X.shape}")
    known = before = X
    X = np.where(fixed, known, _with_phase_of(magnitudes, X))
    for _ in range(n_iter):
        consistent = stft(stft.synthesis(X, length))
        X = np.where(fixed, known, _with_phase_of(magnitudes, consistent + momentum * (consistent - before)))
        before = consistent
    return stft.synthesis(X, length)


def _with_phase_of(magnitudes: NDArray[np.floating], X: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    size = np.abs(X)
    tiny = np.finfo(size.dtype).tiny
    return np.where(size > tiny, X * (magnitudes / np.maximum(size, tiny)), magnitudes)


def _misi(X: NDArray[np.complexfloating], y: NDArray[np.floating], stft: STFT, n_iter: int) -> NDArray[np.floating]:
    magnitudes = np.abs(X)
    for _ in range(n_iter):
        X = _with_phase_of(magnitudes, stft(_adding_up(stft.synthesis(X, y.shape[-1]), y)))
    return _adding_up(stft.synthesis(X, y.shape[-1]), y)


def _adding_up(signals: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """Share what is missing from the mixture among the sources."""
    summing: NDArray[np.floating] = signals + (y - signals.sum(axis=0)) / len(signals)
    return summing


def _consistent(
    variances: NDArray[np.floating], X: NDArray[np.complexfloating], stft: STFT, length: int, n_iter: int
) -> NDArray[np.complexfloating]:
    """Minimise ``sum_j |X_j|^2 / v_j + c |X_j - stft(synthesis(X_j))|^2`` where the X_j keep their sum.

    Conjugate gradients from the Wiener filter, where the first term is at its least. The preconditioner inverts the
    diagonal on those steps that keep the sum.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    dtype = X.real.dtype.type
    unit = variances.sum(axis=0).mean(dtype=np.float64)
    if not unit:
        return X
    precision = 1 / (variances / dtype(unit) + dtype(1e-6))
    scale = 1 / (precision + dtype(_CONSISTENCY * (1 - stft.hop_length / stft.n_fft)))
    total = scale.sum(axis=0)
    root = np.full((stft.n_bins, 1), np.sqrt(2), dtype)  # of the weight: bins stand for their mirror image too
    root[0] = 1
    if stft.n_fft % 2 == 0:
        root[-1] = 1

    def curvature(Z: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        slope: NDArray[np.complexfloating] = precision * Z + dtype(_CONSISTENCY) * (Z - stft(stft.synthesis(Z, length)))
        return slope

    def preconditioned(R: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        Z = scale * R
        balanced: NDArray[np.complexfloating] = Z - scale * (Z.sum(axis=0) / total)
        return balanced

    def flat(Z: NDArray[np.complexfloating]) -> NDArray[np.floating]:
        return np.ascontiguousarray(Z * root).view(X.real.dtype).ravel()

    def shaped(z: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        return (z.view(X.dtype).reshape(X.shape) / root).astype(X.dtype, copy=False)

    def operator(function: Callable[[NDArray[np.complexfloating]], NDArray[np.complexfloating]]) -> LinearOperator:
        return LinearOperator((2 * X.size, 2 * X.size), lambda z: flat(function(shaped(z))), dtype=X.real.dtype)

    step, _ = cg(operator(curvature), flat(-curvature(X)), M=operator(preconditioned), rtol=_PRECISION, maxiter=n_iter)
    return np.asarray(X + shaped(step))
