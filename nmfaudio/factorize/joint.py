"""Joint factorisation of several matrices that share components."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..arguments import shown
from ..errors import NmfaudioError
from ..nmf.beta_divergence import Divergence
from ..nmf.start import Init, initialise
from ._base import Factorizer, Run
from ._sweep import sweep
from .nmf import activations


class JointNMF(Factorizer):
    """Several matrices of the same features, factorised with components that all share and components of their own.

    Minimises ``sum_g D_beta(X_g | W_g [H; H_g])`` over non-negative factors: H is shared, H_g belongs to group g alone.
    The matrices are stacked to one X, and `groups` tells for every sample which it is from. In audio, a recording and a
    recording of its noise alone share the noise, and what the first has of its own is the voice.

    X has samples in rows: for spectrograms V_1, V_2 (F, N_g) fit ``np.hstack([V_1, V_2]).T``. For matrices of the same
    samples but other features, whose activations are shared, fit the transposes; the rows of `components_` are then
    activations.

    Parameters
    ----------
    n_components : int
        Number of shared components.
    n_own : int or dict
        Number of components that each group has beside them, if there is more than one group; or a number by the name
        of the group, where the others have none.
    beta_loss : float or str
        Divergence, as for `NMF`.
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`, with all components, in the order of `components_`; None is
        "random". Of W only what a group may use counts.
    n_init, max_iter, tol, random_state
        As for `NMF`.

    Attributes
    ----------
    groups_ : ndarray
        The groups in order.
    component_groups_ : ndarray of int, shape (`n_components_`,)
        Place in `groups_` of the group that a component belongs to; -1 for a shared one.
    components_ : ndarray, shape (`n_components_`, n_features)
        Shared components, then those of every group.
    n_components_, n_features_in_, n_iter_, objective_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.

    Notes
    -----
    Groups count by their level and their number of samples; multiply one by a number to make it count more or less. An
    iteration is that of `NMF`, in which activations of other groups' components stay at zero.

    References
    ----------
    H. Lee, S. Choi, "Group nonnegative matrix factorization for EEG classification", 2009.
    J. Yoo, M. Kim, K. Kang, S. Choi, "Nonnegative matrix partial co-factorization for drum source separation", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import JointNMF
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((40, 6))
    >>> model = JointNMF(1, n_own={"voice": 2}, random_state=0)
    >>> W = model.fit_transform(X, groups=["voice"] * 25 + ["noise"] * 15)
    >>> model.groups_, model.component_groups_, W[-1, 1:]
    (array(['noise', 'voice'], dtype='<U5'), array([-1,  1,  1]), array([0., 0.]))
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        n_own: int | dict[Any, int] = 2,
        beta_loss: float | str = "frobenius",
        init: Init = None,
        n_init: int = 1,
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_own = n_own
        self.beta_loss = beta_loss
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @property
    def _accepts_sparse(self) -> bool:  # type: ignore[override]
        return self._beta in (1, 2)

    def fit(self, X: ArrayLike, y: None = None, groups: ArrayLike | None = None) -> "JointNMF":
        """Factorise X; parameters as `fit_transform`.

        Returns
        -------
        self
        """
        self.fit_transform(X, y, groups)
        return self

    def fit_transform(self, X: ArrayLike, y: None = None, groups: ArrayLike | None = None) -> np.ndarray:
        """Factorise X and return its activations.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_features)
            The matrices, one under the other.
        y : None
            Ignored.
        groups : array_like, shape (n_samples,), optional
            Which matrix a sample is from, a number or a name; all are from one unless given.

        Returns
        -------
        W : ndarray, shape (n_samples, `n_components_`)
        """
        return self._fit(X, groups=groups)

    def transform(self, X: ArrayLike, groups: ArrayLike | None = None) -> np.ndarray:
        """Activations of X for the fitted components.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_features)
        groups : array_like, shape (n_samples,), optional
            Groups of the fit that the samples are from; without, every sample may use all components.

        Returns
        -------
        W : ndarray, shape (n_samples, `n_components_`)
        """
        check_is_fitted(self)
        data = self._checked(X, reset=False)
        if groups is None:
            return self._transformed(data)
        W = np.zeros((data.shape[0], self.n_components_), data.dtype)
        known = {name: i for i, name in enumerate(self.groups_.tolist())}
        labels, member = _members(groups, data.shape[0])
        for i, name in enumerate(labels.tolist()):
            if name not in known:
                raise NmfaudioError(f"group {name!r} was not in fit; it had {', '.join(map(repr, known))}")
            rows, own = np.flatnonzero(member == i), np.isin(self.component_groups_, (-1, known[name]))
            W[np.ix_(rows, own)] = self._transformed(data[rows], own=own)
        return W

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for number in self.n_own.values() if isinstance(self.n_own, dict) else [self.n_own]:
            if not isinstance(number, Integral) or number < 0:
                raise NmfaudioError(f"n_own must be an integer of at least 0, or a dict of them, not {shown(number)}")

    def _run(self, X: np.ndarray, rng: np.random.RandomState, groups: ArrayLike | None = None) -> Run:
        labels, member = _members(np.zeros(X.shape[0], int) if groups is None else groups, X.shape[0])
        n_groups = len(labels)
        owners = np.repeat(np.arange(-1, n_groups), [self.n_components, *self._own(labels.tolist())])
        init = "random" if self.init is None else self.init  # an order of importance is not one of groups
        W, H = initialise(X, len(owners), init, rng)
        T = np.ascontiguousarray(H.T)
        W[(owners != member[:, None]) & (owners >= 0)] = 0
        data = Divergence(X, self._beta)
        flipped = data.transposed()
        parts = []
        for i in range(n_groups):
            rows, own = np.flatnonzero(member == i), np.flatnonzero(np.isin(owners, (-1, i)))
            parts.append((Divergence(X[rows], self._beta), np.ix_(rows, own), own))

        def step() -> None:
            sweep(flipped, T, W)
            for part, block, own in parts:
                W_part = W[block]
                sweep(part, W_part, np.ascontiguousarray(T[:, own]))
                W[block] = W_part

        trace = self._descend(step, lambda: data.value(W, T))
        return Run(W, np.ascontiguousarray(T.T), trace, {"groups_": labels, "component_groups_": owners})

    def _own(self, names: list) -> list[int]:
        """Number of each group's own components."""
        if not isinstance(self.n_own, dict):
            return [self.n_own if len(names) > 1 else 0] * len(names)
        for name in self.n_own:
            if name not in names:
                raise NmfaudioError(f"n_own names group {name!r}; there are {', '.join(map(repr, names))}")
        return [self.n_own.get(name, 0) for name in names]

    def _activations(self, X: np.ndarray, own: np.ndarray | slice = slice(None)) -> np.ndarray:
        H = self.components_[own].astype(X.dtype)
        return activations(X, H, self._beta, 0, 0, self.max_iter, self.tol)


def _members(groups: ArrayLike, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Names of the groups, and the place among them of every sample's."""
    given = np.asarray(groups)
    if given.shape != (n_samples,):
        raise NmfaudioError(f"groups must name one group for each of {n_samples} samples, not have shape {given.shape}")
    return np.unique(given, return_inverse=True)
