"""Repair a sound file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import audio
from ..dictionary import DictionaryLike
from ..errors import NmfaudioError
from ..files import check_output
from .bandwidth import extend_band
from .detection import find_clicks, find_clipped, find_dropouts
from .lost_samples import restore_samples
from .spectral_holes import fill_regions

PathLike = str | os.PathLike[str]

DAMAGE = ("dropouts", "clicks", "clipped")
"""Kinds of damage that can be looked for."""

CERTAIN = ("dropouts", "clipped")
"""Kinds of damage that are looked for unless others are named: nothing else sounds like them."""


@dataclass(frozen=True)
class RepairReport:
    """Facts about a file that was repaired.

    Parameters
    ----------
    input, output : str
        File that was read, and file that was written.
    repairs : tuple of str
        What was done, a phrase for each repair; empty where no damage was found.
    """

    input: str
    output: str
    repairs: tuple[str, ...]


def repair_file(
    source: PathLike,
    target: PathLike,
    *,
    damage: Collection[str] | None = None,
    gaps: Sequence[tuple[float, float]] = (),
    holes: Sequence[tuple[float, float, float, float]] = (),
    band: bool | float = False,
    dictionary: DictionaryLike = "speech-sparse",
    format: str | None = None,
    subtype: str | None = None,
    bit_rate: int | None = None,
    quality: float | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] = lambda part: None,
) -> RepairReport:
    """Repair a sound file, from a model of all the rest of it.

    Samples are restored first, then holes in the spectrogram, then the band.

    Parameters
    ----------
    source, target : path
        File to read, and file to write; the suffix of `target` sets the format.
    damage : collection of str, optional
        Damage to look for: "dropouts", "clicks", "clipped". By default, dropouts and clipped peaks, if there is
        nothing else to do.
    gaps : sequence of (float, float)
        Lost samples, from and to a time in seconds.
    holes : sequence of (float, float, float, float)
        Lost parts of the spectrogram: start and end in seconds, lowest and highest frequency in Hz.
    band : bool or float
        Extend the band of speech: above this frequency in Hz, or with True above the rate's own limit.
    dictionary : str, path or Dictionary
        Dictionary for the band.
    format, subtype : str, optional
        Container and sample format by libsndfile's names: see :meth:`nmfaudio.audio.AudioInfo.written_to`.
    bit_rate : int, optional
        Bits a second of a lossy format; by default those of `source`, where the format is the same.
    quality : float, optional
        Quality of MP3, Vorbis or Opus instead, from 0 to 1.
    overwrite : bool
        Replace a file that exists.
    progress : callable
        Called with the part that is done, from 0 to 1.

    Returns
    -------
    RepairReport

    Raises
    ------
    NmfaudioError
        If a file cannot be read or written, has no sound, or exists already; for damage that is not in the file.

    Examples
    --------
    >>> import nmfaudio
    >>> def mend(tape):
    ...     return nmfaudio.repair_file(tape, "mended.wav", damage=["clicks"], gaps=[(1.5, 1.52)]).repairs
    """
    unknown = set(damage or ()) - set(DAMAGE)
    if unknown:
        raise NmfaudioError(f"damage {sorted(unknown)[0]!r}: choose from {', '.join(DAMAGE)}")
    check_output(target, overwrite=overwrite)
    header = audio.info(source)
    like = header.written_to(target, format, subtype, bit_rate=bit_rate, quality=quality)
    y, sr = audio.read(source)
    if not y.size:
        raise NmfaudioError(f"{source}: has no sound in it")
    peak_before = float(np.abs(y).max())
    if damage is None:
        damage = () if gaps or holes or band else CERTAIN
    y, repairs = _restored(y, sr, damage, gaps, progress)
    if holes:
        y = fill_regions(y, sr, holes)
        repairs.append(f"filled {len(holes)} hole{'s' * (len(holes) > 1)} in the spectrogram")
    if band:
        y, sr = extend_band(y, sr, None if band is True else band, dictionary=dictionary)
        repairs.append("extended the band")
    peak = float(np.abs(y).max())
    if peak > max(1.0, peak_before) and like.subtype not in ("FLOAT", "DOUBLE"):
        y /= peak
        repairs.append(f"lowered by {20 * math.log10(peak):.1f} dB to make room for restored peaks")
    with audio.open_like(Path(target), replace(like, sr=sr), overwrite=overwrite) as out:
        out.write(y.astype(np.float32))
    return RepairReport(os.fspath(source), os.fspath(target), tuple(repairs))


def _restored(
    y: NDArray[np.floating],
    sr: int,
    damage: Collection[str],
    gaps: Sequence[tuple[float, float]],
    progress: Callable[[float], None],
) -> tuple[NDArray[np.floating], list[str]]:
    """Signal with lost and clipped samples restored, and what was done to it."""
    repairs = []
    lost = np.zeros(y.shape, bool)
    for start_s, stop_s in gaps:
        if stop_s * sr > y.shape[1]:
            raise NmfaudioError(
                f"the gap {start_s:g}-{stop_s:g} s is beyond the end of the recording at {y.shape[1] / sr:g} s"
            )
        lost[:, round(start_s * sr) : round(stop_s * sr)] = True
        repairs.append(f"filled {start_s:g}-{stop_s:g} s")
    clipped = find_clipped(y) if "clipped" in damage else np.zeros(y.shape, bool)
    for name, find in (("dropouts", find_dropouts), ("clicks", find_clicks)):
        if name in damage:
            found = find(y, sr)
            lost |= found
            if found.any():
                repairs.append(f"{name}: {1e3 * found.any(axis=0).sum() / sr:.1f} ms replaced")
    progress(0.1)
    if lost.any():
        y = restore_samples(y, sr, lost)
    progress(0.4)
    clipped &= ~lost
    if clipped.any():
        y = restore_samples(y, sr, clipped, clipped=True)
        repairs.append(f"clipped: {clipped.sum()} samples restored")
    progress(0.7)
    return y, repairs
