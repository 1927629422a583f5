"""NMF of the spectrograms of all channels: known atoms and free ones, of any number of frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import NmfaudioError
from ..kernels.nmf.multiplicative import update_atoms
from .convolutive_updates import ConvolutiveUpdates
from .descent import descend, telling

_MEAN_SHARE = 0.1  # in atoms to start from, of which bins at zero would stay there


@dataclass(frozen=True, eq=False)
class SpatialFactorization:
    """``V[c, :, n]`` is about ``sum_tk Q[c, k] W[:, t, k] H[k, n - t]``.

    Parameters
    ----------
    W : ndarray, shape (F, T, K)
        Atoms of T frames, unit L2 norm.
    H : ndarray, shape (K, N)
        Activations.
    Q : ndarray, shape (C, K)
        Level of each atom in each channel, mean square 1.
    objective : ndarray, shape (n_iter + 1,)
        At the start and after every iteration; it never rises.
    """

    W: np.ndarray
    H: np.ndarray
    Q: np.ndarray
    objective: np.ndarray

    def estimate(self, atoms: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Sum of the products of some of the atoms, or all, shape (C, F, N); `atoms` are indices or a mask."""
        W, H, Q = self.W[:, :, atoms], self.H[atoms], self.Q[:, atoms]
        S = np.zeros((len(Q), len(W), H.shape[1]), W.dtype)
        for t in range(min(W.shape[1], H.shape[1])):
            for c, q in enumerate(Q):
                S[c, :, t:] += (W[:, t] * q) @ H[:, : H.shape[1] - t]
        return S


def spatial_nmf(
    V: np.ndarray,
    atoms: np.ndarray | None = None,
    *,
    n_free: int = 0,
    n_taps: int = 1,
    start: np.ndarray | None = None,
    penalty: float = 0.0,
    places: np.ndarray | None = None,
    present: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    n_iter: int = 60,
    tol: float = 1e-4,
    random_state: int = 0,
) -> SpatialFactorization:
    """Find activations and levels of known atoms, and free atoms besides, under the Kullback-Leibler divergence.

    Parameters
    ----------
    V : ndarray, shape (C, F, N)
        Non-negative spectrograms, float32 or float64.
    atoms : ndarray, shape (F, T, K), optional
        Known atoms, unit L2 norm, which stay as they are; shorter ones end in zeros.
    n_free : int
        Atoms to learn; they come after the known ones, and start from patches of V at random.
    n_taps : int
        Frames of the free atoms, unless there are known ones.
    start : ndarray, shape (F, T, n_free), optional
        Free atoms of a piece before, to start from instead.
    penalty : float
        L1 penalty of the activations where the mean of V is 1.
    places : ndarray, shape (K,), optional
        Atoms of equal numbers have the same levels in all channels; by default each atom has its own.
    present : ndarray, shape (K, N), optional
        False or 0 where an atom must not begin.
    weights : ndarray, shape (C, F, N), optional
        Non-negative weight of every entry of V; 0 for a missing one.
    n_iter : int
        Largest number of iterations.
    tol : float
        Iterations stop when ten of them lower the root of the objective by less than `tol` times its first value.
    random_state : int
        Seed of the free atoms.

    Returns
    -------
    SpatialFactorization

    Raises
    ------
    NmfaudioError
        If V has no frames, or known atoms and V differ in their number of bins.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.nmf.spatial_nmf import spatial_nmf
    >>> V = np.zeros((2, 4, 30))
    >>> V[0, 0], V[1, 1, ::2] = 1, 2
    >>> found = spatial_nmf(V, n_free=2, random_state=1)
    >>> bool(np.abs(sum(found.estimate([k]) for k in range(2)) - V).max() < 0.01)
    True
    """
    n_channels, n_bins, n_frames = V.shape
    if not n_frames:
        raise NmfaudioError("the signal has no samples: there is nothing to explain")
    if atoms is None:
        atoms = np.empty((n_bins, n_taps, 0), V.dtype)
    if len(atoms) != n_bins:
        raise NmfaudioError(f"atoms of {len(atoms)} bins cannot explain a spectrogram of {n_bins} bins")
    n_atoms = atoms.shape[2] + n_free
    dtype, level = V.dtype.type, V.mean(dtype=np.float64) if weights is None else np.average(V, weights=weights)
    V = np.ascontiguousarray(V / dtype(level or 1) + np.finfo(V.dtype).eps)
    present = np.ones((n_atoms, n_frames), bool) if present is None else present
    if start is None:
        free = _patches(V.mean(axis=0), present[atoms.shape[2] :], atoms.shape[1], random_state)
    else:
        mean = V.mean(axis=(0, 2))[:, None, None]
        free = start + dtype(_MEAN_SHARE) * mean / np.linalg.norm(mean)
        free /= np.linalg.norm(free, axis=(0, 1))
    W = np.ascontiguousarray(np.concatenate([atoms, free], axis=2), V.dtype)
    H = present.astype(V.dtype)
    H *= V.mean(axis=0).sum(axis=0) / max(W.sum(), 1e-9)
    Q = np.ones((n_channels, n_atoms), V.dtype)
    places = np.arange(n_atoms) if places is None else places
    mu = np.full((n_atoms, 1), penalty * n_channels, V.dtype)
    updates = SpatialUpdates(V, W, H, Q, mu, places, weights, n_fixed=atoms.shape[2])

    def step() -> None:
        updates.update_H()
        if n_free:
            updates.update_atoms()
        if n_channels > 1:
            updates.update_levels()

    objective = descend(telling(step, updates.objective), updates.objective, n_iter, tol)
    return SpatialFactorization(W, H * dtype(level), Q, objective * level)


