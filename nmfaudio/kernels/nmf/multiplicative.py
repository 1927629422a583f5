"""Sparse NMF by multiplicative updates under any beta-divergence.

The problem: minimise over W and H, both non-negative,

    D_beta(V | W H + eps) + sum_kn mu_kn norm(w_k) h_kn          (norm: L2, over the column w_k)

which is sparse NMF with atoms of unit L2 norm inside the objective ("well-done": Le Roux, Weninger and Hershey, "Sparse
NMF - half-baked or well done?", MERL TR2015-023), since scaling an atom up and its activations down changes nothing.
Every update minimises a function that touches the objective at the current point and lies above it elsewhere
(majorisation-minimisation), so the objective never rises, whatever beta. With L = W H + eps:

    p = W' (V L^(beta-2)),  q = W' L^(beta-1):      h <- h (p / (q + mu))^(1 / a)
    Q = (V L^(beta-2)) H',  P = L^(beta-1) H':      w <- w x,  P x^a + c w x^b = Q,  c = sum_n mu_n h_n

    a = 2 - beta below 0, 1 from 0 to 2, beta - 1 above 2;  b = 1 + max(2 - beta, 0) but 2 from 0 to 1

and then w is scaled to unit norm and h by the same factor. Without a penalty x = (Q / P)^(1 / a), from 0 to 1 it is the
root of a quadratic, else Newton finds it. The exponents a are those of Févotte and Idier, "Algorithms for nonnegative
matrix factorization with the beta-divergence" (2011); the penalty of h is majorised by a power of h where a asks for
it. The scale-invariant objective and a majorised norm of w are the way of Marmin, Goulart and Févotte,
"Majorization-minimization for sparse nonnegative matrix factorization with the beta-divergence" (2023), here for the L2
norm by its tangent square, (norm(w)^2 + 1) / 2. The heuristic update of Le Roux et al. has no such guarantee; on
spectrograms it is no faster for beta = 1 and above.

From 0 to below 1 the step goes past the majoriser's minimum, to where it is no higher than at the current point
(majorisation-equalisation, section 4.2 there), in half as many iterations: with u = 1 / x, (u^(1 - beta) - 1) /
(1 - beta) <= u - 1, so that the majoriser rises by at most (x - 1) (P + c w (x + 1) / 2 - Q / x), which is nothing at
the root of (P + c w / 2) x + c w x^2 / 2 = Q and below nothing between it and 1.

For beta = 0 `step` can carry q and P over from iteration to iteration, see `nmfaudio.nmf.carried`.
"""

from functools import partial
from itertools import chain

import numpy as np

