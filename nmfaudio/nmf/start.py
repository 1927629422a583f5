"""Starting points: the one place that chooses W and H before the first iteration."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import shown
from ..errors import NmfaudioError
from ..kernels.nmf.nnls import block_pivoting

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

INITS = ("random", "nndsvd", "nndsvda", "nndsvdar", "kmeans", "exemplars", "separable")

Init = str | tuple[ArrayLike, ArrayLike] | None


def initialise(
    X: np.ndarray | csr_matrix, n_components: int, init: Init, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """W and H to start from, ``X`` about ``W @ H``, of X's dtype.

    Parameters
    ----------
    X : ndarray or csr_matrix, shape (n_samples, n_features)
        Non-negative.
    n_components : int
    init : str, pair of array_like, or None
        - "random": halved normal numbers, at X's level.
        - "nndsvd": positive parts of the singular vectors (Boutsidis and Gallopoulos 2008). Zeros stay zero under
          multiplicative updates; "nndsvda" replaces them by ``sqrt(mean(X) / n_components)``, "nndsvdar" by random
          numbers of a hundredth of that.
        - "kmeans": centres of k-means as H, and its labels, with 0.2 added, as W (Ding, Li and Jordan 2010).
        - "exemplars": samples at random as H; "separable": samples far apart, by `successive_projection`.
          W is their least-squares fit.
        - a pair (W, H): a copy of these.
        - None: "nndsvda" where n_components is at most min(n_samples, n_features), else "random".
    rng : RandomState

    Returns
    -------
    W, H : ndarray, shape (n_samples, n_components), (n_components, n_features)
        New arrays in C order.

    Raises
    ------
    NmfaudioError
        If `init` is unknown, does not fit X's shape, or asks for more components than it can give.

    References
    ----------
    C. Boutsidis, E. Gallopoulos, "SVD based initialization: a head start for nonnegative matrix factorization", 2008.
    C. Ding, T. Li, M. Jordan, "Convex and semi-nonnegative matrix factorizations", 2010.
    """
    if init is None:
        init = "nndsvda" if n_components <= min(X.shape) else "random"
    if not isinstance(init, str):
        return _given(X, n_components, init)
    if init not in INITS:
        raise NmfaudioError(f"init must be a pair (W, H) or one of {', '.join(map(repr, INITS))}, not {init!r}")
    most = min(X.shape) if init.startswith("nndsvd") else X.shape[0] if init != "random" else n_components
    if n_components > most:
        raise NmfaudioError(f"init {init!r} gives at most {most} components here, not {n_components}; use 'random'")
    if init == "random":
        W, H = _random(X, n_components, rng)
    elif init.startswith("nndsvd"):
        W, H = _nndsvd(X, n_components, init, rng)
    elif init == "kmeans":
        W, H = _kmeans(X, n_components, rng)
    else:
        loud = np.flatnonzero(np.asarray(X.sum(axis=1)).ravel())
        if init == "separable":
            chosen = successive_projection(X, n_components)
        else:
            chosen = rng.choice(loud, n_components, replace=len(loud) < n_components) if len(loud) else np.arange(most)
        W, H = _from_samples(X, chosen[:n_components])
        if len(np.unique(H, axis=0)) < n_components:  # what is equal would stay so
            H *= rng.uniform(0.5, 1.5, H.shape)
    return np.ascontiguousarray(W, X.dtype), np.ascontiguousarray(H, X.dtype)


def successive_projection(X: np.ndarray | csr_matrix, n_components: int) -> np.ndarray:
    """Samples that the others are mixtures of, one after the other: each is the farthest from the span of those before.

    Samples are scaled to unit sum first. Exact where X is separable, ``X = W X[chosen]`` with W >= 0.
    N. Gillis, S. Vavasis, "Fast and robust recursive algorithms for separable nonnegative matrix factorization", 2014,
    algorithm 1 with the squared norm.

    Parameters
    ----------
    X : ndarray or csr_matrix, shape (n_samples, n_features)
        Non-negative.
    n_components : int

    Returns
    -------
    ndarray of int, shape (n_components,)
        Rows of X, in the order found. Where X's rank is less than `n_components`, the last are arbitrary.
    """
    sums = np.asarray(X.sum(axis=1), float).ravel()
    scale = 1 / np.where(sums > 0, sums, 1)
    square = np.asarray((X * X if isinstance(X, np.ndarray) else X.multiply(X)).sum(axis=1)).ravel()
    left = square * scale**2  # squared distance of every sample from the span
    basis = np.zeros((n_components, X.shape[1]))
    chosen: list[int] = []
    for k in range(n_components):
        left[chosen] = -1
        best = int(np.argmax(left))
        chosen.append(best)
        row = _rows(X, [best])[0] * scale[best]
        for _ in range(2):  # once more for what rounding left
            row = row - basis[:k].T @ (basis[:k] @ row)
        length = np.linalg.norm(row)
        if length > 0:
            basis[k] = row / length
            left -= ((X @ basis[k]) * scale) ** 2
    return np.array(chosen)


def _given(X: np.ndarray | csr_matrix, n_components: int, init: tuple) -> tuple[np.ndarray, np.ndarray]:
    if not (isinstance(init, (tuple, list)) and len(init) == 2):
        raise NmfaudioError(f"init must be a string or a pair (W, H), not {shown(init)}")
    shapes = (X.shape[0], n_components), (n_components, X.shape[1])
    factors = []
    for name, given, shape in zip("WH", init, shapes, strict=True):
        try:
            factor = np.array(given, X.dtype, order="C")
        except (TypeError, ValueError):
            raise NmfaudioError(f"{name} in init must be an array of numbers, not {shown(given)}") from None
        if factor.shape != shape:
            raise NmfaudioError(f"{name} in init must have shape {shape}, not {factor.shape}")
        if not (np.isfinite(factor).all() and (factor >= 0).all()):
            raise NmfaudioError(f"{name} in init holds negative values, NaN or infinity")
        factors.append(factor)
    return factors[0], factors[1]


def _random(X: np.ndarray | csr_matrix, n_components: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    level = np.sqrt(X.mean() / n_components)
    H = level * np.abs(rng.standard_normal((n_components, X.shape[1])))
    return level * np.abs(rng.standard_normal((X.shape[0], n_components))), H


def _nndsvd(
    X: np.ndarray | csr_matrix, n_components: int, init: str, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.utils.extmath import randomized_svd

    U, S, V = randomized_svd(X, n_components, random_state=rng)
    W, H = np.zeros_like(U), np.zeros_like(V)
    W[:, 0], H[0] = np.sqrt(S[0]) * np.abs(U[:, 0]), np.sqrt(S[0]) * np.abs(V[0])
    for k in range(1, n_components):
        pairs = [(np.maximum(s * U[:, k], 0), np.maximum(s * V[k], 0)) for s in (1, -1)]
        norms = [(np.linalg.norm(u), np.linalg.norm(v)) for u, v in pairs]
        (u, v), (a, b) = max(zip(pairs, norms, strict=True), key=lambda pair: pair[1][0] * pair[1][1])
        if a * b > 0:
            W[:, k], H[k] = np.sqrt(S[k] * b / a) * u, np.sqrt(S[k] * a / b) * v
    level = np.sqrt(X.mean() / n_components)  # so W and H keep theirs at any level of X
    for factor in (W, H):
        factor[factor < 1e-6 * factor.max()] = 0
        zeros = factor == 0
        if init == "nndsvda":
            factor[zeros] = level
        elif init == "nndsvdar":
            factor[zeros] = np.abs(level * rng.standard_normal(int(zeros.sum())) / 100)
    return W, H


def _kmeans(X: np.ndarray | csr_matrix, n_components: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # that there are fewer distinct samples
        clusters = KMeans(n_components, n_init=1, random_state=rng.randint(2**31 - 1)).fit(X)
    return np.eye(n_components)[clusters.labels_] + 0.2, clusters.cluster_centers_.clip(0)


def _from_samples(X: np.ndarray | csr_matrix, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples as H and their least-squares fit as W, both lifted a little: multiplicative updates cannot leave zero."""
    H = _rows(X, chosen)
    C = np.ascontiguousarray(X @ H.T)
    W = np.zeros_like(C)
    block_pivoting(H @ H.T, C, W)
    return W + 0.01 * W.mean(), H + 0.01 * H.mean()


def _rows(X: np.ndarray | csr_matrix, chosen: np.ndarray | list[int]) -> np.ndarray:
    """Some samples, dense and in double precision."""
    return np.asarray(X[chosen] if isinstance(X, np.ndarray) else X[chosen].toarray(), np.float64)
