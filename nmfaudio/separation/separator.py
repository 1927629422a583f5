"""Separation with known atoms: one dictionary a source, and free atoms for the sources that have none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..dictionary import Dictionary
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.front_end import FrontEnd, magnitudes
from .guidance import Guidance, presence
from .stems import stems

Source = Dictionary | str | os.PathLike[str] | int

FRONT_END = FrontEnd(window_s=0.064, hop_s=0.016, n_bins=2**16, exponent=1.0)
"""Front end where no dictionary brings one."""


class Separator:
    """Takes a mixture apart into named sources.

    The magnitudes of the mixture are explained by the atoms of all sources at once (sparse convolutive NMF under the
    Kullback-Leibler divergence), and what the atoms of a source explain, squared, is the estimate of its power.

    Parameters
    ----------
    sources : mapping of str to Dictionary, name, path or int
        What each source is made of: a dictionary, of which the array of the source's name or the only one counts, or
        a number of atoms to learn from the mixture itself.
    penalty : float
        L1 penalty of the activations; more makes sources differ more where atoms of both fit.
    phase : str
        How the signals come to their phases: see `nmfaudio.spectra.phase.signals_of`; or "spatial", for two channels
        and more, the Wiener filter of all channels together of `multichannel_wiener`.
    n_iter : int
        Iterations of the factorisation.
    random_state : int
        Seed of the atoms that are learnt.

    Raises
    ------
    NmfaudioError
        If a dictionary cannot be used, the front ends of two differ, or there are no atoms of a source to learn.

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
        penalty: float = 1.0,
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
        """Take a mixture apart.

        Parameters
        ----------
        y : array_like, shape (samples,) or (channels, samples)
            Float, or integers that are scaled to full scale 1.
        sr : float
            Sampling rate in Hz; any.
        guidance : mapping, optional
            Where sources are silent or alone: see `nmfaudio.separation.guidance`.

        Returns
        -------
        dict of str to ndarray
            The stem of each source, of y's shape.

        Raises
        ------
        NmfaudioError
            If the mixture has no samples, or the guidance or the phase cannot be used.
        """
        from ..audio import as_signal

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


def _atoms_of(name: str, dictionary: Dictionary) -> np.ndarray:
    """Atoms of a source, shape (F, T, K)."""
    if dictionary.kind == "unfolded":
        raise NmfaudioError(f"dictionary {dictionary.name!r} is trained for denoising; give one that holds atoms")
    arrays = dictionary.arrays
    if name not in arrays and len(arrays) > 1:
        raise NmfaudioError(f"dictionary {dictionary.name!r} has no source {name!r}: choose {' or '.join(arrays)}")
    W = arrays.get(name, next(iter(arrays.values())))
    return W if W.ndim == 3 else W[:, None]


def _common_front_end(dictionaries: Mapping[str, Dictionary]) -> FrontEnd:
    """Front end that the dictionaries share, up to the band that all of them cover."""
    names, front_ends = list(dictionaries), [dictionary.front_end for dictionary in dictionaries.values()]
    if not front_ends:
        return FRONT_END
    shared = replace(front_ends[0], n_bins=min(front_end.n_bins for front_end in front_ends))
    for name, front_end in zip(names, front_ends, strict=True):
        if replace(front_end, sr=shared.sr, n_bins=shared.n_bins) != shared:
            raise NmfaudioError(f"the front ends of {names[0]!r} and {name!r} differ: train both dictionaries alike")
    return shared


def _stacked(atoms: list[np.ndarray], n_bins: int) -> np.ndarray | None:
    """All atoms side by side, shape (F, T, K), with zeros after the shorter ones."""
    if not atoms:
        return None
    n_taps = max(W.shape[1] for W in atoms)
    return np.concatenate([np.pad(W[:n_bins], ((0, 0), (0, n_taps - W.shape[1]), (0, 0))) for W in atoms], axis=2)
