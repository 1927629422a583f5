"""Multiplicative updates of sparse NMF with atoms of unit norm, as in `nmfaudio.kernels.nmf.multiplicative`."""

import numpy as np

from ..kernels.nmf.multiplicative import update_atoms
from ..kernels.nmf.penalised import penalised_update
from .beta_divergence import Divergence


class MultiplicativeUpdates:
    """Updates of W and H.

    The frames are cut into blocks, which the cores share out; what an iteration computes of a block stays in the
    cache. The blocks meet in the atoms alone.

    Parameters
    ----------
    V : ndarray, shape (F, N)
        Non-negative, with values around one.
    W : ndarray, shape (F, K)
        Atoms, C order; changed in place by `step` and `update_W`, which expect unit L2 norm where `mu` is not zero.
    H : ndarray, shape (K, N)
        Activations to start from.
    mu : ndarray, shape (K, 1) or (K, N)
        L1 penalty of the activations.
    beta : float
    weights : ndarray, shape (F, N), optional
        Non-negative weight of each entry of V; 0 for a missing one.
    n_fixed : int
        The first `n_fixed` atoms stay as they are.

    Notes
    -----
    All arrays have the same dtype, float32 or float64. Zero stays zero, and what falls below `floor` becomes zero,
    since denormal numbers are slow.
    """

    def __init__(
        self,
        V: np.ndarray,
        W: np.ndarray,
        H: np.ndarray,
        mu: np.ndarray,
        beta: float = 1.0,
        weights: np.ndarray | None = None,
        n_fixed: int = 0,
    ) -> None:
        self.W, self.beta = W, beta
        scalar = V.dtype.type
        self.eps = scalar(np.finfo(V.dtype).eps)
        self.floor = scalar(np.finfo(V.dtype).tiny ** 0.5)
        self._equalises = 0 <= beta < 1
        self._a = scalar(2 - beta if beta < 0 else 1 if beta <= 2 else beta - 1)
        self._b = scalar(2 if self._equalises else 1 + max(2 - beta, 0))
        self._free, self._none = slice(n_fixed, None), slice(W.shape[1], None)
        by_frames = None if weights is None else np.ascontiguousarray(weights.T)
        self._data = Divergence(np.ascontiguousarray(V.T), beta, by_frames, self.eps)
        self._H, self._mu = H.T.copy(), np.ascontiguousarray(mu.T)

    @property
    def H(self) -> np.ndarray:
        """Activations as they are now, shape (K, N); a copy."""
        return self._H.T.copy()

    @property
    def factors(self) -> list[np.ndarray]:
        """Arrays that the updates change in place: the atoms, and the activations, one frame a row."""
        return [self.W, self._H]

    def objective(self) -> float:
        """Divergence and penalty at the present W and H (atoms of unit norm)."""
        return self._data.value(self._H, self.W) + float(self._penalties().sum(dtype=np.float64))

    def step(self, carry: bool = False) -> float:
        """One update of the activations and then of the free atoms; the objective before it.

        With `carry`, for beta = 0, most denominators are carried over from the steps before, and it may rise.
        """
        before, Q, P = self._alternate(self._free, carry)
        if Q.size:
            self._update_W(Q, P)
        return before

    def update_H(self) -> float:
        """One multiplicative update of the activations; the objective before it."""
        return self._alternate(self._none)[0]

    def update_W(self) -> None:
        """One multiplicative update of the free atoms, back to unit norm."""
        self._update_W(*self.statistics())

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Q and P of the free atoms, shape (F, K - n_fixed); P has one row where all its rows are equal."""
        return self._data.parts_T(self._H, self.W, self._free)

    def _alternate(self, free: slice, carry: bool = False) -> tuple[float, np.ndarray, np.ndarray]:
        penalty = float(self._penalties().sum(dtype=np.float64))
        value, Q, P = self._data.alternate(self._H, self.W, self._update_frames, carry, free)
        return value + penalty, Q, P

    def _update_frames(self, rows: slice, h: np.ndarray, p: np.ndarray, q: np.ndarray) -> None:
        mu = self._mu if len(self._mu) == 1 else self._mu[rows]
        penalised_update(h, p, q, mu, np.zeros((1, 1), h.dtype), self.beta)

    def _update_W(self, Q: np.ndarray, P: np.ndarray) -> None:
        atoms, P = self.W[:, self._free], np.array(np.broadcast_to(P, Q.shape))
        c = self._penalties()[self._free]
        if self._equalises:
            c = c / 2
            P += c * atoms
        norms = np.ones((atoms.shape[1], 1), atoms.dtype)
        update_atoms(atoms, norms, np.ascontiguousarray(Q), P, c, self._a, self._b, self.floor)
        self._H[:, self._free] *= norms.T
        self._data.rescaled(norms[:, 0], self._free)

    def _penalties(self) -> np.ndarray:
        """Penalty of each atom's activations, shape (K,)."""
        if len(self._mu) == 1:
            return self._mu[0] * self._H.sum(axis=0)
        return (self._mu * self._H).sum(axis=0)
