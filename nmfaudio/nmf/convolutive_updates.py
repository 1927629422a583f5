"""Convolutive sparse NMF: atoms that last several frames, by multiplicative updates under Kullback-Leibler.

The model, of Smaragdis, "Non-negative matrix factor deconvolution; extraction of multiple sound sources from
monophonic inputs" (2004), equation 4, is a matrix product of stacked matrices

    L[:, n] = sum_tk W[:, t, k] H[k, n - t]:   L = W S,  W (F, T K),  S (T K, N), whose row (t, k) is row k of H, t late

so W is updated as in `nmfaudio.kernels.nmf.multiplicative`, all taps at once, and the update of H sums over all frames
that an entry of H adds to. The objective, divergence plus penalty with atoms of unit L2 norm over all taps, never
rises; the average over taps of Smaragdis, equation 8, has no such guarantee. No loop here gains from Numba.
"""

import numpy as np

from ..compute.threads import by_rows
from ..kernels.nmf.divergence import beta_divergence
from ..kernels.nmf.multiplicative import multiply, ratio_kullback_leibler


class ConvolutiveUpdates:
    """Updates of H in place, and what an update of W needs; a subclass says what its atoms share.

    Parameters
    ----------
    V : ndarray, shape (F, N)
        Non-negative, C order, with values around one.
    W : ndarray, shape (F, T, K)
        Atoms of T frames, C order, unit L2 norm.
    H : ndarray, shape (K, N)
        Activations, C order: an entry says how strong an atom begins in a frame.
    mu : ndarray, shape (K, 1) or (K, N)
        L1 penalty of the activations.
    weights : ndarray, shape (F, N), optional
        Non-negative weight of each entry of V; 0 for a missing one.
    n_fixed : int
        The first `n_fixed` atoms stay as they are.
    """

    def __init__(
        self,
        V: np.ndarray,
        W: np.ndarray,
        H: np.ndarray,
        mu: np.ndarray,
        weights: np.ndarray | None = None,
        n_fixed: int = 0,
    ) -> None:
        self.V, self.W, self.H, self.mu, self.weights, self.n_fixed = V, W, H, mu, weights, n_fixed
        self.eps = V.dtype.type(np.finfo(V.dtype).eps)
        self.floor = V.dtype.type(np.finfo(V.dtype).tiny ** 0.5)
        self.L, self._R = np.empty_like(V), np.empty_like(V)
        self._S = np.zeros((*W.shape[1:], V.shape[1]), V.dtype)
        self._model()

    def objective(self) -> float:
        """Divergence and penalty at the present W and H."""
        parts = by_rows(
            lambda V, L, R, weights: beta_divergence(V, L, 1, self.eps, R, weights),
            self.V,
            self.L,
            self._R,
            self.weights,
        )
        return float(np.sum(parts)) + float(self._penalties().sum(dtype=np.float64))

    def update_H(self) -> None:
        """One multiplicative update of the activations."""
        self._ratio()
        certainty = np.ones_like(self.V) if self.weights is None else self.weights
        multiply(self.H, self._correlated(self._R), self._correlated(certainty) + self.mu, self.floor)
        self._model()

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Q and P of all atoms, shape (F, T K)."""
        self._ratio()
        S = self._S.reshape(-1, self.V.shape[1]).T
        Q = self._R @ S
        return Q, np.broadcast_to(S.sum(axis=0), Q.shape) if self.weights is None else self.weights @ S

    def _model(self) -> None:
        n_taps, n_frames = self.W.shape[1], self.V.shape[1]
        for t in range(min(n_taps, n_frames)):
            self._S[t, :, t:] = self.H[:, : n_frames - t]
        np.dot(self.W.reshape(len(self.V), -1), self._S.reshape(-1, n_frames), out=self.L)

    def _ratio(self) -> None:
        """R becomes weights * V / L, and L is spent."""
        ratio_kullback_leibler(self.V, self.L, self._R, self.eps, self.weights)

    def _correlated(self, X: np.ndarray) -> np.ndarray:
        """Correlate X with all taps of each atom, shape (K, N), at the frame where the atom begins."""
        found = (self.W.reshape(len(X), -1).T @ X).reshape(self._S.shape)
        total = found[0].copy()
        for t in range(1, min(found.shape[0], found.shape[2])):
            total[:, :-t] += found[t, :, t:]
        return total

    def _penalties(self) -> np.ndarray:
        return (self.mu * self.H).sum(axis=1) if self.mu.shape[1] > 1 else self.mu[:, 0] * self.H.sum(axis=1)