def _patches(V: np.ndarray, present: np.ndarray, n_taps: int, random_state: int) -> np.ndarray:
    """Atoms to start from, shape (F, n_taps, K): patches of V at frames where each may begin, on the mean spectrum."""
    rng = np.random.default_rng(random_state)
    n_free, n_frames = present.shape
    alone = present & (present.sum(axis=0) == present.sum(axis=0).min())
    padded = np.concatenate([V, np.zeros((len(V), n_taps - 1), V.dtype)], axis=1)
    loudness = V.sum(axis=0)
    atoms = np.empty((len(V), n_taps, n_free), V.dtype)
    for k in range(n_free):
        odds = loudness * (alone[k] if loudness[alone[k]].any() else present[k])
        start = rng.choice(n_frames, p=odds / odds.sum()) if odds.any() else 0
        atoms[..., k] = padded[:, start : start + n_taps]
    atoms += V.mean(axis=1)[:, None, None] * rng.uniform(0.1, 0.3, atoms.shape)
    return atoms / np.linalg.norm(atoms, axis=(0, 1))


class SpatialUpdates(ConvolutiveUpdates):
    """Updates of convolutive NMF over channels: each atom has a level in each channel.

    The tensor factorisation of FitzGerald, Cranitch and Coyle, "Non-negative tensor factorisation for sound source
    separation" (2005), with atoms of several frames, and with levels that atoms of one place share.

    Parameters
    ----------
    V : ndarray, shape (C, F, N)
    W : ndarray, shape (F, T, K)
        Unit L2 norm; changed in place, as are H and Q.
    H : ndarray, shape (K, N)
    Q : ndarray, shape (C, K)
        Levels, equal for atoms of one place, mean square 1.
    mu : ndarray, shape (K, 1)
        L1 penalty of the activations.
    places : ndarray, shape (K,)
        Number of each atom's place.
    weights : ndarray, shape (C, F, N), optional
    n_fixed : int
        The first `n_fixed` atoms stay as they are; their levels do not.
    """

    def __init__(
        self,
        V: np.ndarray,
        W: np.ndarray,
        H: np.ndarray,
        Q: np.ndarray,
        mu: np.ndarray,
        places: np.ndarray,
        weights: np.ndarray | None = None,
        n_fixed: int = 0,
    ) -> None:
        self.atoms, self.Q = W, Q
        self._members = np.equal.outer(places, np.unique(places)).astype(W.dtype)  # atoms by places
        n_frames = V.shape[-1]
        weights = None if weights is None else weights.reshape(-1, n_frames)
        super().__init__(V.reshape(-1, n_frames), self._in_channels(), H, mu, weights, n_fixed)

    def update_atoms(self) -> None:
        """One multiplicative update of the free atoms, back to unit norm."""
        sums = (np.einsum("cftk,ck->ftk", X, self.Q) for X in self._by_channel())
        free, one, two = slice(self.n_fixed, None), self.V.dtype.type(1), self.V.dtype.type(2)
        W, numerator, denominator = (X.reshape(-1, len(self.H))[:, free] for X in (self.atoms, *sums))
        update_atoms(W, self.H[free], numerator, denominator, self._penalties()[free], one, two, self.floor)
        self._renew()

    def update_levels(self) -> None:
        """One multiplicative update of the levels, back to mean square 1."""
        root, one, two = self.V.dtype.type(len(self.Q) ** 0.5), self.V.dtype.type(1), self.V.dtype.type(2)
        numerator, denominator = (
            np.einsum("cftk,ftk->ck", X, self.atoms) @ self._members * root for X in self._by_channel()
        )
        levels = self.Q @ (self._members / self._members.sum(axis=0)) / root
        scale = np.ones((levels.shape[1], 1), self.V.dtype)
        update_atoms(levels, scale, numerator, denominator, self._penalties() @ self._members, one, two, self.floor)
        self.Q[:] = root * levels @ self._members.T
        self.H *= self._members @ scale
        self._renew()

    def _by_channel(self) -> list[np.ndarray]:
        return [X.reshape(len(self.Q), *self.atoms.shape) for X in self.statistics()]

    def _in_channels(self) -> np.ndarray:
        return np.einsum("ck,ftk->cftk", self.Q, self.atoms).reshape(-1, *self.atoms.shape[1:])

    def _renew(self) -> None:
        self.W[:] = self._in_channels()
        self._model()
