"""Score noisy speech before and after denoising, against clean recordings."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import audio, metrics
from .denoising.denoiser import Denoiser
from .errors import NmfaudioError

SR = 16000
"""Rate in Hz at which recordings are scored, in one channel."""

_LARGEST_DIFFERENCE = SR // 100  # samples that resampling and codecs may add or lose


class Recording(NamedTuple):
    """One recording to score: the enhanced file, or without one the noisy file denoised with the dictionary."""

    name: str
    clean: Path
    noisy: Path
    enhanced: Path | None
    dictionary: str


class Scores(NamedTuple):
    """Values in the order of `nmfaudio.metrics.MEASURES`, of the noisy file and of the enhanced or denoised one."""

    before: tuple[float, ...]
    after: tuple[float, ...]


def find_recordings(clean: Path, noisy: Path, enhanced: Path | None, dictionary: str) -> list[Recording]:
    """Find the clean file and, where wanted, the enhanced file of every noisy one, by their names.

    Parameters
    ----------
    clean, noisy : Path
        Folders with files of the same names up to the suffix.
    enhanced : Path or None
        Folder with the noisy recordings enhanced; without it they are denoised.
    dictionary : str
        Dictionary to denoise with.

    Returns
    -------
    list of Recording

    Raises
    ------
    NmfaudioError
        If a folder holds no sound, two files of one name, or none of a noisy file's name.
    """
    noisy_files, clean_files = _by_name(noisy), _by_name(clean)
    enhanced_files = _by_name(enhanced) if enhanced else dict.fromkeys(noisy_files)
    for folder, files in ((clean, clean_files), (enhanced, enhanced_files)):
        missing = [name for name in noisy_files if name not in files]
        if missing:
            raise NmfaudioError(
                f"{folder}: has no file {missing[0]!r} to go with {noisy_files[missing[0]]} "
                f"({len(missing)} of {len(noisy_files)} missing)"
            )
    return [
        Recording(name, clean_files[name], path, enhanced_files[name], dictionary) for name, path in noisy_files.items()
    ]


def score(recording: Recording) -> Scores:
    """Score one recording before and after.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    Scores

    Raises
    ------
    NmfaudioError
        If a file cannot be read, lengths differ, or a measure is not defined, as for silence.
    """
    y, sr = audio.read(recording.noisy)
    after = audio.read(recording.enhanced) if recording.enhanced else (load_denoiser(recording.dictionary)(y, sr), sr)
    signals = [
        audio.resample(z.mean(axis=0, dtype=np.float64), sr_z, SR)
        for z, sr_z in (audio.read(recording.clean), (y, sr), after)
    ]
    lengths = [len(z) for z in signals]
    if max(lengths) - min(lengths) > _LARGEST_DIFFERENCE:
        seconds = ", ".join(f"{n / SR:.3f}" for n in lengths)
        raise NmfaudioError(f"clean, noisy and denoised files last {seconds} s: cut them to the same part")
    reference, *estimates = (z[: min(lengths)] for z in signals)
    return Scores(*(tuple(measure(reference, e, SR) for measure in metrics.MEASURES.values()) for e in estimates))


def score_or_error(recording: Recording) -> Scores | NmfaudioError:
    """Score one recording, and return what is wrong with it instead of raising it, so that the others go on."""
    try:
        return score(recording)
    except NmfaudioError as error:
        return error


@lru_cache(maxsize=1)
def load_denoiser(dictionary: str) -> Denoiser:
    """Load the denoiser once in each process."""
    return Denoiser(dictionary)


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise NmfaudioError(f"{folder}: no such folder")
    folder = folder.absolute()
    files: dict[str, Path] = {}
    for path in audio.list_files(folder):
        name = str(path.relative_to(folder).with_suffix(""))
        if name in files:
            raise NmfaudioError(f"{path}: has the name of {files[name]}; keep one of the two")
        files[name] = path
    return files
