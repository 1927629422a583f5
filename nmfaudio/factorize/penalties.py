"""NMF with a penalty on the activations: sparse, sparse in groups, smooth over time."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix, issparse

from ..arguments import check_choice, check_number, shown
from ..errors import NmfaudioError
from ..kernels.nmf.multiplicative import update_atoms
from ..kernels.nmf.penalised import penalised_update
from ..nmf.beta_divergence import Divergence, dot
from ..nmf.sparse_nmf import sparse_nmf
from ..nmf.start import Init, initialise
from ._base import Factorizer, Run
from .nmf import activations


class SparseNMF(Factorizer):
    """Sparse NMF: an L1 penalty on the activations, with components of unit L2 norm.

    Minimises ``D_beta(X | W H) + alpha sum(W)`` with every row of H of unit norm, by `sparse_nmf`. For beta = 2 this is
    the problem of non-negative sparse coding (Hoyer 2002); the norm keeps the penalty from only scaling W down.

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``.

    Parameters
    ----------
    n_components : int
    alpha : float
        L1 penalty of the activations.
    beta_loss : float or str
        Divergence, as for `NMF`.
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`, of which H is used; None: samples at random on their mean.
    n_init, max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    References
    ----------
    P. Hoyer, "Non-negative sparse coding", 2002.
    J. Le Roux, F. Weninger, J. Hershey, "Sparse NMF - half-baked or well done?", MERL TR2015-023.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import SparseNMF
    >>> X = np.random.default_rng(0).random((30, 8))
    >>> few, many = (SparseNMF(6, alpha=alpha, random_state=0).fit_transform(X).sum() for alpha in (0.5, 0.05))
    >>> bool(few < many)
    True
    """

    _level_in = "W"

    def __init__(
        self,
        n_components: int = 10,
        *,
        alpha: float = 0.1,
        beta_loss: float | str = "kullback-leibler",
        init: Init = None,
        n_init: int = 1,
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.beta_loss = beta_loss
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0)

    def _run(self, X: np.ndarray, rng: np.random.RandomState) -> Run:
        atoms = None if self.init is None else initialise(X, self.n_components, self.init, rng)[1].T
        result = sparse_nmf(
            X.T,
            self.n_components,
            beta_loss=self._beta,
            alpha_H=self._weight(self.alpha, 1),
            W=atoms,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=rng.randint(2**31 - 1),
        )
        return Run(np.ascontiguousarray(result.H.T), np.ascontiguousarray(result.W.T), result.objective)

    def _activations(self, X: np.ndarray) -> np.ndarray:
        return activations(
            X, self.components_.astype(X.dtype), self._beta, self._weight(self.alpha, 1), 0, self.max_iter, self.tol
        )


class _PenalisedNMF(Factorizer):
    """``D_beta(X | W H) + alpha penalty(W)`` with rows of H of unit L2 norm, by multiplicative updates.

    The norm is inside the objective as in `nmfaudio.kernels.nmf.multiplicative`: with w the activations of an atom and
    s its norm, the penalty is that of s w. A subclass defines the penalty and a function that touches it at the present
    W and lies above it elsewhere, linear and quadratic in every entry.
    """

    _level_in = "W"
    _degree = 1  # of the penalty
    _rounds = 1  # majorisers of the penalty, each at the last one's minimum, for one of the divergence

    def __init__(
        self,
        n_components: int,
        alpha: float,
        beta_loss: float | str,
        init: Init,
        n_init: int,
        max_iter: int,
        tol: float,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.beta_loss = beta_loss
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @property
    def _accepts_sparse(self) -> bool:  # type: ignore[override]
        return self._beta in (1, 2)

    @abstractmethod
    def _penalty(self, W: np.ndarray) -> float:
        """Penalty of W, without alpha."""

    @abstractmethod
    def _majoriser(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients a and b of ``sum(a W + b W**2 / 2)``, which touches the penalty at W, shape of W or (1, 1)."""

    @abstractmethod
    def _slopes(self, W: np.ndarray) -> np.ndarray:
        """Derivative of the penalty when the activations of one component are scaled, shape (K,)."""

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0)

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        W, H = self._initial(X, rng)
        norms = np.linalg.norm(H, axis=1)
        norms[norms == 0] = 1
        W *= norms
        T = np.ascontiguousarray((H / norms[:, None]).T)
        data = Divergence(X, self._beta)
        scalar = X.dtype.type
        exponents = scalar(max(2 - self._beta, 1, self._beta - 1)), scalar(1 + max(2 - self._beta, 0))
        floor = scalar(np.finfo(X.dtype).tiny ** 0.5)

        alpha = self._weight(self.alpha, self._degree)

        def step() -> None:
            p, q = data.parts_T(W, T)
            slopes = (alpha * self._slopes(W)).astype(X.dtype)
            update_atoms(
                T, W.T, np.ascontiguousarray(p), np.array(np.broadcast_to(q, p.shape)), slopes, *exponents, floor
            )
            self._update(W, T, data)

        objective = self._descend(step, lambda: data.value(W, T) + alpha * self._penalty(W))
        return Run(W, np.ascontiguousarray(T.T), objective)

    def _update(self, W: np.ndarray, T: np.ndarray, data: Divergence) -> None:
        p, q = data.parts_W(W, T)
        start, alpha = W.copy(), self._weight(self.alpha, self._degree)
        for _ in range(self._rounds):
            linear, quadratic = (alpha * a for a in self._majoriser(W))
            W[:] = start
            penalised_update(W, p, q, linear.astype(W.dtype), quadratic.astype(W.dtype), self._beta)

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        T = np.ascontiguousarray(self.components_.T, X.dtype)
        W = activations(X, self.components_.astype(X.dtype), self._beta, 0, 0, self.max_iter, self.tol)
        W += X.dtype.type(0.01) * W.mean()
        data, alpha = Divergence(X, self._beta), self._weight(self.alpha, self._degree)
        self._descend(lambda: self._update(W, T, data), lambda: data.value(W, T) + alpha * self._penalty(W))
        return W


class GroupSparseNMF(_PenalisedNMF):
    """NMF in which components are used by groups: of every sample's groups few are active.

    Minimises ``D_beta(X | W H) + alpha sum_ig norm(W[i, g])`` over non-negative W and H, with every row of H of unit
    norm and W[i, g] the activations of group g in sample i (L2 norm). In audio a group may be all atoms of one speaker.

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``.

    Parameters
    ----------
    n_components : int
    groups : int or array_like of int, shape (n_components,)
        Number of groups (at most n_components), of about equal size and in order, or the group of every component.
    alpha : float
        Weight of the penalty.
    beta_loss : float or str
        Divergence, as for `NMF`.
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`; None is "random" for several runs.
    n_init, max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.
    groups_ : ndarray, shape (n_components,)
        Group of every component.

    Notes
    -----
    The norm is majorised by its tangent square, ``(norm(w)**2 / r + r) / 2`` with r the present norm, and H is updated
    as in `nmfaudio.kernels.nmf.multiplicative`. The objective never rises.

    References
    ----------
    J. Kim, R. Monteiro, H. Park, "Group sparsity in nonnegative matrix factorization", 2012 (the penalty).
    A. Lefèvre, F. Bach, C. Févotte, "Itakura-Saito nonnegative matrix factorization with group sparsity", 2011 (the
    use on sound, with a logarithm in the place of the norm).

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import GroupSparseNMF
    >>> X = np.kron(np.eye(2), np.random.default_rng(0).random((10, 6)))
    >>> W = GroupSparseNMF(4, groups=2, alpha=0.1, random_state=0).fit_transform(X)
    >>> W.shape
    (20, 4)
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        groups: int | ArrayLike = 2,
        alpha: float = 0.1,
        beta_loss: float | str = "kullback-leibler",
        init: Init = None,
        n_init: int = 1,
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_components, alpha, beta_loss, init, n_init, max_iter, tol, random_state)
        self.groups = groups

    def _check_parameters(self) -> None:
        super()._check_parameters()
        try:
            groups = np.asarray(self.groups)
        except ValueError:  # lists of different lengths
            groups = np.array("")
        if groups.ndim == 0 and groups.dtype.kind in "iu" and groups > 0:
            groups = np.arange(self.n_components) * np.minimum(groups, self.n_components) // self.n_components
        if groups.shape != (self.n_components,) or groups.dtype.kind not in "iu":
            raise NmfaudioError(
                f"groups must be a number or {self.n_components} group numbers, not {shown(self.groups)}"
            )
        self.groups_ = groups

    def _norms(self, W: np.ndarray) -> np.ndarray:
        """Norm of every entry's group, shape of W."""
        _, group = np.unique(self.groups_, return_inverse=True)
        member = np.eye(group.max() + 1, dtype=W.dtype)[group]
        return np.sqrt(W**2 @ member)[:, group]

    def _penalty(self, W: np.ndarray) -> float:
        _, group = np.unique(self.groups_, return_index=True)
        return float(self._norms(W)[:, group].sum(dtype=np.float64))

    def _majoriser(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((1, 1)), 1 / np.maximum(self._norms(W), np.finfo(W.dtype).tiny ** 0.5)

    def _slopes(self, W: np.ndarray) -> np.ndarray:
        return (W**2 * self._majoriser(W)[1]).sum(axis=0)


class SmoothNMF(_PenalisedNMF):
    """NMF of a sequence of samples, such as the frames of a spectrogram, with activations that change slowly.

    Minimises over non-negative W and H, with every row of H of unit norm,

        D_beta(X | W H) + alpha sum_ik d_ik ** 2 / 2            smoothness "squares", or
        D_beta(X | W H) + alpha sum_ik sqrt(d_ik ** 2 + e ** 2)   smoothness "variation",   d_ik = W[i, k] - W[i - 1, k]

    The first makes activations smooth, the second constant but for steps: it is total variation, rounded off for
    changes below e, which is a hundredth of the root mean square of the samples' norms.

    X has samples in rows, in their order: for a spectrogram V (F, N) fit ``V.T``.

    Parameters
    ----------
    n_components : int
    smoothness : str
        "squares" or "variation".
    alpha : float
        Weight of the penalty.
    beta_loss : float or str
        Divergence, as for `NMF`.
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`; None is "random" for several runs.
    n_init, max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    Notes
    -----
    A change is majorised by its tangent square (for "variation") and ``(u - v)**2 <= 2 (u - m)**2 + 2 (v - m)**2``, m
    the present mean of both, which leaves one equation for each entry. "variation" takes ten such steps for one look at
    X. The objective never rises.

    References
    ----------
    S. Essid, C. Févotte, "Smooth nonnegative matrix factorization for unsupervised audiovisual document structuring",
    2013 (squares, for beta = 1).
    T. Virtanen, "Monaural sound source separation by nonnegative matrix factorization with temporal continuity and
    sparseness criteria", 2007 (squares and other criteria, on sound).

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import SmoothNMF
    >>> X = np.random.default_rng(0).random((40, 6))
    >>> rough, smooth = (SmoothNMF(3, alpha=alpha, random_state=0).fit_transform(X) for alpha in (0, 10))
    >>> bool(np.abs(np.diff(smooth, axis=0)).sum() < np.abs(np.diff(rough, axis=0)).sum() / 2)
    True
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        smoothness: str = "squares",
        alpha: float = 0.1,
        beta_loss: float | str = "kullback-leibler",
        init: Init = None,
        n_init: int = 1,
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_components, alpha, beta_loss, init, n_init, max_iter, tol, random_state)
        self.smoothness = smoothness

    @property
    def _degree(self) -> int:  # type: ignore[override]
        return 2 if self.smoothness == "squares" else 1

    @property
    def _rounds(self) -> int:  # type: ignore[override]
        return 1 if self.smoothness == "squares" else 10  # it binds neighbours so tightly that one moves them little

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("smoothness", self.smoothness, ("squares", "variation"))

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        values: Any = X.data if issparse(X) else X
        self._rounding = 1e-2 * float(np.sqrt(dot(values, values) / X.shape[0]))
        run = super()._run(X, rng)
        run.extra["_rounding"] = self._rounding * 2.0 ** self._levels[0]
        return run

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        self._rounding *= 2.0 ** -self._levels[0]
        return super()._activations(X)

    def _penalty(self, W: np.ndarray) -> float:
        D = np.diff(W, axis=0)
        if self.smoothness == "squares":
            return 0.5 * dot(D, D)
        return float(np.sqrt(D**2 + self._rounding**2).sum(dtype=np.float64))

    def _weights(self, D: np.ndarray) -> np.ndarray:
        """Weight of every squared change in the tangent square of the penalty."""
        if self.smoothness == "squares":
            return np.ones_like(D)
        return 1 / np.sqrt(D**2 + max(self._rounding, np.finfo(D.dtype).tiny ** 0.5) ** 2)

    def _majoriser(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = 2 * self._weights(np.diff(W, axis=0))
        pulls = weights * (W[1:] + W[:-1]) / 2
        linear, quadratic = np.zeros_like(W), np.zeros_like(W)
        for part in (slice(1, None), slice(None, -1)):  # changes from before, and to what follows
            linear[part] -= pulls
            quadratic[part] += weights
        return linear, quadratic

    def _slopes(self, W: np.ndarray) -> np.ndarray:
        D = np.diff(W, axis=0)
        return (self._weights(D) * D**2).sum(axis=0)
