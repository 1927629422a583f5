"""Repair of lost or clipped samples: the likeliest ones under Gaussian frames whose variances are an NMF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_count, check_rate, checked
from ..audio import as_signal, to_float
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.blocks import Frames, mended
from ..spectra.stft import STFT

_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S, _WINDOWS_PER_GAP = 0.064, 0.256, 3.2
_PIECE_S, _MARGIN_S = 20.0, 1.0
_N_COMPONENTS, _PENALTY = 40, 0.1
_N_STEPS, _TOLERANCE = 60, 1e-4  # of conjugate gradients
_LEAST_VARIANCE = 1e-4  # of the mean of the frame
_LOST = 0.3  # share of a frame's energy; a frame with more of it missing is interpolated


@checked
def restore_samples(
    y: ArrayLike, sr: float, missing: ArrayLike, *, clipped: bool = False, n_iter: int = 2
) -> NDArray[np.floating]:
    """Replace lost or clipped samples by the likeliest ones, given all the others.

    Frames are Gaussian with the variance ``v(f, n)``, an NMF of the recording's own spectrogram. The lost samples
    minimise ``sum |X(f, n)|^2 / v(f, n)`` over all overlapping frames, by conjugate gradients. NMF and samples are
    improved in turn. This is the model of Bilen, Ozerov and Pérez, "Audio declipping via nonnegative matrix
    factorization" (2015), with the frames tied by their overlap.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal.
    sr : float
        Sampling rate in Hz.
    missing : array_like of bool, shape (samples,) or that of y
        True for samples to replace. Their values in y are ignored unless `clipped`.
    clipped : bool
        The true samples are at least as far from zero as those in y.
    n_iter : int
        Rounds of NMF and samples.

    Returns
    -------
    ndarray, shape of y
        Equal to y where nothing is missing.

    Raises
    ------
    NmfaudioError
        If y is no such signal, or `missing` has another shape or covers a whole channel.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(0.05 * np.arange(8000))
    >>> missing = np.zeros(8000, bool)
    >>> missing[4000:4160] = True
    >>> restored = restore_samples(np.where(missing, 0, y), 8000, missing)
    >>> bool(np.abs(restored - y).max() < 0.2)
    True
    """
    check_rate(sr)
    check_count("n_iter", n_iter)
    y, missing = to_float(y), np.asarray(missing, bool)
    if not clipped and missing.shape in (y.shape, y.shape[-1:]):
        y = np.where(missing, 0, y)  # before the check of what is a signal: they may be NaN
    y = as_signal(y)
    if missing.shape not in (y.shape, y.shape[-1:]):
        raise NmfaudioError(f"missing has shape {missing.shape}, but the signal {y.shape}")
    missing = np.broadcast_to(missing, y.shape)
    if y.shape[-1] and missing.all(axis=-1).any():
        raise NmfaudioError("every sample of the signal, or of a channel, is missing: there is nothing to go by")
    chunks = [(np.atleast_2d(y), np.atleast_2d(missing))]
    restored = [piece for piece, *_ in restored_blocks(chunks, sr, clipped=clipped, n_iter=n_iter)]
    return np.concatenate(restored, axis=1).reshape(y.shape) if restored else y.copy()


def restored_blocks(chunks: Iterable[Frames], sr: float, *, clipped: bool = False, n_iter: int = 2) -> Iterator[Frames]:
    """Replace lost or clipped samples of a recording of any length, as `restore_samples` does in one piece.

    Parameters
    ----------
    chunks : iterable of tuple (y, missing, ...)
        The recording in blocks, shape (channels, n): samples, a mask of those to replace, and any other arrays of it.
    sr, clipped, n_iter
        As for `restore_samples`.

    Yields
    ------
    tuple (y, missing, ...)
        The same of other lengths, with the samples restored.
    """
    return mended(
        chunks,
        int(_PIECE_S * sr),
        int(_MARGIN_S * sr),
        lambda y, missing, first: _restored(y, sr, missing, clipped, n_iter),
    )


def _restored(
    y: NDArray[np.floating], sr: float, missing: NDArray[np.bool_], clipped: bool, n_iter: int
) -> NDArray[np.floating]:
    longest = max(np.diff(np.flatnonzero(np.pad(~channel, 1, constant_values=True))).max() - 1 for channel in missing)
    window_s = float(np.clip(_WINDOWS_PER_GAP * longest / sr, _SHORTEST_WINDOW_S, _LONGEST_WINDOW_S))
    stft = STFT.for_rate(sr, window_s, window_s / 4)
    x = y if clipped else np.where(missing, 0, y)
    magnitudes = np.abs(stft(x)) if clipped else _bridged(x, missing, stft)
    for _ in range(n_iter):
        variances = spatial_nmf(magnitudes, n_free=_N_COMPONENTS, penalty=_PENALTY).estimate() ** 2
        least = _LEAST_VARIANCE * variances.mean(axis=-2, keepdims=True) + np.finfo(y.dtype).tiny
        variances = np.maximum(variances, least)
        x = _likeliest(x, missing, variances, stft)
        if clipped:  # samples that would fall short of their limit stay there; the others are solved for again
            x = _beyond(x, y)
            x = _beyond(_likeliest(x, missing & (x != y), variances, stft), y)
        magnitudes = np.abs(stft(x))
    return x


def _beyond(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """Take the samples of x, but those of y where they are farther from zero on the same side."""
    farther: NDArray[np.floating] = np.where(y > 0, np.maximum(x, y), np.minimum(x, y))
    return farther


def _bridged(y: NDArray[np.floating], missing: NDArray[np.bool_], stft: STFT) -> NDArray[np.floating]:
    """Magnitudes of y, interpolated geometrically over frames with many missing samples."""
    magnitudes: NDArray[np.floating] = np.abs(stft(y))
    w = stft.analysis_window
    share = _framed(missing.astype(y.dtype), stft) @ (w**2 / (w**2).sum())
    for channel, lost in zip(magnitudes, share, strict=True):
        whole = np.flatnonzero(lost < _LOST)
        if len(whole):
            logs = np.log(channel[:, whole] + 1e-6 * channel.max() + np.finfo(y.dtype).tiny)
            place = np.interp(np.flatnonzero(lost >= _LOST), whole, np.arange(len(whole)))
            before = place.astype(int)
            part = (place - before).astype(y.dtype)
            after = np.minimum(before + 1, len(whole) - 1)
            channel[:, lost >= _LOST] = np.exp((1 - part) * logs[:, before] + part * logs[:, after])
    return magnitudes


def _likeliest(
    x: NDArray[np.floating], missing: NDArray[np.bool_], variances: NDArray[np.floating], stft: STFT
) -> NDArray[np.floating]:
    """Minimise ``sum |X|^2 / v`` over the missing samples by conjugate gradients from x."""
    from scipy.sparse.linalg import LinearOperator, cg

    if not missing.any():
        return x
    frames = np.nonzero(_framed(missing, stft).any(axis=-1))  # all others are the same whatever is missing
    own_variances = variances.swapaxes(-1, -2)[frames]
    inverse_window = stft.synthesis_window.astype(x.dtype)

    def weighted(weights: NDArray[np.floating], z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Weight the spectrum of a signal, and return the missing samples of the result."""
        cut = _framed(z, stft)[frames] * stft.analysis_window.astype(x.dtype)
        cut = np.fft.irfft(weights * np.fft.rfft(cut), stft.n_fft).astype(x.dtype) * inverse_window
        return _added(cut, frames, missing.shape, stft)[missing]

    def operator(weights: NDArray[np.floating]) -> LinearOperator:
        def apply(samples: NDArray[np.floating]) -> NDArray[np.floating]:
            z = np.zeros_like(x)
            z[missing] = samples
            return weighted(weights, z)

        return LinearOperator((missing.sum(), missing.sum()), apply, dtype=x.dtype)

    precision = 1 / own_variances
    start = -weighted(precision, x)
    step, _ = cg(operator(precision), start, M=operator(own_variances), rtol=_TOLERANCE, maxiter=_N_STEPS)
    x = x.copy()
    x[missing] += step
    return x


def _framed(y: NDArray[Any], stft: STFT) -> NDArray[Any]:
    """Frames of y (channels, samples) as the STFT has them, without its window, shape (channels, N, n_fft)."""
    padded = np.zeros((len(y), stft.n_frames(y.shape[1]) * stft.hop_length + stft.overlap), y.dtype)
    padded[:, stft.overlap : stft.overlap + y.shape[1]] = y
    return sliding_window_view(padded, stft.n_fft, axis=-1)[:, :: stft.hop_length]


def _added(
    cut: NDArray[np.floating], frames: tuple[NDArray[np.intp], ...], shape: tuple[int, int], stft: STFT
) -> NDArray[np.floating]:
    """Overlap and add some frames, given by channel and number, to a signal of the shape."""
    (channel, number), hop = frames, stft.hop_length
    n_hops = stft.n_fft // hop
    hops = np.zeros((shape[0], stft.n_frames(shape[1]) + n_hops - 1, hop), cut.dtype)
    for k in range(n_hops):
        hops[channel, number + k] += cut[:, k * hop : (k + 1) * hop]
    return hops.reshape(shape[0], -1)[:, stft.overlap : stft.overlap + shape[1]]
