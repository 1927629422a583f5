"""Guidance by the user: times and frequencies at which a source is silent or alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_count, checked
from ..errors import NmfaudioError
from ..spectra.regions import region
from ..spectra.stft import STFT

Guidance = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
"""For a source's name, under "silent" or "alone", a list of (start_s, stop_s) or (start_s, stop_s, low_hz, high_hz)."""


@checked
def presence(
    guidance: Guidance, names: Sequence[str], stft: STFT, length: int, sr: float, first: int = 0
) -> NDArray[np.bool_]:
    """Mark the entries of the spectrogram at which each source may sound.

    Parameters
    ----------
    guidance : mapping
        Statements by source, see `Guidance`.
    names : sequence of str
        Names of the J sources.
    stft : STFT
        Transform of the signal.
    length : int
        Samples of the signal.
    sr : float
        Sampling rate in Hz.
    first : int
        Number of the first sample, if the signal is a piece of a recording.

    Returns
    -------
    ndarray of bool, shape (J, F, N)

    Raises
    ------
    NmfaudioError
        If the guidance names another source, a statement is neither "silent" nor "alone", or a range is none.

    Examples
    --------
    >>> from nmfaudio import STFT
    >>> known = {"voice": {"silent": [(0.0, 1.0)]}, "piano": {"alone": [(2.0, 3.0, 0, 500)]}}
    >>> may = presence(known, ["voice", "piano"], STFT(512, 256), length=50000, sr=16000)
    >>> [bool(may[0, 0, n]) for n in (0, 62, 63)]  # the middle of frame 63 is at 1.008 s
    [False, False, True]
    >>> [bool(may[0, f, 150]) for f in (10, 200)]  # voice at 2.4 s: not where the piano is alone
    [False, True]
    """
    check_count("length", length, 0)
    check_count("first", first, 0)
    may = np.ones((len(names), stft.n_bins, stft.n_frames(length)), bool)
    for name, statements in guidance.items():
        if name not in names:
            raise NmfaudioError(f"guidance for {name!r}, which is none of the sources {', '.join(names)}")
        mine = np.equal(names, name)
        for word, ranges in statements.items():
            if word not in ("silent", "alone"):
                raise NmfaudioError(f"guidance for {name!r}: {word!r} is neither 'silent' nor 'alone'")
            for numbers in ranges:
                there = np.outer(*region(numbers, stft, length, sr, first))
                may[mine == (word == "silent")] &= ~there
    return may