from ...compute.threads import Workspace, by_rows, in_parallel, shares, sum_over
from ...nmf.carried import Carried, denominator, due
from .._jit import jit
from .divergence import beta_divergence, itakura_saito_single, kullback_leibler_single


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
        self.W, self.n_fixed, self.beta = W, n_fixed, beta
        scalar = V.dtype.type
        self.eps = scalar(np.finfo(V.dtype).eps)
        self.floor = scalar(np.finfo(V.dtype).tiny ** 0.5)
        self._equalises = 0 <= beta < 1
        self._a = scalar(2 - beta if beta < 0 else 1 if beta <= 2 else beta - 1)
        self._b = scalar(2 if self._equalises else 1 + max(2 - beta, 0))
        self._flat = beta == 1 and weights is None  # L^(beta-1) is all ones
        self._shares = [[_Block(V, H, mu, weights, frames) for frames in share] for share in shares(V.shape[1], V.size)]
        self._P: Carried | None = None
        if beta == 0:
            for block in chain(*self._shares):
                block.q = Carried(np.empty_like(block.H), _totals(block.V, block.weights, axis=0), axis=0)
            self._P = Carried(np.empty_like(W[:, n_fixed:]), _totals(V, weights, axis=1), axis=1)
        self._turn = -1
        self._workspace = Workspace()

    @property
    def H(self) -> np.ndarray:
        """Activations as they are now, shape (K, N); a copy."""
        blocks = sorted(chain(*self._shares), key=lambda block: block.frames.start)
        return np.concatenate([block.H for block in blocks], axis=1)

    def objective(self) -> float:
        """Divergence and penalty at the present W and H (atoms of unit norm)."""
        return sum_over(lambda block: (self._objective(block, *self._model(block)),), self._shares)[0]

    @property
    def factors(self) -> list[np.ndarray]:
        """Arrays that the updates change in place: the atoms, and the activations of each block."""
        return [self.W, *(block.H for block in chain(*self._shares))]

    def step(self, carry: bool = False) -> float:
        """One update of the activations and then of the free atoms; the objective before it.

        With `carry`, for beta = 0, most denominators are carried over from the steps before, and it may rise.
        """
        self._turn = self._turn + 1 if carry and self.beta == 0 else 0
        due_H, due_W = due(self._turn)
        if self.n_fixed == self.W.shape[1]:
            return self.update_H(due_H)
        before, Q, P, c = sum_over(
            lambda block: (self._update_H(block, due_H), *self._statistics(block, due_W)), self._shares
        )
        self._update_W(Q, P, c, due_W)
        return before

    def update_H(self, due: bool = True) -> float:
        """One multiplicative update of the activations; the objective before it."""
        return sum_over(lambda block: (self._update_H(block, due),), self._shares)[0]

    def update_W(self) -> None:
        """One multiplicative update of the free atoms, back to unit norm."""
        self._update_W(*self.statistics())

    def statistics(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Q and P of the free atoms, shape (F, K - n_fixed), and their penalties c, shape (K - n_fixed,).

        P has shape (K - n_fixed,) where all its rows are equal.
        """
        return sum_over(self._statistics, self._shares)

    def _update_W(self, Q: np.ndarray, P: np.ndarray, c: np.ndarray, due: bool = True) -> None:
        free = self.W[:, self.n_fixed :]
        P = denominator(self._P, free, partial(np.copyto, src=P), due, np.empty_like(Q))
        if self._equalises:
            c = c / 2
            P += c * free
        norms = np.ones((free.shape[1], 1), free.dtype)
        update_atoms(free, norms, Q, P, c, self._a, self._b, self.floor)
        if self._P is not None:
            self._P.rescale(norms.T)
        in_parallel(lambda share: [self._rescale(block, norms) for block in share], self._shares)

    def _update_H(self, block: "_Block", due: bool = True) -> float:
        L, R = self._model(block)
        divergence = divergence_and_ratios(block.V, L, R, self.beta, self.eps, block.weights)
        objective = divergence + block.penalty()
        p = np.dot(self.W.T, R, out=self._room("p", block.H))
        if self._flat:
            q = self.W.sum(axis=0)[:, None] + block.mu
        else:
            q = denominator(block.q, block.H, partial(np.dot, self.W.T, L), due, self._room("q", block.H))
            q += block.mu
        if self._a != 1:
            np.maximum(q, self.floor, out=q)
            np.divide(p, q, out=p)
            np.power(p, 1 / self._a, out=p)
            q[:] = 1
        multiply(block.H, p, q, self.floor)
        return objective

    def _statistics(self, block: "_Block", due: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        c, H = block.penalties()[self.n_fixed :], block.H[self.n_fixed :]
        L, R = self._model(block)
        ratios(block.V, L, R, self.beta, self.eps, block.weights)
        of_all = self._flat or not due  # what is not due is not looked at
        return R @ H.T, H.sum(axis=1) if of_all else L @ H.T, c

    def _rescale(self, block: "_Block", norms: np.ndarray) -> "_Block":
        free = slice(self.n_fixed, None)
        block.H[free] *= norms
        if block.q is not None:
            block.q.rescale(np.divide(1, norms, out=np.ones_like(norms), where=norms > 0), free)
        return block

    def _model(self, block: "_Block") -> tuple[np.ndarray, np.ndarray]:
        """Model of a block, and room for quotients."""
        L = np.dot(self.W, block.H, out=self._room("L", block.V))
        return L, self._room("R", block.V)

    def _room(self, name: str, like: np.ndarray) -> np.ndarray:
        return self._workspace.array(name, like.shape, like.dtype)

    def _objective(self, block: "_Block", L: np.ndarray, work: np.ndarray) -> float:
        return beta_divergence(block.V, L, self.beta, self.eps, work, block.weights) + block.penalty()


class _Block:
    """Some of the frames."""

    def __init__(self, V: np.ndarray, H: np.ndarray, mu: np.ndarray, weights: np.ndarray | None, frames: slice) -> None:
        self.frames = frames
        self.V = np.ascontiguousarray(V[:, frames])
        self.H = H[:, frames].copy()
        self.mu = mu if mu.shape[1] == 1 else np.ascontiguousarray(mu[:, frames])
        self.weights = None if weights is None else np.ascontiguousarray(weights[:, frames])
        self.q: Carried | None = None

    def penalty(self) -> float:
        """Penalty of all activations."""
        return float(self.penalties().sum(dtype=np.float64))

    def penalties(self) -> np.ndarray:
        """Penalty of each atom's activations, shape (K,)."""
        return self.mu[:, 0] * self.H.sum(axis=1) if self.mu.shape[1] == 1 else (self.mu * self.H).sum(axis=1)


def _totals(V: np.ndarray, weights: np.ndarray | None, axis: int) -> np.ndarray:
    """Sums of the weights along an axis."""
    return np.full(V.shape[1 - axis], V.shape[axis], V.dtype) if weights is None else weights.sum(axis=axis)


def divergence_and_ratios(
    V: np.ndarray, L: np.ndarray, R: np.ndarray, beta: float, eps: float, weights: np.ndarray | None = None
) -> float:
    """The divergence, as by `beta_divergence`, before L and R become what `ratios` makes of them."""
    if beta in (0, 1) and V.dtype == np.float32:
        single = kullback_leibler_single if beta == 1 else itakura_saito_single
        return float(np.sum(by_rows(lambda v, x, r, w: single(v, x, r, V.dtype.type(eps), w), V, L, R, weights)))
    value = beta_divergence(V, L, beta, eps, R, weights)
    ratios(V, L, R, beta, eps, weights)
    return value


def ratios(
    V: np.ndarray, L: np.ndarray, R: np.ndarray, beta: float, eps: float, weights: np.ndarray | None = None
) -> None:
    """Turn the model L into ``weights * (L + eps)^(beta-1)``, and R into ``weights * V (L + eps)^(beta-2)``.

    Without weights and for beta = 1, where the first is all ones, L is left alone.
    """
    eps = V.dtype.type(eps)
    by_rows(lambda *rows: _ratios(*rows, beta=beta, eps=eps), V, L, R, weights)


def _ratios(
    V: np.ndarray, L: np.ndarray, R: np.ndarray, weights: np.ndarray | None, *, beta: float, eps: float
) -> None:
    if beta == 1:
        ratio_kullback_leibler(V, L, R, eps, weights)
    elif beta == 2:
        _ratio_euclidean(V, L, R, eps, weights)
    elif beta == 0:
        _ratio_itakura_saito(V, L, R, eps, weights)
    else:
        L += eps
        np.power(L, V.dtype.type(beta - 2), out=R)
        _ratio_general(V, L, R, weights)


@jit
def ratio_kullback_leibler(V, L, R, eps, weights):
    """R = weights * V / (L + eps); L becomes the weights, if there are any."""
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            r = V[f, n] / (L[f, n] + eps)
            if weights is not None:
                r *= weights[f, n]
                L[f, n] = weights[f, n]
            R[f, n] = r


@jit
def _ratio_euclidean(V, L, R, eps, weights):
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            r, d = V[f, n], L[f, n] + eps
            if weights is not None:
                r *= weights[f, n]
                d *= weights[f, n]
            R[f, n] = r
            L[f, n] = d


@jit
def _ratio_itakura_saito(V, L, R, eps, weights):
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            d = V.dtype.type(1) / (L[f, n] + eps)
            r = V[f, n] * d * d
            if weights is not None:
                r *= weights[f, n]
                d *= weights[f, n]
            R[f, n] = r
            L[f, n] = d


@jit
def _ratio_general(V, L, R, weights):
    """Take L^(beta-2) in R from the caller."""
    for f in range(V.shape[0]):
        for n in range(V.shape[1]):
            r, d = R[f, n] * V[f, n], R[f, n] * L[f, n]
            if weights is not None:
                r *= weights[f, n]
                d *= weights[f, n]
            R[f, n] = r
            L[f, n] = d


@jit
def multiply(X, numerator, denominator, floor):
    """X *= numerator / denominator; the denominator has shape (K, 1) or that of X."""
    zero = X.dtype.type(0)
    if denominator.shape[1] == 1:
        for k in range(X.shape[0]):
            scale = X.dtype.type(1) / max(denominator[k, 0], floor)
            for n in range(X.shape[1]):
                x = X[k, n] * numerator[k, n] * scale
                X[k, n] = x if x > floor else zero
    else:
        for k in range(X.shape[0]):
            for n in range(X.shape[1]):
                x = X[k, n] * numerator[k, n] / max(denominator[k, n], floor)
                X[k, n] = x if x > floor else zero


@jit
def update_atoms(W, H, Q, P, c, a, b, floor):
    """Update of the atoms W (F, K) from Q and P (F, K) and penalties c (K,); the scale goes into H. Overwrites Q."""
    n_bins, n_atoms = W.shape
    zero = W.dtype.type(0)
    squares = np.zeros(n_atoms, W.dtype)
    for f in range(n_bins):
        for k in range(n_atoms):
            x = W[f, k] * _factor(Q[f, k], max(P[f, k], floor), c[k] * W[f, k], a, b, floor)
            Q[f, k] = x if x > floor else zero
            squares[k] += Q[f, k] * Q[f, k]
    norms = np.sqrt(squares)
    for f in range(n_bins):
        for k in range(n_atoms):
            if norms[k] > zero:
                W[f, k] = Q[f, k] / norms[k]
    for k in range(n_atoms):  # an atom that nothing asks for keeps its shape and falls silent
        for n in range(H.shape[1]):
            H[k, n] *= norms[k]


@jit
def _factor(q, p, r, a, b, floor):
    """Positive root x of p x^a + r x^b = q."""
    if r <= floor:
        return q / p if a == 1 else (q / p) ** (1 / a)
    if a == 1 and b == 2:
        return (q + q) / (p + np.sqrt(p * p + (r + r) * (q + q)))
    if q <= floor:
        return q
    x = min((q / p) ** (1 / a), (q / r) ** (1 / b))  # not left of the root of a convex function: Newton only falls
    for _ in range(4):
        pa, rb = p * x**a, r * x**b
        x -= x * (pa + rb - q) / (a * pa + b * rb)
    return x
