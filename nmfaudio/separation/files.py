"""Separate signals and sound files into stems, in one call."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import audio
from ..arguments import check_count, check_part, check_path, checked
from ..audio import as_signal
from ..dictionary import Dictionary
from ..errors import NmfaudioError
from ..files import PathLike, check_output, check_stem, replacing
from ..folders import not_left_empty
from ..spectra.aligned import joined
from .components import Components, memory_needed, with_rest
from .guidance import Guidance
from .hpss import PARTS, harmonic_percussive, harmonic_percussive_blocks
from .separator import Separator, Source
from .songs.separator import SongSeparator

Stems = dict[str, NDArray[np.floating]]
Groups = Mapping[str, Sequence[int]]

HARMONIC_PERCUSSIVE = "harmonic-percussive"
SONGS = "songs"
GROUPS = "groups.json"
MOST_GAIN_DB = 60.0
"""Most that a mix raises a source by, in decibels."""


@runtime_checkable
class BlockSeparator(Protocol):
    """Separator of recordings that come in blocks: :class:`SongSeparator`, or another that knows its sources."""

    names: list[str]

    def process_blocks(self, blocks: Iterable[ArrayLike], sr: float) -> Iterator[Stems]:
        """Yield the stems of a recording (channels, samples), which add up to it, in blocks of any length."""
        ...


Sources = Mapping[str, Source] | int | str | os.PathLike[str] | Dictionary | BlockSeparator
_N_COMPONENTS, _N_TAPS = 24, 1


@dataclass(frozen=True)
class SeparationReport:
    """Facts about a file that was separated.

    Parameters
    ----------
    input : str
        File that was read.
    stems : dict of str to str
        File of each stem.
    groups : mapping of str to list of int, optional
        Components of each stem, if it is made of components.
    clipped_samples : int
        Samples of all stems that were beyond full scale.
    """

    input: str
    stems: dict[str, str]
    groups: Groups | None
    clipped_samples: int


@checked
def separate(
    y: ArrayLike,
    sr: float,
    sources: Sources = SONGS,
    *,
    guidance: Guidance | None = None,
    groups: Groups | None = None,
    n_components: int | None = None,
    n_taps: int | None = None,
    penalty: float | None = None,
    phase: str | None = None,
    random_state: int = 0,
) -> Stems:
    """Separate a song, or any mixture, into stems that add up to it.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz.
    sources : str, path, Dictionary, mapping, int or separator
        By default the shipped dictionary "songs": vocals, drums, bass and other; see :class:`SongSeparator`. A mapping
        names the sources, each with a dictionary or with a number of atoms to learn from the mixture: see
        :class:`Separator`. A number asks for so many unknown sources, which are grouped by their sound: see
        :class:`Components`. "harmonic-percussive" splits the mixture: see :func:`harmonic_percussive`. An object
        with names and ``process_blocks`` does what it does.
    guidance : mapping, optional
        Where named sources are silent or alone: see :mod:`nmfaudio.separation.guidance`.
    groups : mapping of str to list of int, optional
        Components of each unknown source.
    n_components, n_taps : int, optional
        For unknown sources, components to group (24) and frames of each (1; about 8 for drums).
    penalty : float, optional
        For named sources, L1 penalty of the activations, as for :class:`Separator`.
    phase : str, optional
        Method for the phase of the stems, as for :class:`Separator`. By default "spatial" for two channels and more,
        otherwise "mixture".
    random_state : int
        Seed of what is learnt.

    Returns
    -------
    dict of str to ndarray, shape of y
        Signal of each source.

    Raises
    ------
    NmfaudioError
        For a signal or a dictionary that cannot be used, or options that do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.separation import separate
    >>> y = np.sin(np.arange(8000) * 0.3) + np.random.default_rng(0).standard_normal(8000)
    >>> sorted(separate(y, 8000, {"tone": 2, "rest": 4}))
    ['rest', 'tone']
    >>> sorted(separate(y, 8000))
    ['bass', 'drums', 'other', 'vocals']
    """
    _check_options(sources, guidance, groups, n_components, n_taps, penalty, phase)
    if sources == HARMONIC_PERCUSSIVE:
        return harmonic_percussive(y, sr)
    y = as_signal(y)
    if (known := _of_blocks(sources)) is not None:
        return joined(known.process_blocks([np.atleast_2d(y).astype(np.float32, copy=False)], sr), y)
    phase = phase or _phase(y.shape)
    if isinstance(sources, Mapping):
        return _separator(sources, penalty, phase, random_state)(y, sr, guidance)
    assert isinstance(sources, (int, np.integer))
    return _blind(y, sr, sources, groups, n_components, n_taps, phase, random_state)[0]


@checked
def separate_file(
    source: PathLike,
    out_dir: PathLike | None = None,
    sources: Sources = SONGS,
    *,
    only: Sequence[str] = (),
    rest: str | None = None,
    gains_db: Mapping[str, float] | None = None,
    guidance: Guidance | None = None,
    groups: Groups | None = None,
    n_components: int | None = None,
    n_taps: int | None = None,
    penalty: float | None = None,
    phase: str | None = None,
    random_state: int = 0,
    start_s: float | None = None,
    stop_s: float | None = None,
    format: str | None = None,
    subtype: str | None = None,
    bit_rate: int | None = None,
    quality: float | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] = lambda part: None,
) -> SeparationReport:
    """Separate a song, or any sound file, into stems, one file each.

    The groups of components of unknown sources are written beside them as ``groups.json``. They are learnt from the
    whole file, which is then kept in memory: see :func:`memory_for`. For songs, with
    "harmonic-percussive", and with named sources (see the notes of :class:`Separator`), memory does not grow with the
    length.

    Parameters
    ----------
    source : path
        Sound file to read.
    out_dir : path, optional
        Folder for the stems; it is made where it is missing. By default they are beside the file: ``song_vocals.mp3``
        of ``song.mp3``.
    only : sequence of str
        Sources to write; all by default.
    rest : str, optional
        Name of one more stem, the sum of the sources that are not in `only`.
    gains_db : mapping of str to float, optional
        Write one file, "mix", the sum of all sources with these gains in decibels, up to 60; -inf leaves a source out.
    sources, guidance, groups, n_components, n_taps, penalty, phase, random_state
        As for :func:`separate`.
    start_s, stop_s : float, optional
        Part to separate, in seconds.
    format, subtype : str, optional
        Container and sample format by libsndfile's names: see :meth:`nmfaudio.audio.AudioInfo.written_to`.
    bit_rate : int, optional
        Bits a second of a lossy format; by default those of `source`, where the format is the same.
    quality : float, optional
        Quality of MP3, Vorbis or Opus instead, from 0 to 1.
    overwrite : bool
        Replace files in a folder that is not empty.
    progress : callable
        Called with the part that is done, from 0 to 1.

    Returns
    -------
    SeparationReport

    Raises
    ------
    NmfaudioError
        As for :func:`separate`, or if a file cannot be read or written, has no sound, the folder is not empty, or
        unknown sources need more memory than the machine has.

    Examples
    --------
    >>> import nmfaudio
    >>> def karaoke(song):
    ...     return nmfaudio.separate_file(song, only=["vocals"], rest="karaoke").stems
    >>> def take_apart(song):
    ...     return nmfaudio.separate_file(song, "stems", {"piano": "piano.npz", "rest": 20}).stems
    """
    check_path(source)
    if out_dir is not None:
        check_path(out_dir)
    check_part(start_s, stop_s)
    _check_options(sources, guidance, groups, n_components, n_taps, penalty, phase)
    known = _of_blocks(sources)
    folder = Path(source).parent if out_dir is None else Path(out_dir)
    if not folder.is_dir() and (folder.exists() or folder.suffix.lower() in audio.SUFFIXES):
        raise NmfaudioError(f"{folder}: names a file: give a folder for the stems")
    if known is None and out_dir is not None and folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise NmfaudioError(
            f"{folder}: is not empty: give --overwrite (in Python overwrite=True) to replace what is in it"
        )
    choice = Choice(known.names if known else _names(sources, groups, n_components), only, rest, gains_db)
    header = audio.info(source)
    suffix = _suffix(source, header, format)
    like = header.written_to(f"stem{suffix}", format, subtype, bit_rate=bit_rate, quality=quality)
    if not folder.is_dir():
        _check_new(folder)
    else:
        for name in choice.names or ["stem"]:
            check_output(_place(source, out_dir, f"{name}{suffix}"), overwrite=overwrite, inputs=[source])
    phase = phase or _phase((header.channels, header.frames))
    found = None
    blocks = audio.blocks(source, start_s=start_s, stop_s=stop_s)
    pieces: Iterator[Stems]
    if known is not None:
        pieces = known.process_blocks(blocks, header.sr)
    elif sources == HARMONIC_PERCUSSIVE:
        pieces = harmonic_percussive_blocks(blocks, header.sr)
    elif isinstance(sources, Mapping):
        pieces = _separator(sources, penalty, phase, random_state).process_blocks(blocks, header.sr, guidance)
    else:
        assert isinstance(sources, (int, np.integer))
        pieces = iter(())
        n_sources = sources if groups is None else len(groups) + 1
        needed = memory_for(source, n_sources, phase, start_s=start_s, stop_s=stop_s)
        if needed > _memory():
            raise NmfaudioError(
                f"{source}: sources that are not known need about {needed / 1e9:.0f} GB of memory, of which there are "
                f"{_memory() / 1e9:.0f}: take a part of it (--start and --end), or give dictionaries"
            )
        y, sr = audio.read(source, start_s=start_s, stop_s=stop_s)
        if y.size:
            stems, found = _blind(y, sr, sources, groups, n_components, n_taps, phase, random_state)
            pieces = iter([stems])
    pieces = map(choice, pieces)
    beginning = list(islice(pieces, 1))  # before anything is written
    if not beginning:
        raise NmfaudioError(f"{source}: has no sound in it")
    duration_s = min(stop_s or math.inf, header.duration_s) - (start_s or 0.0)
    paths = {name: _place(source, out_dir, f"{name}{suffix}") for name in beginning[0]}
    done = 0
    with ExitStack() as files:
        files.enter_context(not_left_empty([folder]))
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths.values():
            check_output(path, overwrite=overwrite, inputs=[source])
        outputs = {
            name: files.enter_context(audio.open_like(path, like, overwrite=overwrite)) for name, path in paths.items()
        }
        for stems in chain(beginning, pieces):
            for name, out in outputs.items():
                out.write(stems[name].astype(np.float32))
                done = out.frames
            progress(min(done / (duration_s * header.sr), 1.0))
        if found:
            listing = files.enter_context(replacing(_place(source, out_dir, GROUPS), overwrite=overwrite))
            listing.write_text(json.dumps(found, indent=2) + "\n")
    clipped = sum(out.clipped for out in outputs.values())
    return SeparationReport(os.fspath(source), {name: str(path) for name, path in paths.items()}, found, clipped)


@checked
def stem_files(
    source: PathLike,
    out_dir: PathLike | None = None,
    sources: Sources = SONGS,
    *,
    only: Sequence[str] = (),
    rest: str | None = None,
    gains_db: Mapping[str, float] | None = None,
    groups: Groups | None = None,
    n_components: int | None = None,
    format: str | None = None,
) -> list[Path]:
    """List the files that :func:`separate_file` writes; of unknown sources, all that there may be.

    Parameters
    ----------
    source, out_dir, sources, only, rest, gains_db, groups, n_components, format
        As for :func:`separate_file`.

    Returns
    -------
    list of Path

    Raises
    ------
    NmfaudioError
        If the options do not go together, or the file cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import soundfile as sf
    >>> with TemporaryDirectory() as folder:
    ...     sf.write(f"{folder}/song.wav", np.zeros(800), 8000)
    ...     [path.name for path in stem_files(f"{folder}/song.wav", "stems", "harmonic-percussive")]
    ['harmonic.wav', 'percussive.wav']
    """
    known = _of_blocks(sources)
    names = Choice(known.names if known else _names(sources, groups, n_components), only, rest, gains_db).names
    suffix = _suffix(source, audio.info(source), format)
    others = list[str]()
    if isinstance(sources, (int, np.integer)):
        names = names or [f"source{i}" for i in range(1, sources + 1)]
        others = [GROUPS]
    return [_place(source, out_dir, name) for name in (*(f"{name}{suffix}" for name in names), *others)]


@checked
def memory_for(
    source: PathLike,
    n_sources: int = 2,
    phase: str | None = None,
    *,
    start_s: float | None = None,
    stop_s: float | None = None,
) -> float:
    """Estimate the bytes of memory that the separation of a sound file into unknown sources takes.

    Parameters
    ----------
    source : path
        Sound file.
    n_sources : int
        Number of unknown sources.
    phase : str, optional
        Method for the phases, as for :func:`separate_file`.
    start_s, stop_s : float, optional
        Part to separate, in seconds.

    Returns
    -------
    float

    Raises
    ------
    AudioError
        If the file cannot be read.
    """
    header = audio.info(source)
    duration_s = max(0.0, min(stop_s or math.inf, header.duration_s) - (start_s or 0.0))
    shape = header.channels, round(duration_s * header.sr)
    return memory_needed(shape[1], shape[0], header.sr, n_sources, phase or _phase(shape))


def _memory() -> float:
    """Bytes of memory that the machine has; infinity if it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError):
        return math.inf


