"""Draw spectrograms as PNG, with the frequencies on the mel scale."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from ..display import power_db

__all__ = ["RANGE_DB", "ROWS", "mel_rows", "png"]

RANGE_DB = 70.0
"""Decibels from black to the brightest colour."""

ROWS = 192
"""Rows of a picture."""

_COLOURS = 64
_MAGMA = ("000004", "1c1044", "4f127b", "812581", "b5367a", "e55964", "fb8861", "fec287", "fcfdbf")


def mel_rows(power: NDArray[np.floating], nyquist_hz: float) -> NDArray[np.floating]:
    """Average the power of neighbouring bins into rows that lie evenly on the mel scale, in dB, from 0 Hz up.

    Parameters
    ----------
    power : ndarray, shape (F, n)
        Power of bins from 0 Hz to `nyquist_hz`.
    nyquist_hz : float
        Half the sampling rate.

    Returns
    -------
    ndarray, shape (rows, n)
    """
    top_mel = np.log1p(nyquist_hz / 700)  # m = log(1 + f / 700), but for its unit
    edges_hz = 700 * np.expm1(np.linspace(0, top_mel, ROWS + 1))
    starts = np.minimum(np.rint(edges_hz / nyquist_hz * (len(power) - 1)).astype(int), len(power) - 1)[:-1]
    counts = np.maximum(np.diff(starts, append=len(power)), 1)
    return power_db(np.add.reduceat(power, starts, axis=0) / counts[:, None])


def png(level_db: NDArray[np.floating], brightest_db: float, effort: int = 9) -> bytes:
    """Encode a picture of levels.

    Parameters
    ----------
    level_db : ndarray, shape (rows, columns)
        Levels, the lowest row first.
    brightest_db : float
        Level of the brightest colour; black is `RANGE_DB` below it.
    effort : int
        Effort of the compression, from 1 to 9.
    """
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _MAGMA])
    at = np.linspace(0, len(anchors) - 1, _COLOURS)
    palette = np.stack([np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T], axis=1)
    height, width = level_db.shape
    rows = np.zeros((height, width + 1), np.uint8)  # a row begins with its filter, 0 for none
    rows[:, 1:] = np.rint(np.clip((level_db[::-1] - brightest_db) / RANGE_DB + 1, 0, 1) * (_COLOURS - 1))
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": palette.astype(np.uint8).tobytes(),
        b"IDAT": zlib.compress(rows.tobytes(), effort),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
