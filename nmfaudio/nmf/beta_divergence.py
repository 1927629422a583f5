"""The beta-divergence of dense or sparse data, and the two parts of its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import is_finite, shown
from ..compute.threads import Workspace, in_parallel, parts, shares, sum_over
from ..errors import NmfaudioError
from ..kernels.nmf.divergence import beta_divergence
from ..kernels.nmf.kl_descent import sweep_dense, sweep_sparse
from ..kernels.nmf.multiplicative import divergence_and_ratios, ratios
from ..kernels.nmf.sampled import sampled_product
from .carried import Carried, denominator, due

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_LEAST_BETA, _MOST_BETA = -2, 5  # beyond them powers of what is quiet leave the range of single precision
NAMES = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}

Update = Callable[[slice, np.ndarray, np.ndarray, np.ndarray], object]
ALL = slice(None)


class Divergence:
    """``D_beta(X | W T')`` for factors of one shape, W (n_samples, K) and T (n_features, K), so T is components.T.

    The model is lifted by `eps`, which keeps quotients and logarithms finite; for beta below 1, where zeros of X would
    cost infinitely much or nearly so, X is lifted too.

    Parameters
    ----------
    X : ndarray or csr_matrix, shape (n_samples, n_features)
        Non-negative. Sparse for beta = 2 and 1 alone: the others need the model where X has no entries.
    beta : float
        2 Frobenius (halved), 1 Kullback-Leibler, 0 Itakura-Saito.
    weights : ndarray, shape (n_samples, n_features), optional
        Non-negative weight of each entry of a dense X; 0 for a missing one.
    eps : float, optional
        For an X that is lifted already; else the rounding unit of the dtype times X's largest value, 0 for beta = 2.
    """

    def __init__(
        self,
        X: np.ndarray | csr_matrix,
        beta: float,
        weights: np.ndarray | None = None,
        eps: float | None = None,
    ) -> None:
        self.sparse, self.beta, self.weights = not isinstance(X, np.ndarray), float(beta), weights
        self.exact = beta == 2 and weights is None  # inner products are enough
        limits = np.finfo(X.dtype)
        if eps is None:
            eps = 0.0 if beta == 2 else limits.eps * max(X.max(), limits.tiny**0.25)
            X = X + X.dtype.type(eps) if beta < 1 else X
        self.eps = X.dtype.type(eps)
        self.X: Any = X
        values: Any = self.X.data if self.sparse else self.X
        self._square = dot(values, values) if self.exact else 0.0
        self._flat = beta == 1 and weights is None  # all rows of q are equal
        self._workspace = Workspace()
        self._carried: tuple[Carried, Carried] | None = None
        self._turn = -1

    def transposed(self) -> Divergence:
        """The divergence of X's transpose, laid out in rows."""
        X = self.X.T.tocsr() if self.sparse else np.ascontiguousarray(self.X.T)
        weights = None if self.weights is None else np.ascontiguousarray(self.weights.T)
        return Divergence(X, self.beta, weights, self.eps)

    def value(self, W: np.ndarray, T: np.ndarray) -> float:
        """The divergence, accumulated in double precision; rounding does not make it negative."""
        if self.exact:
            return self.quadratic(W, T, self.X @ T, T.T @ T)
        if self.sparse:
            return self._sparse_value(W, T, self._sampled_model(W, T))
        return max(self._sum_over_rows(partial(self._value, W, T), W)[0], 0.0)

    def quadratic(
        self, W: np.ndarray, T: np.ndarray, C: np.ndarray, G: np.ndarray, S: np.ndarray | None = None
    ) -> float:
        """The value for beta = 2 from ``C = X T``, ``G = T' T`` and ``S = W' W``; X is looked at if they cancel out."""
        value = 0.5 * self._square - dot(C, W) + 0.5 * dot(G, W.T @ W if S is None else S)
        if value > 1e4 * np.finfo(W.dtype).eps * self._square or self.sparse:
            return max(value, 0.0)
        return self._sum_over_rows(lambda rows: (_half_square(self.X[rows] - W[rows] @ T.T),), W)[0]

    def parts_W(self, W: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The parts p and q of the gradient ``q - p`` in W; q has one row where all its rows are equal."""
        if self.exact:
            return self.X @ T, W @ (T.T @ T)
        if self.sparse:
            return self._sparse_ratios(self._sampled_model(W, T)) @ T, T.sum(axis=0, keepdims=True)
        p = np.empty(W.shape, W.dtype)
        q = None if self._flat else np.empty_like(p)
        in_parallel(partial(self._parts_W, W, T, p, q), parts(len(W), self.X.size))
        return p, T.sum(axis=0, keepdims=True) if q is None else q

    def parts_T(self, W: np.ndarray, T: np.ndarray, free: slice = ALL) -> tuple[np.ndarray, np.ndarray]:
        """The parts p and q of the gradient ``q - p`` in T, or some columns; q has one row where all are equal."""
        if self.exact:
            return self.X.T @ W[:, free], T @ (W.T @ W[:, free])
        if self.sparse:
            p = self._sparse_ratios(self._sampled_model(W, T)).T @ W[:, free]
            return p, W[:, free].sum(axis=0, keepdims=True)
        return self._sum_over_rows(partial(self._parts_T, W, T, free), W)

    def alternate(
        self, W: np.ndarray, T: np.ndarray, update: Update, carry: bool = False, free: slice = ALL
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """The value, an update of W, and the parts of the gradient in T after it, in one pass through X.

        ``update(rows, w, p, q)`` changes ``w = W[rows]``, given the parts of the gradient there; it may be called in
        several threads at once. With `carry`, for beta = 0, most q are those of calls before, see
        `nmfaudio.nmf.carried`. The parts of the gradient in T are those of the columns `free`, if there are any.
        """
        if self.exact:
            C, G = self.X @ T, T.T @ T
            value = self.quadratic(W, T, C, G)
            update(ALL, W, C, W @ G)
            return value, *self.parts_T(W, T, free)
        if self.sparse:
            L = self._sampled_model(W, T)
            value = self._sparse_value(W, T, L)
            update(ALL, W, self._sparse_ratios(L) @ T, T.sum(axis=0, keepdims=True))
            return value, *self.parts_T(W, T, free)
        if carry and self.beta == 0 and self._carried is None:
            self._carried = self._carry(W, 1), self._carry(T[:, free], 0)
        self._turn = self._turn + 1 if carry and self.beta == 0 else 0
        due_W, due_T = due(self._turn)
        value, p, q = self._sum_over_rows(partial(self._alternate, W, T, update, free, due_W, due_T), W)
        if not self._flat and q.size:
            of_T = self._carried and self._carried[1]
            q = denominator(of_T, T[:, free], partial(np.copyto, src=q), due_T, np.empty_like(p))
        return max(value, 0.0), p, q

    def rescaled(self, norms: np.ndarray, free: slice = ALL) -> None:
        """Know that some columns of T were divided by numbers, and those of W multiplied by them."""
        if self._carried is not None:
            inverse = np.divide(1, norms, out=np.ones_like(norms), where=norms > 0)
            self._carried[0].rescale(inverse, free)
            self._carried[1].rescale(norms)

    def descend_W(self, W: np.ndarray, T: np.ndarray, l1: float = 0.0, l2: float = 0.0) -> None:
        """One sweep of coordinate descent through W for beta = 1, with penalties ``l1 sum(W) + l2 sum(W ** 2) / 2``."""
        H = np.ascontiguousarray(T.T)
        if self.sparse:
            sweep_sparse(self.X.data, self.X.indices, self.X.indptr, H, W, l1, l2, self.eps)
        else:
            sweep_dense(self.X, H, W, W @ T.T + self.eps, l1, l2, self.eps)

    def _sum_over_rows(self, function: Callable[[slice], tuple], W: np.ndarray) -> tuple:
        return sum_over(function, shares(len(W), self.X.size))

    def _rows(self, rows: slice, W: np.ndarray, T: np.ndarray) -> tuple:
        """Some rows of X, of the model, room for quotients, and rows of the weights."""
        shape = len(W[rows]), len(T)
        L = np.dot(W[rows], T.T, out=self._workspace.array("L", shape, W.dtype))
        R = self._workspace.array("R", shape, W.dtype)
        return self.X[rows], L, R, None if self.weights is None else self.weights[rows]

    def _ratios(self, rows: slice, W: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        X, L, R, weights = self._rows(rows, W, T)
        ratios(X, L, R, self.beta, self.eps, weights)
        return L, R

    def _value(self, W: np.ndarray, T: np.ndarray, rows: slice) -> tuple[float]:
        X, L, R, weights = self._rows(rows, W, T)
        return (beta_divergence(X, L, self.beta, self.eps, R, weights),)

    def _parts_W(self, W: np.ndarray, T: np.ndarray, p: np.ndarray, q: np.ndarray | None, rows: slice) -> None:
        L, R = self._ratios(rows, W, T)
        np.dot(R, T, out=p[rows])
        if q is not None:
            np.dot(L, T, out=q[rows])

    def _parts_T(
        self, W: np.ndarray, T: np.ndarray, free: slice, rows: slice, due: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        w = W[rows, free]
        if not w.shape[1]:
            return np.empty((len(T), 0), W.dtype), np.empty((1, 0), W.dtype)
        L, R = self._ratios(rows, W, T)
        of_all = self._flat or not due  # what is not due is not looked at
        return R.T @ w, w.sum(axis=0, keepdims=True) if of_all else L.T @ w

    def _alternate(
        self, W: np.ndarray, T: np.ndarray, update: Update, free: slice, due_W: bool, due_T: bool, rows: slice
    ) -> tuple[float, np.ndarray, np.ndarray]:
        X, L, R, weights = self._rows(rows, W, T)
        value = divergence_and_ratios(X, L, R, self.beta, self.eps, weights)
        w = W[rows]
        p = np.dot(R, T, out=self._workspace.array("p", w.shape, w.dtype))
        if self._flat:
            q = T.sum(axis=0, keepdims=True)
        else:
            q = self._workspace.array("q", w.shape, w.dtype)
            denominator(self._carried and self._carried[0][rows], w, partial(np.dot, L, T), due_W, q)
        update(rows, w, p, q)
        return value, *self._parts_T(W, T, free, rows, due_T)

    def _carry(self, X: np.ndarray, axis: int) -> Carried:
        """Room for the denominator of a factor, and for each of its rows the sum of weights along an axis of X."""
        shape = self.X.shape
        total = np.full(len(X), shape[axis], X.dtype) if self.weights is None else self.weights.sum(axis=axis)
        return Carried(np.empty_like(X), total)

    def _sparse_value(self, W: np.ndarray, T: np.ndarray, L: np.ndarray) -> float:
        at_entries = beta_divergence(self.X.data[None], L[None], 1, self.eps, np.empty_like(L)[None])
        total = float(W.sum(axis=0, dtype=float) @ T.sum(axis=0, dtype=float))
        return max(at_entries + total - float(L.sum(dtype=float)), 0.0)

    def _sparse_ratios(self, L: np.ndarray) -> csr_matrix:
        from scipy.sparse import csr_matrix

        return csr_matrix((self.X.data / (L + self.eps), self.X.indices, self.X.indptr), self.X.shape)

    def _sampled_model(self, W: np.ndarray, T: np.ndarray) -> np.ndarray:
        L = np.empty_like(self.X.data)
        sampled_product(W, T, self.X.indptr, self.X.indices, L)
        return L


def beta_of(beta_loss: float | str) -> float:
    """Number of a divergence, given by scikit-learn's name or as it is.

    Raises
    ------
    NmfaudioError
        If it is neither one of the names nor a number from -2 to 5.
    """
    if isinstance(beta_loss, str) and beta_loss in NAMES:
        return NAMES[beta_loss]
    if not is_finite(beta_loss) or not _LEAST_BETA <= float(beta_loss) <= _MOST_BETA:
        numbers, names = f"{_LEAST_BETA} to {_MOST_BETA}", ", ".join(map(repr, NAMES))
        raise NmfaudioError(f"beta_loss must be a number from {numbers} or one of {names}, not {shown(beta_loss)}")
    return float(beta_loss)


def divergence(X: np.ndarray | csr_matrix, W: np.ndarray, H: np.ndarray, beta: float = 2.0) -> float:
    """``D_beta(X | W H)``: 2 Frobenius (halved), 1 Kullback-Leibler, 0 Itakura-Saito; see `Divergence`.

    Parameters
    ----------
    X : ndarray or csr_matrix, shape (n_samples, n_features)
    W : ndarray, shape (n_samples, K)
    H : ndarray, shape (K, n_features)
    beta : float

    Returns
    -------
    float
    """
    if beta == 2 and isinstance(X, np.ndarray):  # as a difference, to the last digit
        return _half_square(X - W @ H)
    return Divergence(X, beta).value(np.ascontiguousarray(W), np.ascontiguousarray(H.T))


def times_power(values: np.ndarray, exponent: float) -> np.ndarray:
    """``values * 2**exponent``, infinity beyond the largest number; 0 stays 0, whatever the power."""
    whole = math.floor(exponent)
    with np.errstate(over="ignore"):
        product: np.ndarray = np.ldexp(values * 2.0 ** (exponent - whole), whole)
    return product


def dot(A: np.ndarray, B: np.ndarray) -> float:
    """Sum of ``A * B``, accumulated in double precision."""
    return float(np.einsum("i,i->", A.ravel(), B.ravel(), dtype=np.float64))


def _half_square(D: np.ndarray) -> float:
    return 0.5 * dot(D, D)
