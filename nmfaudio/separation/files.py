"""Separate signals and sound files into stems, in one call."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import audio
from ..audio import as_signal
from ..errors import NmfaudioError
from ..files import check_output, replacing
from .components import Components
from .guidance import Guidance
from .hpss import harmonic_percussive
from .separator import Separator, Source

PathLike = str | os.PathLike[str]

Stems = dict[str, NDArray[np.floating]]
Groups = Mapping[str, Sequence[int]]

HARMONIC_PERCUSSIVE = "harmonic-percussive"
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


def separate(
    y: ArrayLike,
    sr: float,
    sources: Mapping[str, Source] | int | str = 2,
    *,
    guidance: Guidance | None = None,
    groups: Groups | None = None,
    n_components: int | None = None,
    n_taps: int | None = None,
    penalty: float | None = None,
    phase: str | None = None,
    random_state: int = 0,
) -> Stems:
    """Separate a mixture into stems that add up to it.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz.
    sources : mapping, int or "harmonic-percussive"
        A mapping names the sources, each with a dictionary or with a number of atoms to learn from the mixture: see
        :class:`Separator`. A number asks for so many unknown sources, which are grouped by their sound: see
        :class:`Components`. "harmonic-percussive" splits the mixture: see :func:`harmonic_percussive`.
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
    """
    return _separated(y, sr, sources, guidance, groups, n_components, n_taps, penalty, phase, random_state)[0]


def separate_file(
    source: PathLike,
    out_dir: PathLike,
    sources: Mapping[str, Source] | int | str = 2,
    *,
    guidance: Guidance | None = None,
    groups: Groups | None = None,
    n_components: int | None = None,
    n_taps: int | None = None,
    penalty: float | None = None,
    phase: str | None = None,
    random_state: int = 0,
    format: str | None = None,
    subtype: str | None = None,
    bit_rate: int | None = None,
    quality: float | None = None,
    overwrite: bool = False,
) -> SeparationReport:
    """Separate a sound file into stems, one file each.

    The groups of components of unknown sources are written beside them as ``groups.json``.

    Parameters
    ----------
    source : path
        Sound file to read.
    out_dir : path
        Folder for the stems; it is made where it is missing.
    sources, guidance, groups, n_components, n_taps, penalty, phase, random_state
        As for :func:`separate`.
    format, subtype : str, optional
        Container and sample format by libsndfile's names: see :meth:`nmfaudio.audio.AudioInfo.written_to`.
    bit_rate : int, optional
        Bits a second of a lossy format; by default those of `source`, where the format is the same.
    quality : float, optional
        Quality of MP3, Vorbis or Opus instead, from 0 to 1.
    overwrite : bool
        Replace files in a folder that is not empty.

    Returns
    -------
    SeparationReport

    Raises
    ------
    NmfaudioError
        As for :func:`separate`, or if a file cannot be read or written, has no sound, or the folder is not empty.

    Examples
    --------
    >>> import nmfaudio
    >>> def take_apart(song):
    ...     return nmfaudio.separate_file(song, "stems", {"piano": "piano.npz", "rest": 20}).stems
    """
    out_dir = Path(out_dir)
    if out_dir.exists() and not out_dir.is_dir():
        raise NmfaudioError(f"{out_dir}: is a file: give a folder for the stems")
    if out_dir.is_dir() and any(out_dir.iterdir()) and not overwrite:
        raise NmfaudioError(
            f"{out_dir}: is not empty: give --overwrite (in Python overwrite=True) to replace what is in it"
        )
    _check_names(Separator(sources).names if isinstance(sources, Mapping) else groups or ())
    header = audio.info(source)
    suffix = f".{format.lower()}" if format else ".wav" if header.picture else Path(source).suffix
    like = header.written_to(f"stem{suffix}", format, subtype, bit_rate=bit_rate, quality=quality)
    y, sr = audio.read(source)
    if not y.size:
        raise NmfaudioError(f"{source}: has no sound in it")
    stems, found = _separated(y, sr, sources, guidance, groups, n_components, n_taps, penalty, phase, random_state)
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = {name: out_dir / f"{name}{suffix}" for name in stems}
    for path in paths.values():
        check_output(path, overwrite=overwrite, inputs=[source])
    clipped = 0
    with ExitStack() as files:
        for name, path in paths.items():
            out = files.enter_context(audio.open_like(path, like, overwrite=overwrite))
            out.write(stems[name].astype(np.float32))
            clipped += out.clipped
        if found:
            listing = files.enter_context(replacing(out_dir / "groups.json", overwrite=overwrite))
            listing.write_text(json.dumps(found, indent=2) + "\n")
    return SeparationReport(os.fspath(source), {name: str(path) for name, path in paths.items()}, found, clipped)


def _separated(
    y: ArrayLike,
    sr: float,
    sources: Mapping[str, Source] | int | str,
    guidance: Guidance | None,
    groups: Groups | None,
    n_components: int | None,
    n_taps: int | None,
    penalty: float | None,
    phase: str | None,
    random_state: int,
) -> tuple[Stems, Groups | None]:
    """Stems, and the groups of components that they are made of if they are."""
    known = isinstance(sources, Mapping)
    if (known or isinstance(sources, str)) and any(value is not None for value in (groups, n_components, n_taps)):
        raise NmfaudioError("groups, n_components and n_taps are for a number of unknown sources: leave them out")
    if penalty is not None and not known:
        raise NmfaudioError("penalty is for sources with names: name them in sources")
    if guidance and not known:
        raise NmfaudioError("guidance is about sources with names: name them in sources")
    if isinstance(sources, str):
        if sources != HARMONIC_PERCUSSIVE:
            raise NmfaudioError(f"sources {sources!r}: give a mapping, a number, or {HARMONIC_PERCUSSIVE!r}")
        if phase:
            raise NmfaudioError(f"{HARMONIC_PERCUSSIVE!r} keeps the phase of the mixture: leave phase out")
        return harmonic_percussive(y, sr), None
    y = as_signal(y)
    phase = phase or ("spatial" if y.ndim > 1 and len(y) > 1 else "mixture")
    if isinstance(sources, Mapping):
        options = {} if penalty is None else {"penalty": penalty}
        return Separator(sources, phase=phase, random_state=random_state, **options)(y, sr, guidance), None
    components = Components(
        y,
        sr,
        n_components=_N_COMPONENTS if n_components is None else n_components,
        n_taps=_N_TAPS if n_taps is None else n_taps,
        random_state=random_state,
    )
    found = components.group(sources) if groups is None else groups
    return components.stems(found, phase), found


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not name or Path(name).name != name:
            raise NmfaudioError(f"{name!r} cannot be the name of a stem's file: leave out slashes")
