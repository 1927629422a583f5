"""NMF whose components or activations have a given sparseness, by projected gradients."""

import numpy as np

from ..arguments import check_number, checked, shown
from ..errors import NmfaudioError
from ..nmf.beta_divergence import Divergence, dot
from ..nmf.start import Init
from ._base import Factorizer, Run
from .nmf import activations
from .solvers import coordinate_descent


@checked
def sparseness(X: np.ndarray, axis: int = -1) -> np.ndarray:
    """Hoyer's measure ``(sqrt(n) - L1 / L2) / (sqrt(n) - 1)``: 0 if all n entries are equal, 1 if all but one are zero.

    Parameters
    ----------
    X : ndarray
        At least two entries along `axis`.
    axis : int
        Axis of the vectors.

    Returns
    -------
    ndarray
        One number for each vector; NaN for a vector of zeros.

    References
    ----------
    P. Hoyer, "Non-negative matrix factorization with sparseness constraints", 2004, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import sparseness
    >>> sparseness(np.array([[1.0, 1, 1, 1], [0, 0, 3, 0]]))
    array([0., 1.])
    """
    if X.dtype.kind not in "biuf" or not -X.ndim <= axis < X.ndim:
        raise NmfaudioError(f"X must be numbers with an axis {shown(axis)}, not {X.dtype} of shape {X.shape}")
    root = np.sqrt(X.shape[axis])
    with np.errstate(invalid="ignore"):
        return (root - np.abs(X).sum(axis=axis) / np.linalg.norm(X, axis=axis)) / (root - 1)


def project(x: np.ndarray, level: float) -> np.ndarray:
    """The non-negative vector nearest to `x` that has its L2 norm and sparseness `level`.

    Hoyer 2004, section 3.4: on the plane of the L1 norm, from its centre through x to the sphere of the L2 norm;
    negative entries become zero and stay so, until there are none.

    Parameters
    ----------
    x : ndarray, shape (n,)
    level : float
        From 0 to 1.

    Returns
    -------
    ndarray, shape (n,)
    """
    n, l2 = len(x), float(np.linalg.norm(x))
    l1 = l2 * (np.sqrt(n) - level * (np.sqrt(n) - 1))
    free = np.ones(n, bool)
    s = x.astype(np.float64)
    while True:
        count = int(free.sum())
        s[free] += (l1 - s[free].sum()) / count
        centre = np.where(free, l1 / count, 0.0)
        way, radius = s - centre, np.sqrt(max(l2**2 - l1**2 / count, 0.0))
        if np.abs(way).max() <= 1e-12 * l1:  # all are equal, and every way is as good
            way = free * (np.arange(n) == np.argmax(free)) - free / count
        length = np.linalg.norm(way)
        s = centre + radius / length * way if length > 0 else centre
        if s.min() >= 0:
            return s.astype(x.dtype)
        free &= s > 0
        s[~free] = 0


class SparsenessNMF(Factorizer):
    """NMF whose components or activations have exactly the sparseness asked for.

    Minimises ``norm(X - W H)**2 / 2`` over non-negative W and H, where every row of H has the sparseness
    `sparseness_H`, every column of W the sparseness `sparseness_W` (see `sparseness`), or both.

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``.

    Parameters
    ----------
    n_components : int
    sparseness_H : float or None
        Sparseness of a component over the features, from 0 to 1; None leaves it free.
    sparseness_W : float or None
        Sparseness of a component's activations over the samples of the fit, from 0 to 1; None leaves it free.
        `transform` leaves it free too.
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`; None is "random" for several runs.
    n_init, max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`. Rows of `components_` have unit L2 norm if `sparseness_H` is given.

    Notes
    -----
    A factor with a constraint takes one projected gradient step an iteration, as long as the objective allows, a factor
    without one a sweep of HALS.

    References
    ----------
    P. Hoyer, "Non-negative matrix factorization with sparseness constraints", 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import SparsenessNMF, sparseness
    >>> X = np.random.default_rng(0).random((30, 16))
    >>> model = SparsenessNMF(3, sparseness_H=0.7, random_state=0).fit(X)
    >>> sparseness(model.components_).round(3)
    array([0.7, 0.7, 0.7])
    """

    _level_in = "W"

    def __init__(
        self,
        n_components: int = 10,
        *,
        sparseness_H: float | None = 0.5,
        sparseness_W: float | None = None,
        init: Init = None,
        n_init: int = 1,
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.sparseness_H = sparseness_H
        self.sparseness_W = sparseness_W
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("sparseness_H", "sparseness_W"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), 0, 1)

    def _run(self, X: np.ndarray, rng: np.random.RandomState) -> Run:
        levels = self.sparseness_W, self.sparseness_H
        for level, size, what, name in zip(levels, X.shape, ("sample", "feature"), "WH", strict=True):
            if level is not None and size == 1:
                raise NmfaudioError(f"1 {what}(s) in X: one number has no sparseness; leave sparseness_{name} None")
        W, H = self._initial(X, rng)
        factors, steps, data = [W, np.ascontiguousarray(H.T)], [1.0, 1.0], Divergence(X, 2)
        for i, level in enumerate(levels):
            if level is not None:
                factors[i] = _projected(factors[i], level, unit=i == 1)

        def step() -> None:
            for i in (1, 0):
                level, other = levels[i], factors[1 - i]
                G, C = other.T @ other, (X.T if i else X) @ other
                if level is None:
                    coordinate_descent(G, C, 0.0, factors[i])
                else:
                    factors[i], steps[i] = _gradient_step(factors[i], G, C, level, steps[i], unit=i == 1)

        trace = self._descend(step, lambda: data.value(*factors))
        return Run(factors[0], np.ascontiguousarray(factors[1].T), trace)

    def _activations(self, X: np.ndarray) -> np.ndarray:
        return activations(X, self.components_.astype(X.dtype), 2, 0, 0, self.max_iter, self.tol)


def _projected(X: np.ndarray, level: float, unit: bool) -> np.ndarray:
    """Columns of given sparseness, with their norms or with unit norm."""
    columns = [project(x, level) for x in X.T]
    if unit:
        columns = [x / max(np.linalg.norm(x), np.finfo(x.dtype).tiny) for x in columns]
    return np.ascontiguousarray(np.stack(columns, axis=1))


def _gradient_step(
    X: np.ndarray, G: np.ndarray, C: np.ndarray, level: float, step: float, unit: bool
) -> tuple[np.ndarray, float]:
    """The first of ever shorter projected gradient steps that does not raise the objective, and the next step to try.

    Steps are in units of the inverse of G's largest eigenvalue.
    """
    gradient = X @ G - C
    scale = np.linalg.norm(G, 2)
    value = 0.5 * dot(X @ G, X) - dot(C, X)
    while step > 1e-10 and scale > 0:
        new = _projected(X - X.dtype.type(step / scale) * gradient, level, unit)
        if 0.5 * dot(new @ G, new) - dot(C, new) <= value:
            return new, 1.2 * step
        step /= 2
    return X, step