def _check_options(
    sources: Sources,
    guidance: Guidance | None,
    groups: Groups | None,
    n_components: int | None,
    n_taps: int | None,
    penalty: float | None,
    phase: str | None,
) -> None:
    known = isinstance(sources, Mapping)
    blind = isinstance(sources, (int, float, np.number))
    if blind:
        check_count("sources", sources)
        if n_components is not None:
            check_count("n_components", n_components)
    if not blind and any(value is not None for value in (groups, n_components, n_taps)):
        raise NmfaudioError("groups, n_components and n_taps are for a number of unknown sources: leave them out")
    if penalty is not None and not known:
        raise NmfaudioError("penalty is for sources with names: name them in sources")
    if guidance and not known:
        raise NmfaudioError("guidance is about sources with names: name them in sources")
    if not (known or blind) and phase:
        raise NmfaudioError(f"{sources!r} keeps the phase of the mixture: leave phase out")


def _of_blocks(sources: Sources) -> BlockSeparator | None:
    """Separator of sources that are none of the others'."""
    if isinstance(sources, (Mapping, int, float, np.number)) or sources == HARMONIC_PERCUSSIVE:
        return None
    if isinstance(sources, (str, os.PathLike, Dictionary)):
        return SongSeparator(sources)
    if not hasattr(sources, "process_blocks"):
        raise NmfaudioError(f"sources {sources!r}: give a dictionary, a mapping, a number or {HARMONIC_PERCUSSIVE!r}")
    return sources


