"""NMF that adds one component at a time, until one more would explain no more than it would of noise."""

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.utils.extmath import row_norms

from ..arguments import check_number
from ..nmf.beta_divergence import Divergence, dot
from ._base import Factorizer, Run
from .nmf import activations
from .separable import dense_rows
from .solvers import coordinate_descent


class SequentialNMF(Factorizer):
    """NMF built one component at a time, which shows what each is worth and where to stop.

    Minimises ``norm(X - W H)**2 / 2`` for 1, 2, ... components; each fit starts from the one before and a new component
    for the sample that is described worst. The fractional residual variance ``norm(X - W H)**2 / norm(X)**2``, as it
    falls with every component, is kept in `residual_variance_`.

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``.

    Parameters
    ----------
    n_components : int
        Largest number of components.
    min_gain : float or None
        The last component must take away at least this share of the residual variance without it; the first that does
        not ends the fit, and is left out. 0 keeps all. None: the share of white noise that the best component would
        explain, ``(sqrt(a) + sqrt(b))**2 / (a b)`` with a and b what the components leave of n_samples and n_features
        (the largest singular value of a random matrix, Marchenko and Pastur 1967).
    max_iter : int
        Largest number of iterations for each number of components.
    tol : float
        Iterations end when ten of them lower the root of the objective by no more than `tol` times its value without
        the newest component; 0 runs all.

    Attributes
    ----------
    components_, n_components_, n_features_in_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`; `n_components_` is the number chosen.
    n_iter_ : int
        Largest number of iterations that any number of components took.
    residual_variance_ : ndarray, shape (`n_components_` + 1,) or (`n_components_` + 2,)
        For 0, 1, 2, ... components, and for the one that was left out, if any.

    Notes
    -----
    There is no chance in it: the start is the residual's. X may be a scipy sparse matrix; it is never made dense.

    References
    ----------
    B. Ren, L. Pueyo, G. Zhu, J. Debes, G. Duchêne, "Non-negative matrix factorization: robust extraction of extended
    structures", 2018, arXiv:1712.10317 (the sequential construction and the curve; the rule that ends it is ours).

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import SequentialNMF
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((60, 3)) @ rng.random((3, 40)) + 0.05 * rng.random((60, 40))
    >>> SequentialNMF(10, tol=1e-6, max_iter=2000).fit(X).n_components_
    3
    """

    _accepts_sparse = True
    _level_in = "H"
    random_state = None

    def __init__(
        self, n_components: int = 30, *, min_gain: float | None = None, max_iter: int = 200, tol: float = 1e-4
    ) -> None:
        self.n_components = n_components
        self.min_gain = min_gain
        self.max_iter = max_iter
        self.tol = tol

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.min_gain is not None:
            check_number("min_gain", self.min_gain, 0, 1)

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        data, (n_samples, n_features) = Divergence(X, 2), X.shape
        W, T = np.zeros((n_samples, 0), X.dtype), np.zeros((n_features, 0), X.dtype)
        square = 2 * data.value(W, T)
        variances, traces, kept = [1.0], [np.array([square / 2])], (W, T)
        for k in range(self.n_components):
            W, T = (np.pad(factor, ((0, 0), (0, 1))) for factor in kept)
            trace = self._improve(data, W, T)
            variances.append(2 * max(trace[-1], 0.0) / square if square > 0 else 0.0)
            if k and variances[-2] - variances[-1] < self._gain_needed(n_samples - k, n_features - k) * variances[-2]:
                break
            kept = W, T
            traces.append(trace[1:])
            if variances[-1] < 100 * np.finfo(X.dtype).eps:  # nothing is left but rounding
                break
        W, T = kept
        extra = {"residual_variance_": np.array(variances), "n_iter_": max(map(len, traces))}
        return Run(W, np.ascontiguousarray(T.T), np.concatenate(traces), extra)

    def _improve(self, data: Divergence, W: np.ndarray, T: np.ndarray) -> np.ndarray:
        """Descend from W and T, in place, whose last component is still to be found; the objectives."""
        C, G = data.X @ T, T.T @ T

        def step() -> None:
            nonlocal C, G
            if not T[:, -1].any():
                W[:, -1], T[:, -1] = _newcomer(data.X, W[:, :-1], T[:, :-1])
            coordinate_descent(W.T @ W, data.X.T @ W, 0.0, T)
            C, G = data.X @ T, T.T @ T
            coordinate_descent(G, C, 0.0, W)

        return self._descend(step, lambda: data.quadratic(W, T, C, G))

    def _gain_needed(self, n_samples: int, n_features: int) -> float:
        if self.min_gain is not None:
            return self.min_gain
        if min(n_samples, n_features) < 1:
            return 1.0
        return (np.sqrt(n_samples) + np.sqrt(n_features)) ** 2 / (n_samples * n_features)

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        return activations(X, self.components_.astype(X.dtype), 2, 0, 0, self.max_iter, self.tol)


def _newcomer(X: np.ndarray | csr_matrix, W: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Activations and component for the sample with the largest residual; they lower the objective."""
    residuals = row_norms(X, squared=True) + np.einsum("ik,ik->i", W, W @ (T.T @ T) - 2 * (X @ T))
    worst = np.argmax(residuals, keepdims=True)
    h = np.maximum(dense_rows(X, worst) - W[worst] @ T.T, 0)[0]
    return np.maximum(X @ h - W @ (T.T @ h), 0) / max(dot(h, h), np.finfo(X.dtype).tiny), h
