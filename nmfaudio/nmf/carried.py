"""Denominators of Itakura-Saito updates, carried over from iteration to iteration.

An update of H needs two products with quotients of the model L = W H + eps, p = W' (V / L^2) and q = W' (1 / L), where
Kullback-Leibler needs one. q can be that of an earlier model L_o, since the tangent of a logarithm lies above it: with
any c > 0 a frame's objective is, with the same W, at most

    sum_f V / L + L / (c L_o) + log(c L_o) - 1,

and lowest with c = mean_f(L / L_o) = (rest + sum_k h_k q_k) / F, where eps has its share in `rest`. So the update
divides by q / c. For W it is the same with the frames' sum in the place of the bins'. Since this function touches the
objective only where L = c L_o, and the other factor changes too, such an update may lead uphill, which its caller has
to look for (`nmfaudio.nmf.acceleration.Guarded`). With q computed in one iteration of three, an iteration has
4 2/3 products of matrices instead of six. Spectrograms took 1 to 1.2 times as many of them to the same objective and
none led uphill; with one in four some did.
"""

from collections.abc import Callable

import numpy as np

Compute = Callable[[np.ndarray], object]

_LEAST = np.float32(1e-3)  # of a level: below it may be nothing but rounding


def due(turn: int) -> tuple[bool, bool]:
    """Tell for each of the two factors if its denominator is computed in this iteration, counted from 0."""
    return turn % 3 == 0, turn % 3 == 1 or turn == 0


def denominator(carried: "Carried | None", X: np.ndarray, compute: Compute, due: bool, out: np.ndarray) -> np.ndarray:
    """The denominator of a factor X, in `out`.

    Parameters
    ----------
    carried : Carried or None
        None where it is always computed.
    X : ndarray
    compute : callable
        Given an array to put the product in.
    due : bool
        Whether it is computed now, and not only carried over.
    out : ndarray, shape of X
    """
    if carried is None:
        compute(out)
    elif due:
        carried.renew(X, compute, out)
    else:
        carried.guess(X, out)
    return out


class Carried:
    """The denominator of one factor, and what gives its level later.

    Parameters
    ----------
    q : ndarray, shape (n, K)
        Room for it; atoms are columns, as in the factor.
    total : ndarray, shape (n,)
        Number of terms that each sum of a row has, or sum of their weights: F for the activations of a frame.
    rest : ndarray, shape (n,), optional
        Share of eps in the level of each row.
    """

    def __init__(self, q: np.ndarray, total: np.ndarray, rest: np.ndarray | None = None) -> None:
        self._q, self._total = q, total
        self._rest = np.zeros_like(total) if rest is None else rest

    def __getitem__(self, rows: slice) -> "Carried":
        """The denominator of some rows of the factor, in the same memory."""
        return Carried(self._q[rows], self._total[rows], self._rest[rows])

    def renew(self, X: np.ndarray, compute: Compute, out: np.ndarray) -> None:
        """Compute the denominator of the factor X, in `out`."""
        compute(self._q)
        out[:] = self._q
        self._rest[:] = self._total - self._explained(X)

    def rescale(self, scale: np.ndarray, atoms: slice = slice(None)) -> None:
        """Follow a change of some of the other factor's atoms in scale."""
        self._q[:, atoms] *= scale

    def guess(self, X: np.ndarray, out: np.ndarray) -> None:
        """Estimate the denominator of the factor X, in `out`."""
        level = np.maximum(self._rest + self._explained(X), _LEAST * self._total)
        scale = np.divide(self._total, level, out=np.ones_like(level), where=level > 0)
        np.multiply(self._q, scale[:, None], out=out)

    def _explained(self, X: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nk->n", X, self._q)
