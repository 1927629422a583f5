"""Random access to folders or lists of sound files that may be larger than memory."""

import csv
import re
from collections import OrderedDict
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from ... import audio
from ...arguments import check_count, check_number, check_rate, check_seed, checked, shown
from ...compute.processes import Map
from ...errors import AudioError

_WHOLE_FILE_S = 60.0  # longer files are read piece by piece
_HEADERS = 100  # that a worker reads at a time


class Piece(NamedTuple):
    """Part of a sound file.

    Attributes
    ----------
    path : Path
    start_s, stop_s : float
        Seconds from the start of the file.
    """

    path: Path
    start_s: float
    stop_s: float

    def read(self, sr: int) -> np.ndarray:
        """Read the mean of the channels at a sampling rate in Hz, shape (samples,), float32."""
        y, sr_file = audio.read(self.path, start_s=self.start_s, stop_s=self.stop_s)
        return audio.resample(y.mean(axis=0), sr_file, sr)


class Corpus:
    """Sound files from which random pieces are drawn, at one rate and in one channel.

    Files in one folder are one group (one speaker, one kind of noise). Groups are drawn in proportion to the square
    root of their duration, so that a large group does not outweigh the small ones.

    Parameters
    ----------
    source : str or Path
        See :func:`nmfaudio.audio.list_files`.
    sr : int
        Sampling rate in Hz that all files are resampled to.
    cache_mb : int
        Megabytes of decoded sound to keep in memory; other sound is read again when it is drawn.
    each : callable
        Like the built-in `map`, from :func:`nmfaudio.compute.processes.workers`; it reads the headers of the files.

    Attributes
    ----------
    files : list of Path
    starts_s, durations_s : ndarray
        Part of each file that belongs to the corpus, in seconds.
    bandwidths_hz : ndarray
        Frequency that the content of each file reaches: half of its rate, or less if a table beside it says so, a CSV
        file with columns ``file`` and ``bandwidth_hz`` in its folder or the one above.

    Raises
    ------
    AudioError
        If the source does not exist, names no sound file, the files are empty, or a table states no frequency.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import soundfile as sf
    >>> with TemporaryDirectory() as folder:
    ...     sf.write(f"{folder}/a.wav", np.zeros(36000), 8000)
    ...     corpus = Corpus(folder, 16000)
    ...     corpus.hours, corpus.bandwidths_hz.tolist()
    (0.00125, [4000.0])
    """

    @checked
    def __init__(self, source: str | Path, sr: int, cache_mb: int = 1500, each: Map = map) -> None:
        check_rate(sr)
        check_count("cache_mb", cache_mb, 0)
        self.source, self.sr = str(source), sr
        files = list(dict.fromkeys(audio.list_files(source)))  # a list may name one twice, and only one be held out
        some = [files[i : i + _HEADERS] for i in range(0, len(files), _HEADERS)]
        durations_s, rates = np.array([header for part in each(_headers, some) for header in part]).T
        if not durations_s.sum() > 0:
            raise AudioError(f"{source}: the sound files are empty")
        self._cache_mb = cache_mb
        self._lock = Lock()
        self.bandwidths_hz = np.minimum(rates / 2, _stated_bandwidths_hz(files))
        self._hold(files, np.zeros(len(files)), durations_s)

    def _hold(self, files: list[Path], starts_s: np.ndarray, durations_s: np.ndarray) -> None:
        self.files, self.starts_s, self.durations_s = files, starts_s, durations_s
        self._groups: dict[Path, list[int]] = {}
        for i, path in enumerate(self.files):
            self._groups.setdefault(path.parent, []).append(i)
        self._keys = list(self._groups)
        weight = np.sqrt([self.durations_s[self._groups[key]].sum() for key in self._keys])
        self._group_p = weight / weight.sum()
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._cache_left = self._cache_mb * 2**20

    @property
    def hours(self) -> float:
        """Duration of the corpus in hours."""
        return float(self.durations_s.sum() / 3600)

    @checked
    def split(
        self, share: float, most_s: float = np.inf, random_state: int = 0, in_time: bool = False
    ) -> tuple["Corpus", "Corpus"]:
        """Split off a part of the corpus.

        Whole files are drawn at random if enough of them are short. Otherwise the end of each file is split off.

        Parameters
        ----------
        share : float
            Share of the duration to split off, more than 0 and less than 1; of whole files it is about that.
        most_s : float
            Most seconds to split off.
        random_state : int
            Seed of the choice of files.
        in_time : bool
            If true, split off the end of each file in any case.

        Returns
        -------
        rest, part : Corpus
            Both with sound.
        """
        check_number("share", share, 1e-6, 1 - 1e-6)  # both parts hold some sound
        check_seed(random_state)
        total_s = self.durations_s.sum()
        wanted_s = min(share * total_s, most_s)
        order = np.random.default_rng(random_state).permutation(len(self.files))
        order = order[self.durations_s[order] <= wanted_s]
        sums_s = np.cumsum(self.durations_s[order])
        enough = int(np.searchsorted(sums_s, wanted_s * 0.999)) + 1
        rest, out = copy(self), copy(self)
        if len(order) >= max(enough, 2) and not in_time:
            allowed = int(np.searchsorted(sums_s, min(most_s, (1 - 1e-9) * total_s), side="right"))  # leaves a rest
            held = np.zeros(len(self.files), bool)
            held[order[: min(enough, allowed)]] = True
            for part, chosen in ((rest, ~held), (out, held)):
                files = [path for path, is_in in zip(self.files, chosen, strict=True) if is_in]
                part.bandwidths_hz = self.bandwidths_hz[chosen]
                part._hold(files, self.starts_s[chosen], self.durations_s[chosen])
        else:
            kept_s = self.durations_s * (1 - wanted_s / total_s)
            rest._hold(self.files, self.starts_s, kept_s)
            out._hold(self.files, self.starts_s + kept_s, self.durations_s - kept_s)
        return rest, out

    def at(self, sr: int) -> "Corpus":
        """Return the same files at another sampling rate."""
        other = copy(self)
        other.sr = sr
        other._hold(self.files, self.starts_s, self.durations_s)
        return other

    def wider_than(self, hz: float) -> "Corpus | None":
        """Return the files whose content reaches beyond a frequency, or None if there are none."""
        wide = self.bandwidths_hz > hz
        if not wide.any():
            return None
        other = copy(self)
        other.bandwidths_hz = self.bandwidths_hz[wide]
        files = [path for path, is_in in zip(self.files, wide, strict=True) if is_in]
        other._hold(files, self.starts_s[wide], self.durations_s[wide])
        return other

    def draw_group(self, rng: np.random.Generator) -> list[int]:
        """Draw a group at random; return the indices of its files."""
        return self._groups[self._keys[rng.choice(len(self._keys), p=self._group_p)]]

    def piece(self, index: int, rng: np.random.Generator, seconds: float) -> np.ndarray:
        """Read at most `seconds` of file `index` from a random place, shape (samples,), float32."""
        if self.durations_s[index] > _WHOLE_FILE_S:
            start = rng.uniform(0, max(0.0, self.durations_s[index] - seconds))
            return self._part(index, start, start + seconds).read(self.sr)
        y = self._whole(index)
        n = int(seconds * self.sr)
        start = int(rng.integers(0, max(1, len(y) - n + 1)))
        return y[start : start + n]

    @checked
    def pieces(self, rng: np.random.Generator, piece_s: float = 20.0) -> Iterator[Piece]:
        """Go through all of the sound once, in random order, in pieces of at most `piece_s` seconds."""
        check_number("piece_s", piece_s, 0.01)
        ends = np.cumsum(np.ceil(self.durations_s / piece_s).astype(int))
        for k in rng.permutation(ends[-1]):
            i = int(np.searchsorted(ends, k, side="right"))
            start_s = piece_s * (k - (ends[i - 1] if i else 0))
            yield self._part(i, start_s, start_s + piece_s)

    def _part(self, index: int, start_s: float, stop_s: float) -> Piece:
        first_s, stop_s = self.starts_s[index], min(stop_s, self.durations_s[index])
        path = self.files[index].absolute()  # as a worker sees it
        return Piece(path, float(first_s + start_s), float(first_s + stop_s))

    def _whole(self, index: int) -> np.ndarray:
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        y = self._part(index, 0, np.inf).read(self.sr)
        with self._lock:
            if index not in self._cache:
                self._cache[index] = y
                self._cache_left -= y.nbytes
            while self._cache_left < 0 and len(self._cache) > 1:
                self._cache_left += self._cache.popitem(last=False)[1].nbytes
        return y


