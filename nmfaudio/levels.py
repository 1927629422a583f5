"""Levels as pictures show them: in decibels, silence black, and no more columns than can be seen."""

import numpy as np
from numpy.typing import NDArray

_COLUMNS = 6000
_SILENCE_DB = -200.0


def brightest_db(level_db: NDArray, range_db: float) -> float:
    """Level of the brightest colour: that of the loudest few of a thousand values, but so that silence is black."""
    return max(float(np.percentile(level_db, 99.7)), _SILENCE_DB + range_db)


def decibels(power: NDArray) -> NDArray[np.floating]:
    """Level of a power, in which silence has one too."""
    return 10 * np.log10(power + 10 ** (_SILENCE_DB / 10))


def pooled(P: NDArray, width: int) -> NDArray[np.floating]:
    """Means of so many neighbouring frames of P, shape (F, N), which keep a picture from being wider than need be."""
    starts = np.arange(0, P.shape[1], width)
    return np.add.reduceat(P, starts, axis=1) / np.diff(starts, append=P.shape[1])


def frames_a_column(n_frames: int) -> int:
    """How many frames a column of a picture stands for."""
    return -(-n_frames // _COLUMNS)
