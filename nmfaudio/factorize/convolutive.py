"""Convolutive NMF: components that last several samples, and that may appear at several pitches."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..arguments import check_count
from ..errors import NmfaudioError
from ..kernels.nmf.multiplicative import update_atoms
from ..nmf.convolutive_updates import ConvolutiveUpdates
from ._base import Factorizer, Run, dense


class ConvolutiveNMF(Factorizer):
    """Convolutive NMF of a sequence of samples, in one dimension (time) or two (time and pitch).

    Minimises the Kullback-Leibler divergence between X and

        L[n, f] = sum_ktp W[n - t, k, p] H[k, t, f - p]       t < n_frames, p < n_shifts,

    over non-negative W and H. A component is a patch of `n_frames` samples: a drum stroke, a syllable. With
    ``n_shifts > 1`` it may occur any number of features below n_shifts higher than it is stored: with frequency in
    constant steps of a semitone, one component then stands for all notes of an instrument.

    X has samples in rows, in their order: for a spectrogram V (F, N) fit ``V.T``; a component ``components_[k].T`` is a
    small spectrogram.

    Parameters
    ----------
    n_components : int
    n_frames : int
        Samples that a component lasts; with 1 and one shift it is NMF.
    n_shifts : int
        Number of shifts of a component in the direction of features, 0 among them.
    n_init, max_iter, tol
        As for `NMF`.
    random_state : int, RandomState or None
        Seed of the starts: X's mean sample times random numbers.

    Attributes
    ----------
    components_ : ndarray, shape (n_components, n_frames, n_features)
        H, unit L2 norm.
    n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    Notes
    -----
    Activations are of shape (n_samples, n_components * n_shifts), where column ``k * n_shifts + p`` is component k, p
    features up. Updates are multiplicative with all frames of a component at once, under which the objective never
    rises.

    References
    ----------
    P. Smaragdis, "Non-negative matrix factor deconvolution; extraction of multiple sound sources from monophonic
    inputs", 2004.
    M. Schmidt, M. Mørup, "Nonnegative matrix factor 2-D deconvolution for blind single channel source separation",
    2006.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import ConvolutiveNMF
    >>> X = np.zeros((40, 5))
    >>> for start in (3, 11, 24, 31):
    ...     X[start : start + 4] += np.eye(4, 5)
    >>> model = ConvolutiveNMF(1, n_frames=4, random_state=0)
    >>> W = model.fit_transform(X)
    >>> np.abs(model.inverse_transform(W) - X).max() < 0.01
    np.True_
    """

    _level_in = "W"
    _beta = 1.0

    def __init__(
        self,
        n_components: int = 4,
        *,
        n_frames: int = 8,
        n_shifts: int = 1,
        n_init: int = 1,
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_frames = n_frames
        self.n_shifts = n_shifts
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Sequence that activations stand for.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_components * n_shifts)

        Returns
        -------
        ndarray, shape (n_samples, n_features)
        """
        check_is_fitted(self)
        W = dense(X)
        atoms = shifted(np.ascontiguousarray(self.components_.transpose(2, 1, 0)), self.n_shifts)
        model = np.zeros((len(W), len(atoms)), np.result_type(W, atoms))
        for t in range(min(self.n_frames, len(W))):
            model[t:] += W[: len(W) - t] @ atoms[:, t].T
        return model

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_count("n_frames", self.n_frames)
        check_count("n_shifts", self.n_shifts)

    def _run(self, X: np.ndarray, rng: np.random.RandomState) -> Run:
        if self.n_shifts > X.shape[1]:
            raise NmfaudioError(f"n_shifts={self.n_shifts}, but X has {X.shape[1]} features")
        V, exponent = _scaled(X)
        atoms = rng.uniform(0.5, 1, (V.shape[0], self.n_frames, self.n_components)) * V.mean(axis=1)[:, None, None]
        atoms /= np.linalg.norm(atoms, axis=(0, 1))
        updates = ShiftedUpdates(V, atoms.astype(X.dtype), self._first_activations(V, rng))

        def step() -> None:
            updates.update_atoms()
            updates.update_H()

        objective = self._descend(step, updates.objective)
        H = np.ascontiguousarray(updates.atoms.transpose(2, 1, 0))
        return Run(np.ldexp(updates.H.T, exponent), H, np.ldexp(objective, exponent))

    def _activations(self, X: np.ndarray) -> np.ndarray:
        V, exponent = _scaled(X)
        atoms = np.ascontiguousarray(self.components_.transpose(2, 1, 0), X.dtype)
        updates = ShiftedUpdates(V, atoms, self._first_activations(V, None))
        self._descend(updates.update_H, updates.objective)
        return np.ldexp(updates.H.T, exponent)

    def _first_activations(self, V: np.ndarray, rng: np.random.RandomState | None) -> np.ndarray:
        """Activations to start from, shape (K, P, N): about X's level, the same everywhere if there is no generator."""
        shape = self.n_components, self.n_shifts, V.shape[1]
        level = np.linalg.norm(V, axis=0).mean() / (shape[0] * shape[1])
        return (level * (np.ones(shape) if rng is None else rng.uniform(0.5, 1, shape))).astype(V.dtype)

    def _reconstruction_error(self, X: np.ndarray, run: Run) -> float:
        return float(np.sqrt(2 * max(run.objective[-1], 0.0)))

    @property
    def _n_features_out(self) -> int:
        return self.n_components_ * self.n_shifts


