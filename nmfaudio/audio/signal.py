"""Check and convert arrays of samples."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_rate, checked, shown
from ..errors import AudioError

LOUDEST = 1e10  # beyond any scaling that sound comes in; squares of it still fit float32
_MOST_CHANNELS = 256  # of a block shorter than that; more are taken for samples in the place of channels


@checked
def resample(y: NDArray[np.floating], sr_in: int, sr_out: int) -> NDArray[np.floating]:
    """Change the sampling rate of a signal (by soxr, high quality).

    Parameters
    ----------
    y : ndarray of float32 or float64, shape (..., samples)
        Signal.
    sr_in, sr_out : int
        Sampling rates in Hz, before and after.

    Returns
    -------
    ndarray of the same dtype, shape (..., samples)

    Raises
    ------
    NmfaudioError
        If it is no array of floats, or a rate is none.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import audio
    >>> audio.resample(np.zeros((2, 48000), np.float32), 48000, 16000).shape
    (2, 16000)
    """
    if not isinstance(y, np.ndarray) or y.dtype not in (np.float32, np.float64) or not y.ndim:
        raise AudioError(f"y must be an array (..., samples) of floats, not {shown(y)}: see nmfaudio.audio.to_float")
    for sr in (sr_in, sr_out):
        check_rate(sr)
    if sr_in == sr_out:
        return y
    import soxr

    channels = soxr.resample(y.reshape(math.prod(y.shape[:-1]), y.shape[-1]).T, sr_in, sr_out)
    return np.ascontiguousarray(channels.T).reshape(*y.shape[:-1], len(channels))


def resample_blocks(blocks: Iterable[NDArray[np.floating]], sr_in: int, sr_out: int) -> Iterator[NDArray[np.floating]]:
    """Change the sampling rate of a signal that comes in blocks, shape (channels, samples), as `resample` does."""
    if sr_in == sr_out:
        yield from blocks
        return
    import soxr

    stream = None
    for y in blocks:
        stream = stream or soxr.ResampleStream(sr_in, sr_out, len(y), dtype=y.dtype)
        yield np.ascontiguousarray(stream.resample_chunk(y.T).reshape(-1, len(y)).T)
    if stream:
        yield np.ascontiguousarray(stream.resample_chunk(y[:, :0].T, last=True).reshape(-1, len(y)).T)


def to_float(y: ArrayLike) -> NDArray[np.floating]:
    """Convert samples of any real type to float, full scale to 1.

    Parameters
    ----------
    y : array_like
        Samples, any shape. Floats keep their scale; signed integers are divided by full scale; unsigned ones have
        their zero in the middle, as in 8-bit WAV files.

    Returns
    -------
    ndarray, shape of y
        float32 where it holds every value exactly, otherwise float64.

    Raises
    ------
    AudioError
        If the values are not real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> to_float(np.array([-32768, 0, 16384], np.int16))
    array([-1. ,  0. ,  0.5], dtype=float32)
    """
    try:
        y = np.asarray(y)
    except ValueError:  # lists of different lengths
        raise AudioError(f"sound is an array of samples, not {shown(y)}") from None
    if y.dtype in (np.float32, np.float64):
        return y
    if y.dtype.kind not in "fiu":
        raise AudioError(f"sound is real numbers, not {y.dtype}: convert the array to float first")
    if y.dtype.kind == "f":
        return y.astype(np.float32 if y.dtype.itemsize <= 4 else np.float64)
    half = 2.0 ** (8 * y.dtype.itemsize - 1)
    offset = half if y.dtype.kind == "u" else 0.0
    return ((y.astype(np.float64) - offset) / half).astype(np.result_type(y.dtype, np.float32))


def as_signal(y: ArrayLike) -> NDArray[np.floating]:
    """Convert an array to a signal of float samples.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Floats, or integers of any size: see `to_float`.

    Returns
    -------
    ndarray of float32 or float64, of the same shape

    Raises
    ------
    AudioError
        If the values are not real numbers, finite and below 1e10, or the array has another shape or its axes look
        swapped.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import audio
    >>> audio.as_signal(np.array([-32768, 0, 16384], np.int16))
    array([-1. ,  0. ,  0.5], dtype=float32)
    """
    y = to_float(y)
    if y.ndim not in (1, 2) or not all(y.shape[:-1]):
        raise AudioError(f"signal of shape {y.shape}: give (samples,) or (channels, samples)")
    if y.ndim == 2 and y.shape[0] > 64 and y.shape[0] > y.shape[1]:
        raise AudioError(f"shape {y.shape} looks like (samples, channels): give (channels, samples), as y.T")
    check_sound(y)
    return y


def as_block(y: ArrayLike) -> NDArray[np.floating]:
    """Convert a block of a signal, shape (channels, samples), to floats; it may have fewer samples than channels.

    Raises
    ------
    AudioError
        If it has another shape, or the values are not real numbers, finite and below 1e10.
    """
    y = to_float(y)
    if y.ndim != 2 or not 1 <= len(y) <= max(_MOST_CHANNELS, y.shape[1]):
        raise AudioError(f"block of shape {y.shape}: give (channels, samples), as np.atleast_2d(block.T)")
    check_sound(y)
    return y


def as_blocks(blocks: Iterable[ArrayLike]) -> Iterator[NDArray[np.floating]]:
    """Convert the blocks of a recording as `as_block` does; all have the channels of the first.

    Raises
    ------
    AudioError
        As for `as_block`; also if the number of channels changes.
    """
    n_channels = 0
    for y in map(as_block, blocks):
        n_channels = n_channels or len(y)
        if len(y) != n_channels:
            raise AudioError(f"block of shape {y.shape}: those before it have {n_channels} channel(s)")
        yield y


def check_sound(y: NDArray[np.floating]) -> None:
    """Refuse samples, shape (..., samples), that cannot be meant.

    Raises
    ------
    AudioError
        If one is NaN, infinite or beyond 1e10.
    """
    if not (sound := np.abs(y) <= LOUDEST).all():  # false for NaN
        where = np.argwhere(~sound)[0]
        raise AudioError(f"sample {where[-1]} is {y[tuple(where)]:.3g}: mend the sound first, as by numpy.nan_to_num")
