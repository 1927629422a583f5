"""Repair a sound file."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from .. import audio
from ..arguments import check_choice, check_path, check_ranges, checked
from ..dictionary import DictionaryLike
from ..errors import AudioError, NmfaudioError
from ..files import PathLike, check_output, is_device, is_same
from ..spectra.blocks import Frames
from .bandwidth import Band
from .detection import DAMAGE, find_damage
from .lost_samples import restored_blocks
from .spectral_holes import check_regions, filled_blocks

CERTAIN = ("dropouts", "clipped")
"""Kinds of damage that are looked for unless others are named: nothing else sounds like them."""

_WRITTEN_FRAMES = 2**16  # at once


@dataclass(frozen=True)
class RepairReport:
    """Facts about a file that was repaired.

    Parameters
    ----------
    input, output : str
        File that was read, and file that was written.
    repairs : tuple of str
        What was done, a phrase for each repair; empty where no damage was found.
    clipped_samples : int
        Samples of the output that were beyond full scale.
    """

    input: str
    output: str
    repairs: tuple[str, ...]
    clipped_samples: int


@checked
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
    in_place: bool = False,
    progress: Callable[[float], None] = lambda part: None,
) -> RepairReport:
    """Repair a sound file, from a model of the rest of it.

    Samples are restored first, then holes in the spectrogram, then the band. The rest is the 20 s and more around the
    damage. Memory does not grow with the length of the recording, but with that of a hole or a gap, which is mended in
    one piece. Samples at which nothing is mended stay as they are, unless restored peaks beyond full scale need room:
    then all are lowered, where the sample format has a limit.

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
    in_place : bool
        Let `target` be `source`, and replace it.
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
    for path in (source, target):
        check_path(path)
    check_ranges("gaps", gaps)
    for kind in () if damage is None else damage:
        check_choice("damage", kind, DAMAGE)
    itself = is_same(source, target) and not is_device(target)
    if itself and not in_place:
        raise NmfaudioError(f"{target}: is the input itself: give --in-place (in Python in_place=True) to replace it")
    check_output(target, overwrite=overwrite or itself)
    read = _reader(source)
    header = audio.info(source)
    like = header.written_to(target, format, subtype, bit_rate=bit_rate, quality=quality)
    sr = header.sr
    length = sum(y.shape[1] for y in read()) if gaps or holes else header.frames
    if not length:
        raise NmfaudioError(f"{source}: has no sound in it")
    for start_s, stop_s in gaps:
        if round(start_s * sr) == round(stop_s * sr):
            raise NmfaudioError(f"{source}: the gap {start_s:g}-{stop_s:g} s holds no sample at {sr} Hz: widen it")
        if round(stop_s * sr) > length:
            raise NmfaudioError(
                f"{source}: the gap {start_s:g}-{stop_s:g} s is beyond the end of the recording at {length / sr:g} s"
            )
    check_regions(holes, length, sr)
    if damage is None:
        damage = () if gaps or holes or band else CERTAIN
    extension = Band(sr, None if band is True else band, dictionary=dictionary) if band else None
    counts: Counter[str] = Counter()
    chunks = _damaged(source, read, sr, damage, gaps, counts, lambda frames: progress(min(frames / length, 1)))
    chunks = ((y, clipped, lost) for y, lost, clipped in restored_blocks(chunks, sr))
    chunks = ((y, lost | clipped) for y, clipped, lost in restored_blocks(chunks, sr, clipped=True))
    if holes:
        chunks = ((y, near | mended) for y, near, mended in filled_blocks(chunks, sr, holes))
    if extension:
        chunks = ((y, np.ones(y.shape, bool)) for y in extension.blocks(y for y, _ in chunks))
        like = replace(like, sr=extension.sr)
    with audio.open_like(Path(target), like, overwrite=overwrite or itself) as out:
        peak = _written(chunks, out, None if is_device(target) else Path(target).parent, header.channels)
    repairs = [f"filled {start_s:g}-{stop_s:g} s" for start_s, stop_s in gaps]
    for name in ("dropouts", "clicks"):
        if counts[name]:
            repairs.append(f"{name}: {1e3 * counts[name] / sr:.1f} ms replaced")
    if counts["clipped"]:
        repairs.append(f"clipped: {counts['clipped']} samples restored")
    if holes:
        repairs.append(f"filled {len(holes)} hole{'s' * (len(holes) > 1)} in the spectrogram")
    if band:
        repairs.append("extended the band")
    if peak > 1:
        repairs.append(f"lowered by {20 * math.log10(peak):.1f} dB to make room for restored peaks")
    return RepairReport(os.fspath(source), os.fspath(target), tuple(repairs), out.clipped)


def _reader(source: PathLike) -> Callable[[], Iterator[NDArray[np.float32]]]:
    """Read a file in blocks, again and again, as long as it is the same: what is found in it must be true of it."""

    def state() -> tuple[int, ...] | None:
        try:
            status = os.stat(source)
        except OSError:  # an address
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def read() -> Iterator[NDArray[np.float32]]:
        yield from audio.blocks(source)
        if state() != before:
            raise AudioError(f"{source}: was changed while it was read: try again")

    before = state()
    return read


def _damaged(
    source: PathLike,
    read: Callable[[], Iterator[NDArray[np.float32]]],
    sr: int,
    damage: Collection[str],
    gaps: Sequence[tuple[float, float]],
    counts: Counter[str],
    progress: Callable[[int], None],
) -> Iterator[Frames]:
    """Read a file in blocks, with masks of lost and of clipped samples, and count what is damaged."""
    frames = 0
    whole: NDArray[np.bool_] | bool = True  # channels without any sample
    for y, dropouts, clicks, clipped in find_damage(read, sr, damage):
        lost = dropouts | clicks
        for start_s, stop_s in gaps:
            lost[:, max(0, round(start_s * sr) - frames) : max(0, round(stop_s * sr) - frames)] = True
        clipped &= ~lost
        whole &= lost.all(axis=1)
        counts["dropouts"] += int(dropouts.any(axis=0).sum())
        counts["clicks"] += int(clicks.any(axis=0).sum())
        counts["clipped"] += int(clipped.sum())
        frames += y.shape[1]
        progress(frames)
        yield y, lost, clipped
    if np.any(whole):
        raise NmfaudioError(f"{source}: every sample of a channel is missing: there is nothing to go by")


def _written(chunks: Iterable[Frames], out: audio.Writer, folder: Path | None, n_channels: int) -> float:
    """Write samples, lowered if those that are mended go beyond full scale; return their peak, or 1 if that is less.

    The peak is known at the end, so that the samples wait in a file without a name.
    """
    peak = 1.0
    with TemporaryFile(dir=folder) as waiting:
        for y, mended in chunks:
            if out.clips:
                peak = max(peak, float(np.abs(y * mended).max(initial=0)))
            waiting.write(y.T.astype(np.float32).tobytes())
        waiting.seek(0)
        while samples := waiting.read(4 * n_channels * _WRITTEN_FRAMES):
            out.write(np.frombuffer(samples, np.float32).reshape(-1, n_channels).T / np.float32(peak))
    return peak
