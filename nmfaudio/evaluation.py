"""Score noisy speech before and after denoising, against clean recordings."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import audio, metrics
from .arguments import checked
from .audio.signal import resample_blocks
from .compute.processes import isolated
from .denoising.denoiser import Denoiser
from .errors import NmfaudioError
from .spectra.blocks import faded

SR = 16000
"""Rate in Hz at which recordings are scored, in one channel."""

_PIECE_S = 20
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


@checked
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

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import soundfile as sf
    >>> with TemporaryDirectory() as folder:
    ...     clean, noisy = Path(folder, "clean"), Path(folder, "noisy")
    ...     for path in (clean, noisy):
    ...         path.mkdir()
    ...         sf.write(path / "a.wav", np.zeros(8000), 8000)
    ...     [recording.name for recording in find_recordings(clean, noisy, None, "speech")]
    ['a']
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


@checked
def score(recording: Recording) -> Scores:
    """Score one recording before and after.

    A recording of more than 30 s is scored in pieces of 20 s, the longest that PESQ is meant for: its PESQ and ESTOI
    are the means over the pieces, but for those without speech. SI-SDR is that of the whole. PESQ is computed in a
    process of its own, since the package dies of some recordings: a script must call this below
    ``if __name__ == "__main__":``.

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

    Examples
    --------
    >>> def gains(clean, noisy):
    ...     scores = score(Recording("talk", clean, noisy, None, "speech"))
    ...     return [after - before for before, after in zip(scores.before, scores.after)]
    """
    noisy_sr, after_sr = (audio.info(path).sr for path in (recording.noisy, recording.enhanced or recording.noisy))
    after: Iterator[NDArray[np.floating]] = audio.blocks(recording.enhanced or recording.noisy)
    if recording.enhanced is None:
        after = load_denoiser(recording.dictionary).process_blocks(after, noisy_sr)
    given = [
        (audio.blocks(recording.clean), audio.info(recording.clean).sr),
        (audio.blocks(recording.noisy), noisy_sr),
        (after, after_sr),
    ]
    streams = [
        resample_blocks((y.mean(axis=0, dtype=np.float64)[None] for y in blocks), sr, SR) for blocks, sr in given
    ]
    before_and_after = _Tally(), _Tally()
    for reference, *estimates in faded(_aligned(streams), _PIECE_S * SR, 0, lambda y, first: y):
        for tally, estimate in zip(before_and_after, estimates, strict=True):
            tally.add(reference, estimate)
    return Scores(*(tally.scores() for tally in before_and_after))


class _Tally:
    """Scores of an estimate, gathered over pieces."""

    def __init__(self) -> None:
        self._values: dict[str, list[tuple[int, float]]] = {name: [] for name in metrics.MEASURES}
        self._error = NmfaudioError("no sound to score")
        self._n_pieces = 0
        self._sums: NDArray[np.float64] | float = 0.0

    def add(self, r: NDArray[np.floating], e: NDArray[np.floating]) -> None:
        """Score a piece; it does not count for measures that are not defined for it."""
        self._n_pieces += 1
        self._sums += np.array([len(r), r.sum(), e.sum(), r @ r, e @ e, r @ e])
        for name, measure in metrics.MEASURES.items():
            try:
                value = isolated(_pesq, (r, e)) if name == "PESQ" else measure(r, e, SR)
                self._values[name].append((len(r), value))
            except NmfaudioError as error:
                self._error = error
            except ChildProcessError:
                raise NmfaudioError("PESQ: the package pesq crashed on this recording: cut it shorter") from None

    def scores(self) -> tuple[float, ...]:
        """Scores of the whole, in the order of `nmfaudio.metrics.MEASURES`."""
        if not all(self._values.values()):
            raise self._error
        scores = {}
        for name, found in self._values.items():
            weights, values = zip(*found, strict=True)
            scores[name] = float(np.average(values, weights=weights))
        if self._n_pieces > 1:
            scores["SI-SDR"] = self._si_sdr()
        return tuple(scores.values())

    def _si_sdr(self) -> float:
        n, r, e, rr, ee, re = np.asarray(self._sums)
        rr, ee, re = rr - r * r / n, ee - e * e / n, re - r * e / n
        with np.errstate(divide="ignore"):
            return float(10 * np.log10(re**2 / rr / max(ee - re**2 / rr, 0.0)))


def _pesq(signals: tuple[NDArray[np.floating], NDArray[np.floating]]) -> float:
    return metrics.pesq(*signals, SR)


def _aligned(streams: Sequence[Iterator[NDArray[np.floating]]]) -> Iterator[NDArray[np.floating]]:
    """Join signals of one channel that come in blocks, to blocks (signals, n); refuse those of different lengths."""
    held: list[NDArray[np.floating]] = [np.zeros((1, 0)) for _ in streams]
    lengths = [0 for _ in streams]
    ended = False
    while not ended:
        for i, stream in enumerate(streams):
            if not held[i].size:
                block = next(stream, None)
                ended |= block is None
                if block is not None:
                    held[i], lengths[i] = block, lengths[i] + block.shape[1]
        n = min(block.shape[1] for block in held)
        yield np.concatenate([block[:, :n] for block in held])
        held = [block[:, n:] for block in held]
    lengths = [n + sum(block.shape[1] for block in stream) for n, stream in zip(lengths, streams, strict=True)]
    if max(lengths) - min(lengths) > _LARGEST_DIFFERENCE:
        seconds = ", ".join(f"{n / SR:.3f}" for n in lengths)
        raise NmfaudioError(f"clean, noisy and denoised files last {seconds} s: cut them to the same part")


def score_or_error(recording: Recording) -> Scores | NmfaudioError:
    """Score one recording, and return what is wrong with it instead of raising it, so that the others go on.

    Examples
    --------
    >>> recording = Recording("talk", Path("no.wav"), Path("no.wav"), None, "speech")
    >>> score_or_error(recording)
    AudioError('no.wav: no such file')
    """
    try:
        return score(recording)
    except NmfaudioError as error:
        return error


@checked
@lru_cache(maxsize=1)
def load_denoiser(dictionary: str) -> Denoiser:
    """Load the denoiser once in each process.

    Examples
    --------
    >>> load_denoiser("speech-sparse") is load_denoiser("speech-sparse")
    True
    """
    return Denoiser(dictionary)


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise NmfaudioError(
            f"{folder}: no such folder" if not folder.exists() else f"{folder}: is a file: give a folder"
        )
    folder = folder.absolute()
    files: dict[str, Path] = {}
    for path in audio.list_files(folder):
        name = str(path.relative_to(folder).with_suffix(""))
        if name in files:
            raise NmfaudioError(f"{path}: has the name of {files[name]}; keep one of the two")
        files[name] = path
    return files
