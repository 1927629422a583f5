"""Separation with known atoms: a dictionary for each source, and free atoms for sources without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..audio import as_signal
from ..dictionary import Dictionary, DictionaryLike
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.front_end import FrontEnd, magnitudes
from .guidance import Guidance, presence
from .stems import stems

Source = DictionaryLike | int
"""A dictionary, the name or path of one, or a number of atoms to learn."""

FRONT_END = FrontEnd(window_s=0.064, hop_s=0.016, n_bins=2**16, exponent=1.0)
"""Front end if no dictionary brings one."""


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

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.separation import Separator
    >>> y = np.sin(np.arange(8000) * 0.3) + np.random.default_rng(0).standard_normal(8000)
    >>> stems = Separator({"tone": 2, "rest": 4}, n_iter=5)(y, sr=8000, guidance={"tone": {"silent": [(0, 0.5)]}})
    >>> sorted(stems), bool(np.allclose(stems["tone"] + stems["rest"], y))
    (['rest', 'tone'], True)
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        penalty: float = 0.2,
        phase: str = "mixture",
        n_iter: int = 60,
        random_state: int = 0,
    ) -> None:
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
            if n_atoms < 1:
                raise NmfaudioError(f"{n_atoms} atoms of {name!r} to learn: there must be 1 or more")
        self.front_end = _common_front_end(loaded)

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
        front_end = self.front_end
        stft = front_end.stft(sr)
        Y = stft(np.atleast_2d(y))
        V = magnitudes(Y, front_end.n_bins, front_end.exponent)
        names = [*self._atoms, *self._n_free]
        counts = [*(W.shape[2] for W in self._atoms.values()), *self._n_free.values()]
        owner = np.repeat(np.arange(len(names)), counts)
        present = presence(guidance or {}, names, stft, y.shape[-1], sr)
        found = spatial_nmf(
            V,
            _stacked(list(self._atoms.values()), V.shape[1]),
            n_free=sum(self._n_free.values()),
            penalty=self.penalty,
            places=owner,
            present=np.asarray(present.any(axis=1))[owner],
            n_iter=self.n_iter,
            random_state=self.random_state,
        )
        S = np.stack([found.estimate(owner == j) for j in range(len(names))]) ** (2 / front_end.exponent)
        signals = stems(S, present, Y, stft, y.shape[-1], self.phase)
        return {name: signals[names.index(name)].reshape(y.shape) for name in self.names}


def _atoms_of(name: str, dictionary: Dictionary) -> NDArray[np.float32]:
    """Atoms of a source, shape (F, T, K)."""
    if dictionary.kind == "unfolded":
        raise NmfaudioError(f"dictionary {dictionary.name!r} is trained for denoising; give one that holds atoms")
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
        if replace(front_end, sr=shared.sr, n_bins=shared.n_bins) != shared:
            raise NmfaudioError(f"the front ends of {names[0]!r} and {name!r} differ: train both dictionaries alike")
    return shared


def _stacked(atoms: list[NDArray[np.float32]], n_bins: int) -> NDArray[np.float32] | None:
    """Put all atoms side by side, shape (F, T, K), shorter ones padded with zeros."""
    if not atoms:
        return None
    n_taps = max(W.shape[1] for W in atoms)
    return np.concatenate([np.pad(W[:n_bins], ((0, 0), (0, n_taps - W.shape[1]), (0, 0))) for W in atoms], axis=2)
