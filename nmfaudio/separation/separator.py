"""Separation with known atoms: a dictionary for each source, and free atoms for sources without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_choice, check_count, check_number, check_rate, check_seed, checked, shown
from ..audio import as_signal
from ..audio.signal import as_blocks
from ..dictionary import Dictionary, DictionaryLike
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.blocks import faded
from ..spectra.front_end import FrontEnd, magnitudes
from ..spectra.phase import METHODS
from .guidance import Guidance, presence
from .stems import stems

Source = DictionaryLike | int
"""A dictionary, the name or path of one, or a number of atoms to learn."""

FRONT_END = FrontEnd(window_s=0.064, hop_s=0.016, n_bins=2**16, exponent=1.0)
"""Front end if no dictionary brings one."""

_PIECE_VALUES, _FADE_S = 2**22, 1.0  # samples of all channels and sources
_MOST_ATOMS = 10_000  # to learn; more are never needed, and would not fit in memory


class Separator:
    """Separate mixtures into named sources.

    The magnitudes of the mixture are factorised with the atoms of all sources at once (sparse convolutive NMF under
    the Kullback-Leibler divergence). The part of a source, squared, is the estimate of its power.

    Parameters
    ----------
    sources : mapping of str to Dictionary, name, path or int
        For each source a dictionary, or a number of atoms to learn from the mixture itself. A dictionary of several
        arrays must have one of the source's name.
    penalty : float
        L1 penalty of the activations. More makes the sources differ more where atoms of both fit: 1 for voices, none
        for few notes of instruments.
    phase : str
        Method for the phases, see `nmfaudio.spectra.phase.signals_of`; or "spatial", for two or more channels, the
        filter of `multichannel_wiener`.
    n_iter : int
        Iterations of the factorisation.
    random_state : int
        Seed of the learnt atoms.

    Raises
    ------
    NmfaudioError
        If a dictionary cannot be used, the front ends of two differ, or a number of atoms is below 1.

    Notes
    -----
    The stems add up to the mixture, but for the phases "griffin-lim" and "fast-griffin-lim".

    A long mixture is separated in pieces, which fade into each other within a second. A piece has four million samples
    of all channels and sources, or up to half more so that none is short. With two sources, mixtures of up to 36 s of
    stereo at 44.1 kHz, or three minutes of one channel at 16 kHz, are one piece. Dictionaries are the same in all
    pieces. Atoms to learn start from those of the piece before and are learnt anew, so that a source stays the same and
    may change slowly. Levels of the channels and the filter of "spatial" are those of the piece.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.separation import Separator
    >>> y = np.sin(np.arange(8000) * 0.3) + np.random.default_rng(0).standard_normal(8000)
    >>> stems = Separator({"tone": 2, "rest": 4}, n_iter=5)(y, sr=8000, guidance={"tone": {"silent": [(0, 0.5)]}})
    >>> sorted(stems), bool(np.allclose(stems["tone"] + stems["rest"], y))
    (['rest', 'tone'], True)
    """

    @checked
    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        penalty: float = 0.2,
        phase: str = "mixture",
        n_iter: int = 60,
        random_state: int = 0,
    ) -> None:
        check_number("penalty", penalty, 0)
        check_choice("phase", phase, (*METHODS, "spatial"))
        check_count("n_iter", n_iter)
        check_seed(random_state)
        if not sources:
            raise NmfaudioError("no sources to separate: name at least one")
        self.names = list(sources)
        self.penalty, self.phase, self.n_iter, self.random_state = penalty, phase, n_iter, random_state
        loaded = {
            name: Dictionary.load(source)
            for name, source in sources.items()
            if not isinstance(source, (int, np.integer))
        }
        self._atoms = {name: _atoms_of(name, dictionary) for name, dictionary in loaded.items()}
        self._n_free = {name: int(source) for name, source in sources.items() if isinstance(source, (int, np.integer))}
        for name, n_atoms in self._n_free.items():
            if not 1 <= n_atoms <= _MOST_ATOMS:
                raise NmfaudioError(f"{n_atoms} atoms of {name!r} to learn: there must be 1 to {_MOST_ATOMS}")
        self.front_end = _common_front_end(loaded)

    @checked
    def __call__(self, y: ArrayLike, sr: float, guidance: Guidance | None = None) -> dict[str, NDArray[np.floating]]:
        """Separate a mixture.

        Parameters
        ----------
        y : array_like, shape (samples,) or (channels, samples)
            Mixture; float, or integers that are scaled to full scale 1.
        sr : float
            Sampling rate in Hz; any.
        guidance : mapping, optional
            Times and frequencies at which sources are silent or alone, see `nmfaudio.separation.guidance`.

        Returns
        -------
        dict of str to ndarray
            Stem of each source, of y's shape.

        Raises
        ------
        NmfaudioError
            If the mixture is no such signal or has no samples, or the guidance or the phase cannot be used.
        """
        y = as_signal(y)
        pieces = list(self.process_blocks([np.atleast_2d(y)], sr, guidance))
        return {name: np.concatenate([piece[name] for piece in pieces], axis=1).reshape(y.shape) for name in self.names}

    @checked
    def process_blocks(
        self, blocks: Iterable[ArrayLike], sr: float, guidance: Guidance | None = None
    ) -> Iterator[dict[str, NDArray[np.floating]]]:
        """Separate a mixture of any length in constant memory.

        Parameters
        ----------
        blocks : iterable of array_like, shape (channels, samples)
            The mixture in order, in blocks of any length.
        sr, guidance
            As for a whole mixture.

        Yields
        ------
        dict of str to ndarray, shape (channels, samples)
            Stems, in blocks of other lengths.

        Raises
        ------
        NmfaudioError
            As for a whole mixture.
        """
        check_rate(sr)
        learnt: list[NDArray[np.floating]] = []  # atoms of the piece before

        def separated(y: NDArray[np.floating], first: int) -> NDArray[np.floating]:
            signals, free = self._separated(y, sr, guidance or {}, first, learnt.pop() if learnt else None)
            learnt.append(free)
            return signals

        arrived = as_blocks(blocks)
        for block in arrived:
            size = _PIECE_VALUES // (len(block) * len(self.names))
            for signals in faded(chain([block], arrived), size, min(round(_FADE_S * sr), size // 4), separated):
                yield dict(zip(self.names, signals, strict=True))

    def _separated(
        self, y: NDArray[np.floating], sr: float, guidance: Guidance, first: int, learnt: NDArray[np.floating] | None
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Signals (J, channels, samples) of a piece that begins with a sample of this number, and its free atoms."""
        front_end = self.front_end
        stft = front_end.stft(sr)
        Y = stft(y)
        V = magnitudes(Y, front_end.n_bins, front_end.exponent)
        names = [*self._atoms, *self._n_free]
        counts = [*(W.shape[2] for W in self._atoms.values()), *self._n_free.values()]
        owner = np.repeat(np.arange(len(names)), counts)
        present = presence(guidance, names, stft, y.shape[-1], sr, first)
        n_free = sum(self._n_free.values())
        found = spatial_nmf(
            V,
            _stacked(list(self._atoms.values()), V.shape[1]),
            n_free=n_free,
            start=learnt,
            penalty=self.penalty,
            places=owner,
            present=np.asarray(present.any(axis=1))[owner],
            n_iter=self.n_iter,
            random_state=self.random_state,
        )
        S = np.stack([found.estimate(owner == j) for j in range(len(names))]) ** (2 / front_end.exponent)
        signals = stems(S, present, Y, stft, y.shape[-1], self.phase)
        return signals[[names.index(name) for name in self.names]], found.W[:, :, len(owner) - n_free :]