def _names(sources: Sources, groups: Groups | None, n_components: int | None) -> list[str]:
    """Names of the sources that do not come in blocks; none if they are found in the mixture."""
    if sources == HARMONIC_PERCUSSIVE:
        return list(PARTS)
    if isinstance(sources, Mapping):
        return Separator(sources).names
    return [] if groups is None else list(with_rest(groups, _N_COMPONENTS if n_components is None else n_components))


class Choice:
    """Stems to write of all sources.

    Parameters
    ----------
    sources : list of str
    only, rest, gains_db
        As for :func:`separate_file`.

    Attributes
    ----------
    names : list of str
        Names of the stems.
    """

    def __init__(
        self, sources: list[str], only: Sequence[str], rest: str | None, gains_db: Mapping[str, float] | None
    ) -> None:
        self._only, self._rest = list(only), rest
        for name in [*self._only, *(gains_db or {})]:
            if name not in sources:
                raise NmfaudioError(f"no source {name!r}: choose {', '.join(sources) or 'by groups.json'}")
        for name, db in (gains_db or {}).items():
            if not db <= MOST_GAIN_DB:
                raise NmfaudioError(f"gain of {name!r}: {db:g} dB: give up to {MOST_GAIN_DB:g}; -inf leaves it out")
        if gains_db is not None and (only or rest):
            raise NmfaudioError("only and rest choose stems, and gains_db mixes them: give one or the other")
        if rest and (not only or rest in sources):
            raise NmfaudioError(f"rest {rest!r}: name the other sources in only, and give the rest another name")
        if rest and not set(sources) - set(self._only):
            raise NmfaudioError(f"rest {rest!r}: only names all sources, and nothing is left: leave out rest")
        self._gains = {name: np.float32(10 ** (db / 20)) for name, db in (gains_db or {}).items()}
        self._mixed = gains_db is not None
        self.names = ["mix"] if self._mixed else [*(self._only or sources), *([rest] if rest else [])]
        for name in self.names:
            check_stem(name)

    def __call__(self, stems: Stems) -> Stems:
        """Choose, add or mix a block of stems."""
        if self._mixed:
            return {"mix": np.sum([y * self._gains.get(name, np.float32(1)) for name, y in stems.items()], axis=0)}
        if not self._only:
            return stems
        chosen = {name: stems[name] for name in self._only}
        others = [y for name, y in stems.items() if name not in chosen]
        return chosen | ({self._rest: np.sum(others, axis=0)} if self._rest else {})


