"""NMF with elastic-net penalties, by any of the solvers."""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from ..arguments import check_choice, check_number
from ..errors import NmfaudioError
from ..kernels.nmf.penalised import penalised_update
from ..nmf.acceleration import RELAXATION, Accelerated, Extrapolated, Guarded
from ..nmf.beta_divergence import Divergence, dot
from ..nmf.descent import descend
from ..nmf.start import Init
from ._base import Factorizer, Run
from .solvers import SOLVERS, block_pivoting, coordinate_descent


class NMF(Factorizer):
    """Non-negative matrix factorisation: ``X`` is about ``W @ H``, all three non-negative.

    Minimises, as scikit-learn's NMF does,

        D_beta(X | W H) + n_features alpha_W (l1_ratio sum(W) + (1 - l1_ratio) / 2 sum(W ** 2))
                        + n_samples alpha_H (l1_ratio sum(H) + (1 - l1_ratio) / 2 sum(H ** 2))

    X has samples in rows. For a spectrogram V (F, N) samples are frames: fit ``V.T``; the rows of `components_` are
    atoms and W holds the activations.

    Parameters
    ----------
    n_components : int
        Number of components K.
    solver : str or None
        For beta = 2: "hals" (Cichocki and Phan 2009), "ahals" (the same, accelerated, Ang and Gillis 2019), "bpp"
        (block principal pivoting, Kim and Park 2011), "anls-as" (active sets, Kim and Park 2008), "nenmf" (Nesterov's
        gradient, Guan et al. 2012) or "pg" (projected gradient, Lin 2007). For beta = 1: "cd" (coordinate descent,
        Hsieh and Dhillon 2011). For all: "mu" (multiplicative, Lee and Seung 2001, Févotte and Idier 2011) and "amu"
        (the same, accelerated: a third of the iterations). None: "ahals" for beta = 2, else "amu".
    beta_loss : float or str
        Divergence: "frobenius" or 2 (halved), "kullback-leibler" or 1, "itakura-saito" or 0, or another number from -2
        to 5.
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`; None is "random" for several runs.
    n_init : int
        Number of runs from different starts; the best is kept.
    alpha_W, alpha_H : float, float or "same"
        Weights of the penalties; "same" is `alpha_W`.
    l1_ratio : float
        Share of L1 in the penalties.
    max_iter : int
        Largest number of iterations, in a run and in `transform`.
    tol : float
        A run ends when ten iterations lower the root of the objective by no more than `tol` times its first value, as
        in scikit-learn; 0 runs all.
    random_state : int, RandomState or None
        Seed of the starts.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    Notes
    -----
    X may be a scipy sparse matrix for beta = 2 and 1; it is never made dense. For beta below 1 zeros of X are lifted by
    the rounding unit times its largest value. `transform` is exact for beta = 2, whatever the solver. "ahals" and "amu"
    end with W at its minimum for the final H, where `transform` finds it too, unless `tol` is 0. For beta = 0 "mu"
    computes each factor's denominator in one iteration of three and carries it over to the next two, and does an
    iteration that led uphill again with all of them computed; see `nmfaudio.nmf.carried`.

    References
    ----------
    D. Lee, H. S. Seung, "Algorithms for non-negative matrix factorization", 2001.
    C.-J. Hsieh, I. Dhillon, "Fast coordinate descent methods with variable selection for non-negative matrix
    factorization", 2011.
    C.-J. Lin, "Projected gradient methods for nonnegative matrix factorization", 2007.
    H. Kim, H. Park, "Nonnegative matrix factorization based on alternating nonnegativity constrained least squares and
    active set method", 2008.
    A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale nonnegative matrix and tensor factorizations", 2009.
    J. Kim, H. Park, "Fast nonnegative matrix factorization: an active-set-like method and comparisons", 2011.
    C. Févotte, J. Idier, "Algorithms for nonnegative matrix factorization with the beta-divergence", 2011.
    A. Ang, N. Gillis, "Accelerating nonnegative matrix factorization algorithms using extrapolation", 2019.
    N. Guan, D. Tao, Z. Luo, B. Yuan, "NeNMF: an optimal gradient method for nonnegative matrix factorization", 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import NMF
    >>> X = np.array([[1, 0, 1], [0, 2, 0], [2, 2, 2], [3, 0, 3.0]])
    >>> model = NMF(2, random_state=0)
    >>> W = model.fit_transform(X)
    >>> bool(np.abs(model.inverse_transform(W) - X).max() < 1e-3)
    True
    """

    @property
    def _accepts_sparse(self) -> bool:  # type: ignore[override]
        return self._beta in (1, 2)  # the others need the model where X has no entries

    def __init__(
        self,
        n_components: int = 10,
        *,
        solver: str | None = None,
        beta_loss: float | str = "frobenius",
        init: Init = None,
        n_init: int = 1,
        alpha_W: float = 0.0,
        alpha_H: float | str = "same",
        l1_ratio: float = 0.0,
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.solver = solver
        self.beta_loss = beta_loss
        self.init = init
        self.n_init = n_init
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.solver is not None:
            check_choice("solver", self.solver, (*SOLVERS, "ahals", "cd", "mu", "amu"))
        check_penalties(self)
        needed = {"mu": self._beta, "amu": self._beta, "cd": 1}.get(self.solver or "mu", 2)
        if self._beta != needed:
            hint = "'hals', coordinate descent for 2," if (self.solver, self._beta) == ("cd", 2) else "'mu', 'amu'"
            raise NmfaudioError(
                f"solver {self.solver!r} needs beta_loss {needed:g}, not {self.beta_loss!r}; choose {hint} or None"
            )

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        W, H = self._initial(X, rng)
        T = np.ascontiguousarray(H.T)
        solver = self.solver or ("ahals" if self._beta == 2 else "amu")
        methods = {"ahals": self._accelerated, "cd": self._sweeps} | dict.fromkeys(SOLVERS, self._least_squares)
        trace = methods.get(solver, self._multiplicative)(
            solver, Divergence(X, self._beta), W, T, *penalties(self, X.shape)
        )
        return Run(W, np.ascontiguousarray(T.T), trace)

    def _least_squares(
        self, solver: str, data: Divergence, W: np.ndarray, T: np.ndarray, of_W: "Penalty", of_T: "Penalty"
    ) -> np.ndarray:
        """Solve for T and W in turn; the objectives."""
        solve, X = SOLVERS[solver], data.X
        C, G, S = X @ T, T.T @ T, W.T @ W

        def step() -> None:
            nonlocal C, G, S
            solve(of_T.ridge(S), X.T @ W, of_T.l1, T)
            C, G = X @ T, T.T @ T
            solve(of_W.ridge(G), C, of_W.l1, W)
            S = W.T @ W

        return self._descend(step, lambda: data.quadratic(W, T, C, G, S) + of_W.value(W) + of_T.value(T))

    def _accelerated(
        self, solver: str, data: Divergence, W: np.ndarray, T: np.ndarray, of_W: "Penalty", of_T: "Penalty"
    ) -> np.ndarray:
        """Accelerated sweeps of HALS through W and T; the objectives."""
        X = data.X

        def iterate(bold: bool) -> float:
            C, G = X @ T, T.T @ T
            before = data.quadratic(W, T, C, G) + of_W.value(W) + of_T.value(T)
            coordinate_descent(of_W.ridge(G), C, of_W.l1, W)
            coordinate_descent(of_T.ridge(W.T @ W), X.T @ W, of_T.l1, T)
            return before

        guarded = Extrapolated((W, T), iterate, lambda: data.value(W, T) + of_W.value(W) + of_T.value(T))
        trace = descend(guarded.step, guarded.objective, self.max_iter, self.tol)
        if self.tol > 0:
            block_pivoting(of_W.ridge(T.T @ T), X @ T, of_W.l1, W)
            trace[-1] = min(trace[-1], guarded.objective())
        return trace

    def _sweeps(
        self, solver: str, data: Divergence, W: np.ndarray, T: np.ndarray, of_W: "Penalty", of_T: "Penalty"
    ) -> np.ndarray:
        """Coordinate descent in T and W in turn; the objectives."""
        flipped = data.transposed()

        def step() -> None:
            flipped.descend_W(T, W, *of_T)
            data.descend_W(W, T, *of_W)

        return self._descend(step, lambda: data.value(W, T) + of_W.value(W) + of_T.value(T))

    def _multiplicative(
        self, solver: str, data: Divergence, W: np.ndarray, T: np.ndarray, of_W: "Penalty", of_T: "Penalty"
    ) -> np.ndarray:
        """Multiplicative updates of W and T, accelerated for "amu"; the objectives."""
        accelerates = solver == "amu"

        def iterate(bold: bool) -> float:
            before = of_W.value(W) + of_T.value(T)
            relaxation = RELAXATION if bold and accelerates else 0.0

            def update(rows: slice, w: np.ndarray, p: np.ndarray, q: np.ndarray) -> None:
                _update(w, p, q, of_W, data.beta, relaxation)

            value, p, q = data.alternate(W, T, update, carry=bold and not accelerates)
            _update(T, p, q, of_T, data.beta, relaxation)
            return value + before

        def objective() -> float:
            return data.value(W, T) + of_W.value(W) + of_T.value(T)

        if not accelerates and data.beta != 0:
            return descend(partial(iterate, False), objective, self.max_iter, self.tol)
        guarded = (Accelerated if accelerates else Guarded)((W, T), iterate, objective)
        trace = descend(guarded.step, guarded.objective, self.max_iter, self.tol)
        if accelerates and self.tol > 0:
            settle(data.X, W, T, data.beta, of_W, self.max_iter, self.tol)
            trace[-1] = min(trace[-1], objective())
        return trace

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        H = self.components_.astype(X.dtype)
        return activations(X, H, self._beta, *penalties(self, X.shape)[0], self.max_iter, self.tol)


class Penalty(NamedTuple):
    """``l1 sum(X) + l2 sum(X ** 2) / 2``."""

    l1: float
    l2: float

    def value(self, X: np.ndarray) -> float:
        """The penalty of X."""
        linear = self.l1 * float(X.sum(dtype=np.float64)) if self.l1 else 0.0
        return linear + 0.5 * self.l2 * dot(X, X) if self.l2 else linear

    def ridge(self, G: np.ndarray) -> np.ndarray:
        """Inner products G, with the quadratic part in the diagonal."""
        return G + G.dtype.type(self.l2) * np.eye(len(G), dtype=G.dtype)


def check_penalties(model: Factorizer) -> None:
    """Check `alpha_W`, `alpha_H` and `l1_ratio` of an estimator."""
    check_number("alpha_W", model.alpha_W, 0)
    if not (isinstance(model.alpha_H, str) and model.alpha_H == "same"):
        check_number("alpha_H", model.alpha_H, 0)
    check_number("l1_ratio", model.l1_ratio, 0, 1)


def penalties(model: Factorizer, shape: tuple[int, ...]) -> tuple[Penalty, Penalty]:
    """Penalties of W and H, for X of a shape, that `alpha_W`, `alpha_H` and `l1_ratio` of an estimator stand for."""
    alpha_H = model.alpha_W if model.alpha_H == "same" else model.alpha_H
    of_W, of_H = shape[1] * model.alpha_W, shape[0] * alpha_H
    l1, l2 = model.l1_ratio, 1 - model.l1_ratio
    return (
        Penalty(model._weight(of_W * l1, 1), model._weight(of_W * l2, 2)),
        Penalty(model._weight(of_H * l1, 0, 1), model._weight(of_H * l2, 0, 2)),
    )


def activations(
    X: np.ndarray | csr_matrix, H: np.ndarray, beta: float, l1: float, l2: float, max_iter: int, tol: float
) -> np.ndarray:
    """W that minimises ``D_beta(X | W H) + l1 sum(W) + l2 sum(W ** 2) / 2``, every row for itself.

    Exact for beta = 2, else by `settle` from rows of equal entries.

    Parameters
    ----------
    X : ndarray or csr_matrix, shape (n_samples, n_features)
    H : ndarray, shape (n_components, n_features)
    beta, l1, l2 : float
    max_iter : int
    tol : float

    Returns
    -------
    W : ndarray, shape (n_samples, n_components)
    """
    T, penalty = np.ascontiguousarray(H.T), Penalty(l1, l2)
    if beta == 2:
        W = np.zeros((X.shape[0], len(H)), X.dtype)
        block_pivoting(penalty.ridge(T.T @ T), X @ T, l1, W)
        return W
    total = float(T.sum())
    start = np.asarray(X.sum(axis=1)).reshape(-1, 1) / (total or np.inf)  # silent atoms explain nothing
    W = np.repeat(start.astype(X.dtype), len(H), axis=1)
    settle(X, W, T, beta, penalty, max_iter, tol)
    return W


def settle(
    X: np.ndarray | csr_matrix, W: np.ndarray, T: np.ndarray, beta: float, penalty: Penalty, max_iter: int, tol: float
) -> None:
    """Bring W, in place, close to the minimum for fixed components T, every row for itself.

    By rounds of one sweep of coordinate descent (beta = 1) or ten multiplicative updates, in which a row takes part
    until one of them moves none of its entries by more than `tol` times the largest.
    """
    rows = np.arange(len(W))
    updates = 1 if beta == 1 else 10
    for _ in range(0, max_iter, updates):
        data, part = Divergence(X[rows], beta), W[rows]
        if beta == 1:
            data.descend_W(part, T, *penalty)
        else:
            for _ in range(updates):
                _update(part, *data.parts_W(part, T), penalty, beta)
        moving = np.abs(part - W[rows]).max(axis=1) > tol * part.max(axis=1)
        W[rows] = part
        rows = rows[moving]
        if not len(rows):
            break


def _update(
    X: np.ndarray, p: np.ndarray, q: np.ndarray, penalty: Penalty, beta: float, relaxation: float = 0.0
) -> None:
    """A multiplicative update in place, see `penalised_update`."""
    l1, l2 = (np.full((1, 1), weight, X.dtype) for weight in penalty)
    penalised_update(X, p, q, l1, l2, beta, relaxation)