def _atoms_of(name: str, dictionary: Dictionary) -> NDArray[np.float32]:
    """Atoms of a source, shape (F, T, K)."""
    if dictionary.kind == "unfolded":
        raise NmfaudioError(
            f"dictionary {dictionary.name!r} is trained for denoising; give one of sources, as speech-sparse"
        )
    if dictionary.kind == "songs":
        raise NmfaudioError(
            f"dictionary {dictionary.name!r} has all its sources, {shown(dictionary.settings.get('sources'))}: give it "
            "alone, without names"
        )
    arrays = dictionary.arrays
    if name not in arrays and len(arrays) > 1:
        raise NmfaudioError(f"dictionary {dictionary.name!r} has no source {name!r}: choose {' or '.join(arrays)}")
    W = arrays.get(name, next(iter(arrays.values())))
    return W if W.ndim == 3 else W[:, None]


def _common_front_end(dictionaries: Mapping[str, Dictionary]) -> FrontEnd:
    """Front end of all dictionaries, with the bins that all of them have."""
    names, front_ends = list(dictionaries), [dictionary.front_end for dictionary in dictionaries.values()]
    if not front_ends:
        return FRONT_END
    shared = replace(front_ends[0], n_bins=min(front_end.n_bins for front_end in front_ends))
    for name, front_end in zip(names, front_ends, strict=True):
        other = asdict(replace(front_end, sr=shared.sr, n_bins=shared.n_bins))
        differing = [f"{key} {value} and {other[key]}" for key, value in asdict(shared).items() if value != other[key]]
        if differing:
            raise NmfaudioError(
                f"the front ends of {names[0]!r} and {name!r} differ ({', '.join(differing)}): train both dictionaries "
                "alike, as with one --window"
            )
    return shared


def _stacked(atoms: list[NDArray[np.float32]], n_bins: int) -> NDArray[np.float32] | None:
    """Put all atoms side by side, shape (F, T, K), shorter ones padded with zeros."""
    if not atoms:
        return None
    n_taps = max(W.shape[1] for W in atoms)
    return np.concatenate([np.pad(W[:n_bins], ((0, 0), (0, n_taps - W.shape[1]), (0, 0))) for W in atoms], axis=2)
