"""Random access to a folder or list of sound files, which may be larger than memory."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import numpy as np

from .. import audio
from ..errors import AudioError

_WHOLE_FILE_S = 60.0  # longer files are read piece by piece


def list_files(source: str | Path) -> list[Path]:
    """Sound files named by a folder (searched through) or by a text file with one path a line.

    Parameters
    ----------
    source : str or Path
        A folder, one sound file, or a list; relative paths in a list start at the list's folder,
        empty lines and lines that begin with ``#`` are skipped.

    Returns
    -------
    list of Path
        Sorted for a folder, in the order of the lines for a list.

    Raises
    ------
    AudioError
        When the source does not exist or names no sound file.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in audio.SUFFIXES)
    elif path.suffix.lower() in audio.SUFFIXES and path.is_file():
        files = [path]
    elif path.is_file():
        try:
            lines = [line.strip() for line in path.read_text().splitlines()]
        except UnicodeDecodeError:
            raise AudioError(f"{path}: neither a folder, a sound file nor a text file with one path a line") from None
        files = [path.parent / line for line in lines if line and not line.startswith("#")]
        missing = [p for p in files if not p.is_file()]
        if missing:
            raise AudioError(f"{path}: names {missing[0]}, which does not exist (as do {len(missing)} of {len(files)})")
    else:
        raise AudioError(f"{path}: no such folder, sound file or list")
    if not files:
        raise AudioError(f"{path}: no sound files found; looked for {', '.join(sorted(audio.SUFFIXES))}")
    return files


class Corpus:
    """Sound files at one rate in one channel, drawn from at random.

    Files in one folder count as one group (one speaker, one kind of noise); groups are drawn with the
    square root of their duration, so that a large group does not drown the small ones.

    Parameters
    ----------
    source : str or Path
        See :func:`list_files`.
    sr : int
        Sampling rate in Hz that everything is resampled to.
    cache_mb : int
        Decoded sound that is kept in memory, in megabytes; the rest is read again when drawn.
    """

    def __init__(self, source: str | Path, sr: int, cache_mb: int = 1500):
        self.source, self.sr = str(source), sr
        self.files = list_files(source)
        self.durations_s = np.array([audio.info(path).duration_s for path in self.files])
        if not self.durations_s.sum() > 0:
            raise AudioError(f"{source}: the sound files are empty")
        self._groups: dict[Path, list[int]] = {}
        for i, path in enumerate(self.files):
            self._groups.setdefault(path.parent, []).append(i)
        self._keys = list(self._groups)
        weight = np.sqrt([self.durations_s[self._groups[key]].sum() for key in self._keys])
        self._group_p = weight / weight.sum()
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._cache_left = cache_mb * 2**20
        self._lock = Lock()

    @property
    def hours(self) -> float:
        """Duration of all files in hours."""
        return float(self.durations_s.sum() / 3600)

    def draw_group(self, rng: np.random.Generator) -> list[int]:
        """Indices of the files of one group drawn at random."""
        return self._groups[self._keys[rng.choice(len(self._keys), p=self._group_p)]]

    def piece(self, index: int, rng: np.random.Generator, seconds: float) -> np.ndarray:
        """At most `seconds` of file `index` from a random place, shape (samples,), float32."""
        if self.durations_s[index] > _WHOLE_FILE_S:
            start = rng.uniform(0, max(0.0, self.durations_s[index] - seconds))
            return self._read(self.files[index], start, start + seconds)
        y = self._whole(index)
        n = int(seconds * self.sr)
        start = int(rng.integers(0, max(1, len(y) - n + 1)))
        return y[start : start + n]

    def blocks(self, rng: np.random.Generator, block_s: float = 20.0) -> Iterator[np.ndarray]:
        """All of the sound once, in random order, in pieces of at most `block_s` seconds, shape (samples,)."""
        pieces = [
            (i, start) for i, duration_s in enumerate(self.durations_s) for start in np.arange(0, duration_s, block_s)
        ]
        for k in rng.permutation(len(pieces)):
            i, start = pieces[k]
            yield self._read(self.files[i], start, min(start + block_s, self.durations_s[i]))

    def _read(self, path: Path, start_s: float | None = None, stop_s: float | None = None) -> np.ndarray:
        y, sr = audio.read(path, start_s=start_s, stop_s=stop_s)
        return audio.resample(y.mean(axis=0), sr, self.sr)

    def _whole(self, index: int) -> np.ndarray:
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        y = self._read(self.files[index])
        with self._lock:
            if index not in self._cache:
                self._cache[index] = y
                self._cache_left -= y.nbytes
            while self._cache_left < 0 and len(self._cache) > 1:
                self._cache_left += self._cache.popitem(last=False)[1].nbytes
        return y