def _headers(files: list[Path]) -> list[tuple[float, int]]:
    """Duration in seconds and rate in Hz of each file."""
    headers = [audio.info(path) for path in files]
    return [(header.duration_s, header.sr) for header in headers]


def _stated_bandwidths_hz(files: list[Path]) -> np.ndarray:
    """Frequency that the content of each file reaches by the tables beside it, infinity without one."""
    tables: dict[Path, dict[str, float]] = {}
    for folder in {path.parent for path in files}:
        tables[folder] = {}
        for table in [*sorted(folder.parent.glob("*.csv")), *sorted(folder.glob("*.csv"))]:
            if table.is_file():
                tables[folder] |= _bandwidths_hz(table)
    return np.array([tables[path.parent].get(path.name, np.inf) for path in files])


def _bandwidths_hz(table: Path) -> dict[str, float]:
    """Read the bandwidth of each file that a table names; a table of other things names none."""
    try:
        with table.open(newline="", encoding="utf-8-sig", errors="replace") as text:
            rows = csv.DictReader(text)
            if not {"file", "bandwidth_hz"} <= set(rows.fieldnames or ()):
                return {}
            stated = [(rows.line_num, row["file"], row["bandwidth_hz"] or "") for row in rows]
    except (OSError, csv.Error):  # closed, or no table, whatever its name says
        return {}
    for line, _, hz in stated:
        if not re.fullmatch(r"\s*[1-9]\d*(\.\d*)?\s*", hz):
            raise AudioError(f"{table}: bandwidth_hz is {shown(hz)} in line {line}: give a frequency in Hz, as 8000")
    return {file: float(hz) for _, file, hz in stated}
