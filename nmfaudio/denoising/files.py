"""Denoise sound files of any length in constant memory."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import audio
from ..arguments import check_part, check_path, check_ranges, checked
from ..audio import ffmpeg
from ..audio.loudness import with_loudness
from ..dictionary import Dictionary, DictionaryLike
from ..errors import AudioError
from ..files import PathLike, check_output, is_device, is_same
from ..spectra.aligned import Kept
from .denoiser import Denoiser
from .music import MusicMeter
from .noise_profile import LONGEST_S, noise_profile

_SHORTEST_NOISE_S = 0.25
_NEAR_S = 0.01  # for an end that was rounded up


@dataclass(frozen=True)
class FileReport:
    """Facts about a file that was denoised.

    Parameters
    ----------
    input, output : str
        File that was read, and file that was written.
    sr : int
        Sampling rate in Hz.
    channels : int
        Number of channels.
    duration_s : float
        Seconds that were denoised.
    level_in_db, level_out_db : float or None
        Mean power in decibels below full scale, before and after; None for silence.
    lowered_db : float or None
        Decibels by which denoising lowered the mean power; None where silence came in or out.
    clipped_samples : int
        Samples of the output that were beyond full scale.
    music_share : float
        Share of music in the input, from 0 to 1, as :class:`nmfaudio.denoising.music.MusicMeter` finds it.
    elapsed_s : float
        Seconds that it took.
    """

    input: str
    output: str
    sr: int
    channels: int
    duration_s: float
    level_in_db: float | None
    level_out_db: float | None
    lowered_db: float | None
    clipped_samples: int
    music_share: float
    elapsed_s: float


@checked
def denoise_file(
    source: PathLike,
    target: PathLike,
    *,
    dictionary: DictionaryLike = "speech",
    noise: DictionaryLike | tuple[float, float] | None = None,
    attenuation_limit_db: float | None = None,
    strength: float = 1.0,
    channels: str = "linked",
    keep_tones: bool = False,
    start_s: float | None = None,
    stop_s: float | None = None,
    residual: PathLike | None = None,
    format: str | None = None,
    subtype: str | None = None,
    bit_rate: int | None = None,
    quality: float | None = None,
    loudness_lufs: float | None = None,
    overwrite: bool = False,
    in_place: bool = False,
    progress: Callable[[float], None] = lambda part: None,
) -> FileReport:
    """Take the noise out of a sound file.

    Length, rate, channels, sample format and tags stay as they are. The output appears whole or not at all.
    For many files make one :class:`nmfaudio.Denoiser`, and give it to :func:`process_file`.

    Parameters
    ----------
    source, target : path
        File to read, and file to write; the suffix of `target` sets the format.
    dictionary : str, path or Dictionary
        Name of a shipped dictionary, file, or a loaded one.
    noise : path, Dictionary or (float, float), optional
        The noise alone: as for :class:`nmfaudio.Denoiser`, or where it is in `source`, from and to a time in seconds.
    attenuation_limit_db : float, optional
        No bin is lowered by more than this many decibels; 0 changes nothing.
    strength : float
        Factor on the attenuation in decibels; 0 changes nothing.
    channels : {"linked", "independent"}
        One gain for all channels, which keeps the stereo image, or one for each.
    keep_tones : bool
        Leave steady tones below 1.6 kHz as they are; by default they are taken for hum.
    start_s, stop_s : float, optional
        Part to denoise, in seconds; the output holds that part alone.
    residual : path, optional
        File to write what is removed to: input minus output.
    format, subtype : str, optional
        Container and sample format by libsndfile's names: see :meth:`nmfaudio.audio.AudioInfo.written_to`.
    bit_rate : int, optional
        Bits a second of a lossy format; by default those of `source`, where the format is the same.
    quality : float, optional
        Quality of MP3, Vorbis or Opus instead, from 0 to 1.
    loudness_lufs : float, optional
        Loudness of the output by EBU R128, in LUFS; -16 is that of podcasts. No true peak is above -1 dB.
    overwrite : bool
        Replace files that exist.
    in_place : bool
        Let `target` be `source`, and replace it.
    progress : callable
        Called with the part that is done, from 0 to 1.

    Returns
    -------
    FileReport

    Raises
    ------
    NmfaudioError
        If a file cannot be read or written, has no sound, or exists already; for an option that cannot be used.

    Examples
    --------
    >>> import nmfaudio
    >>> def clean_folder(folder):
    ...     for path in folder.glob("*.wav"):
    ...         nmfaudio.denoise_file(path, path.with_suffix(".flac"), strength=0.8)
    """
    if isinstance(noise, tuple):
        check_ranges("noise", [noise])
    profile = noise_of_part(source, noise, dictionary) if isinstance(noise, tuple) else noise
    denoiser = Denoiser(
        dictionary,
        noise=profile,
        attenuation_limit_db=attenuation_limit_db,
        strength=strength,
        channels=channels,
        keep_tones=keep_tones,
    )
    return process_file(
        denoiser,
        source,
        target,
        start_s=start_s,
        stop_s=stop_s,
        residual=residual,
        format=format,
        subtype=subtype,
        bit_rate=bit_rate,
        quality=quality,
        loudness_lufs=loudness_lufs,
        overwrite=overwrite,
        in_place=in_place,
        progress=progress,
    )


def check_noise_part(source: PathLike, part: tuple[float, float]) -> None:
    """Refuse a part of a sound file that is too short to learn its noise from.

    Parameters
    ----------
    source : path
        Sound file.
    part : (float, float)
        From and to a time in seconds.

    Raises
    ------
    AudioError
        If it is too short.
    """
    start_s, stop_s = part
    if stop_s - start_s < _SHORTEST_NOISE_S:
        raise AudioError(
            f"{source}: noise of {stop_s - start_s:g} s is too short for a profile: give {_SHORTEST_NOISE_S:g} s or "
            "more, best a second"
        )


@checked
def noise_of_part(source: PathLike, part: tuple[float, float], dictionary: DictionaryLike) -> Dictionary:
    """Learn the profile of the noise from a part of a sound file.

    Parameters
    ----------
    source : path
    part : (float, float)
        Where the noise is alone, from and to a time in seconds.
    dictionary : str, path or Dictionary
        Dictionary that the profile is for.

    Returns
    -------
    Dictionary
        As from :func:`nmfaudio.noise_profile`.

    Raises
    ------
    AudioError
        If the file cannot be read, ends before, or is silent there, or the part is too short.
    """
    start_s, stop_s = part
    check_noise_part(source, part)
    y, sr = audio.read(source, start_s=start_s, stop_s=min(stop_s, start_s + LONGEST_S))
    end_s = max(start_s + y.shape[-1] / sr, audio.info(source).duration_s)
    if stop_s > end_s + _NEAR_S:
        raise AudioError(f"{source}: ends at {end_s:.2f} s, before the end of the noise at {stop_s:g} s")
    try:
        return noise_profile(y, sr, dictionary)
    except AudioError as error:
        raise AudioError(f"{source}: {error}") from error


@checked
def process_file(
    denoiser: Denoiser,
    source: PathLike,
    target: PathLike,
    *,
    start_s: float | None = None,
    stop_s: float | None = None,
    residual: PathLike | None = None,
    format: str | None = None,
    subtype: str | None = None,
    bit_rate: int | None = None,
    quality: float | None = None,
    loudness_lufs: float | None = None,
    overwrite: bool = False,
    in_place: bool = False,
    progress: Callable[[float], None] = lambda part: None,
) -> FileReport:
    """Pass a sound file through a denoiser; see :func:`denoise_file` for the arguments.

    Parameters
    ----------
    denoiser : Denoiser
    source, target : path
    start_s, stop_s, residual, format, subtype, bit_rate, quality, loudness_lufs, overwrite, in_place, progress
        As for :func:`denoise_file`.

    Returns
    -------
    FileReport

    Raises
    ------
    NmfaudioError
        If a file cannot be read or written, has no sound, or exists already.
    """
    began = time.perf_counter()
    for name in (source, target, target if residual is None else residual):
        check_path(name)
    check_part(start_s, stop_s)
    itself = is_same(source, target) and not is_device(target)
    if itself and not in_place:
        raise AudioError(f"{target}: is the input itself: give --in-place (in Python in_place=True) to replace it")
    if residual is not None and is_same(target, residual) and not is_device(residual):
        raise AudioError(f"{residual}: the output and the residual need different places")
    header = audio.info(source)
    begin_s = start_s or 0.0
    duration_s = min(stop_s or math.inf, header.duration_s) - begin_s
    if duration_s <= 0:
        where = f" after {begin_s:g} s" if header.frames else " in it"
        raise AudioError(f"{source}: has no sound{where}")
    with ExitStack() as files:
        outputs = []
        for path, replace in ((target, overwrite or itself), (residual, overwrite)):
            if path is None:
                continue
            check_output(path, overwrite=replace, inputs=() if path == target else [source])
            like = header.written_to(path, format, subtype, bit_rate=bit_rate, quality=quality)
            if header.picture and like.format.lower() in ffmpeg.PICTURED and (start_s or stop_s):
                raise AudioError(f"{path}: start and end cut sound, not pictures: give an output such as .wav")
            outputs.append(files.enter_context(audio.open_like(Path(path), like, overwrite=replace)))
        blocks = files.enter_context(closing(audio.blocks(source, start_s=begin_s, stop_s=stop_s)))
        given = _Input(blocks, header.sr, lambda frames: progress(frames / header.sr / duration_s))
        kept = Kept(given)
        power = 0.0
        cleaned = given.watched(denoiser.process_blocks(kept if residual is not None else given, header.sr))
        if residual is not None:
            cleaned = _with_removed(cleaned, kept, outputs[1])
        if loudness_lufs is not None:
            cleaned = with_loudness(cleaned, header.sr, loudness_lufs, folder=_folder(target))
        for y in cleaned:
            power += _power(y)
            outputs[0].write(y)
        if not given.frames:
            raise AudioError(f"{source}: has no sound in it")
    progress(1.0)
    n_samples = given.frames * header.channels
    return FileReport(
        input=os.fspath(source),
        output=os.fspath(target),
        sr=header.sr,
        channels=header.channels,
        duration_s=round(given.frames / header.sr, 6),
        level_in_db=_level_db(given.power / n_samples),
        level_out_db=_level_db(power / n_samples),
        lowered_db=_level_db(given.power / given.power_left) if given.power_left else None,
        clipped_samples=outputs[0].clipped,
        music_share=round(given.music.share, 3),
        elapsed_s=round(time.perf_counter() - began, 3),
    )


class _Input:
    """Blocks on their way to the denoiser, counted and measured."""

    def __init__(self, blocks: Iterator[NDArray[np.float32]], sr: int, progress: Callable[[int], None]) -> None:
        self._blocks = blocks
        self.music = MusicMeter(sr)
        self._progress = progress
        self.frames = 0
        self.power = self.power_left = 0.0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for y in self._blocks:
            self._progress(self.frames)
            self.frames += y.shape[1]
            self.power += _power(y)
            self.music.push(y)
            yield y

    def watched(self, cleaned: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.floating]]:
        """Pass on the cleaned blocks, and measure them."""
        for y in cleaned:
            self.power_left += _power(y)
            yield y


def _with_removed(
    cleaned: Iterable[NDArray[np.floating]], given: Kept, residual: audio.Writer
) -> Iterator[NDArray[np.floating]]:
    """Pass on the cleaned blocks, and write what was removed from those that were given."""
    for y in cleaned:
        residual.write(given.take(y.shape[1]) - y)
        yield y


def _folder(target: PathLike) -> Path | None:
    """Folder for what waits to be written, on the same disk; that of the system for devices."""
    return None if is_device(target) else Path(target).resolve().parent


def _power(y: NDArray[np.floating]) -> float:
    return float(np.square(y, dtype=np.float64).sum())


def _level_db(power: float) -> float | None:
    return round(10 * math.log10(power), 2) if power > 0 else None
