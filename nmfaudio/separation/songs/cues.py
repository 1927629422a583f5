"""Cues to the sources of a song: its spectrogram, split by what moves, what repeats and what is in the centre."""

import numpy as np

from ...kernels.medians import medians_of, most_similar, running_medians
from ...spectra.front_end import FrontEnd

PARTS = (
    "percussive, repeating",
    "percussive, new",
    "sustained, centre",
    "moving, repeating, centre",
    "moving, new, centre",
    "tonal, repeating, side",
    "tonal, new, side",
)
REACH = 430  # frames to both sides, 10 s, within which a frame may repeat

_SHORT, _LONG = 8, 21  # frames to both sides in a median, 0.4 and 1 s
_BINS, _HIGH = 12, 4  # bins and bands above them to both sides
_MOST, _APART = 30, 8  # frames that a frame is compared with, and their least distance
_AT_ONCE = 256
_TINY = np.float32(1e-20)
_SILENT = 1e-6  # power of a channel relative to the loudest: it has no say in what is in the centre


def cues(Y: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Split the spectrogram of a song by cues to its sources.

    What is percussive and what is tonal follows from medians over frequency and over time (FitzGerald,
    "Harmonic/percussive separation using median filtering", 2010); of the latter, what is sustained is below the
    median over a longer time. What repeats is below the median over similar frames (Rafii and Pardo, "Music/voice
    separation using the similarity matrix", 2012). What is in the centre is in the mean of the channels and not in
    their difference; channels without sound do not count.

    Parameters
    ----------
    Y : ndarray, shape (channels, B, T)
        Complex spectra of the channels.
    front_end : FrontEnd

    Returns
    -------
    ndarray, shape (1 + len(PARTS), F, T)
        The compressed magnitude V, and `PARTS`, which add up to it.
    """
    return cues_of(powers(Y, front_end), front_end)


def powers(Y: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Compute the mean power of the channels, and the part of it that differs between them, in the rows of V.

    Parameters
    ----------
    Y : ndarray, shape (channels, B, T)
    front_end : FrontEnd

    Returns
    -------
    ndarray, shape (2, F, T)
    """
    each = Y.real**2 + Y.imag**2
    levels = each.sum(axis=1)  # (channels, T)
    sounds = levels > _SILENT * levels.max(axis=0)
    n_sounding = np.maximum(sounds.sum(axis=0, dtype=each.dtype), 1)
    power, total = each.mean(axis=0), Y.sum(axis=0, where=sounds[:, None])
    side = np.maximum(power - (total.real**2 + total.imag**2) / (n_sounding * len(Y)), 0)
    return np.stack([front_end.rows(power), front_end.rows(side)])


def cues_of(powers: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Split a spectrogram as `cues` does, given its `powers`."""
    power, side = powers
    V = power ** np.float32(front_end.exponent / 2)
    centre = np.maximum(1 - np.sqrt(side / np.maximum(power - side, _TINY)), 0)
    tonal = _medians_over_time(V, _SHORT) ** 2
    percussive = _medians_over_frequency(V, front_end.n_bins) ** 2
    percussive /= tonal + percussive + _TINY
    sustained = np.minimum(_medians_over_time(V, _LONG) / (V + _TINY), 1)
    repeating = np.minimum(_medians_over_similar(V) / (V + _TINY), 1)
    out = np.empty((1 + len(PARTS), *V.shape), V.dtype)
    out[0] = V
    tonal = V * (1 - percussive)
    percussive *= V
    in_centre = tonal * centre
    moving = in_centre * (1 - sustained)
    tonal -= in_centre
    parts = (
        percussive * repeating, percussive * (1 - repeating), in_centre - moving, moving * repeating,
        moving * (1 - repeating), tonal * repeating, tonal * (1 - repeating),
    )  # fmt: skip
    for row, part in zip(out[1:], parts, strict=True):
        row[:] = part
    return out


def _medians_over_time(V: np.ndarray, reach: int) -> np.ndarray:
    out = np.empty_like(V)
    running_medians(V, min(reach, V.shape[1] - 1), out)
    return out


def _medians_over_frequency(V: np.ndarray, n_bins: int) -> np.ndarray:
    rows = np.ascontiguousarray(V.T)
    out = np.empty_like(rows)
    running_medians(rows[:, :n_bins], min(_BINS, n_bins - 1), out[:, :n_bins])
    n_high = len(V) - n_bins
    if n_high:
        running_medians(rows[:, n_bins:], min(_HIGH, n_high - 1), out[:, n_bins:])
    return np.ascontiguousarray(out.T)


def _medians_over_similar(V: np.ndarray) -> np.ndarray:
    """Median of the frames around each frame that are most similar to it, itself among them, by their cosine."""
    frames = np.ascontiguousarray(V.T)
    directions = V / np.maximum(np.linalg.norm(V, axis=0), _TINY)
    out = np.empty_like(frames)
    for start in range(0, len(frames), _AT_ONCE):
        stop = min(start + _AT_ONCE, len(frames))
        near = slice(max(0, start - REACH), stop + REACH)
        similarity = directions[:, start:stop].T @ directions[:, near]
        for t, row in enumerate(similarity, start):  # the same reach for each frame, whatever the block
            row[: max(0, t - REACH - near.start)] = -1
            row[t + REACH + 1 - near.start :] = -1
        numbers, n_found = np.zeros((stop - start, _MOST), np.int64), np.zeros(stop - start, np.int64)
        most_similar(similarity, _APART, numbers, n_found)
        medians_of(frames[near], numbers, n_found, out[start:stop])
    return np.ascontiguousarray(out.T)