def _separator(sources: Mapping[str, Source], penalty: float | None, phase: str, random_state: int) -> Separator:
    options: dict[str, Any] = {} if penalty is None else {"penalty": penalty}
    return Separator(sources, phase=phase, random_state=random_state, **options)


def _phase(shape: tuple[int, ...]) -> str:
    return "spatial" if len(shape) > 1 and shape[0] > 1 else "mixture"


def _blind(
    y: NDArray[np.floating],
    sr: float,
    n_sources: int,
    groups: Groups | None,
    n_components: int | None,
    n_taps: int | None,
    phase: str,
    random_state: int,
) -> tuple[Stems, Groups]:
    """Stems of unknown sources, and the groups of components that they are made of."""
    components = Components(
        y,
        sr,
        n_components=_N_COMPONENTS if n_components is None else n_components,
        n_taps=_N_TAPS if n_taps is None else n_taps,
        random_state=random_state,
    )
    if groups is None:
        found = components.group(n_sources)
    else:  # of Python's integers, which JSON knows
        found = {name: [int(k) for k in members] for name, members in groups.items()}
    return components.stems(found, phase), found


def _suffix(source: PathLike, header: audio.AudioInfo, format: str | None) -> str:
    return f".{format.lower()}" if format else ".wav" if header.picture else Path(source).suffix


def _place(source: PathLike, out_dir: PathLike | None, name: str) -> Path:
    """Path of a file in the folder for the stems, or beside the source."""
    return Path(source).with_name(f"{Path(source).stem}_{name}") if out_dir is None else Path(out_dir, name)


def _check_new(folder: Path) -> None:
    """Refuse a folder that could not be made."""
    there = next(parent for parent in folder.absolute().parents if parent.exists())
    try:
        with TemporaryDirectory(dir=there):
            pass
    except OSError as error:
        raise NmfaudioError(f"{folder}: cannot be made ({error.strerror}): choose another place") from None