class ShiftedUpdates(ConvolutiveUpdates):
    """Updates in which every atom occurs at several shifts along the bins, which share one shape.

    Parameters
    ----------
    V : ndarray, shape (F, N)
        Non-negative, C order, with values around one.
    atoms : ndarray, shape (F, T, K)
        C order, unit L2 norm; changed in place.
    H : ndarray, shape (K, P, N)
        Activations of every atom at P shifts, C order; changed in place.
    """

    def __init__(self, V: np.ndarray, atoms: np.ndarray, H: np.ndarray) -> None:
        self.atoms, self.n_shifts = atoms, H.shape[1]
        tied = H.reshape(-1, H.shape[2])
        super().__init__(V, shifted(atoms, self.n_shifts), tied, np.zeros((len(tied), 1), V.dtype))

    def update_atoms(self) -> None:
        """One multiplicative update of the atoms, back to unit norm."""
        n_bins, n_taps, n_atoms = self.atoms.shape
        Q, P = self.statistics()
        W, H = self.atoms.reshape(-1, n_atoms), self.H.reshape(n_atoms, -1)
        none, one, two = np.zeros(n_atoms, W.dtype), W.dtype.type(1), W.dtype.type(2)
        update_atoms(W, H, self._tied(Q), self._tied(P), none, one, two, self.floor)
        self.W[:] = shifted(self.atoms, self.n_shifts)
        self._model()

    def _tied(self, X: np.ndarray) -> np.ndarray:
        """Sum over the shifts of an atom, each moved back: (F, T, K P) to (F T, K)."""
        n_bins, n_taps, n_atoms = self.atoms.shape
        parts = X.reshape(n_bins, n_taps, n_atoms, self.n_shifts)
        total = parts[..., 0].copy()
        for p in range(1, self.n_shifts):
            total[: n_bins - p] += parts[p:, ..., p]
        return total.reshape(-1, n_atoms)


def shifted(atoms: np.ndarray, n_shifts: int) -> np.ndarray:
    """Atoms (F, T, K) at shifts 0, 1, ... bins up: (F, T, K P), column ``k * n_shifts + p``."""
    out = np.zeros((*atoms.shape, n_shifts), atoms.dtype)
    for p in range(n_shifts):
        out[p:, ..., p] = atoms[: len(atoms) - p]
    return out.reshape(*atoms.shape[:2], -1)


def _scaled(X: np.ndarray) -> tuple[np.ndarray, int]:
    """X transposed, with values up to one and none zero, and the power of two it was divided by."""
    exponent = int(np.frexp(X.max())[1])
    return np.ascontiguousarray(np.ldexp(X.T, -exponent) + np.finfo(X.dtype).eps), exponent
