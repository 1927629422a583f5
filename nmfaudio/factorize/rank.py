"""Number of components in data, by hiding entries and predicting them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from ..arguments import check_count, checked
from ..errors import NmfaudioError
from ._base import generator
from .weighted import WeightedNMF


@dataclass(frozen=True, eq=False)
class HeldOutErrors:
    """Result of `cross_validated_rank`.

    Parameters
    ----------
    ranks : ndarray of int, shape (n_ranks,)
        Numbers of components tried.
    errors : ndarray, shape (n_ranks, n_folds)
        Relative error on the hidden entries, see `WeightedNMF.hidden_error`.
    """

    ranks: np.ndarray
    errors: np.ndarray

    @property
    def best(self) -> int:
        """The number of components that predicts best, in the mean over the folds."""
        return int(self.ranks[np.argmin(self.errors.mean(axis=1))])


@checked
def cross_validated_rank(
    X: ArrayLike,
    ranks: Sequence[int],
    *,
    model: WeightedNMF | None = None,
    n_folds: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> HeldOutErrors:
    """Choose the number of components by cross-validation over entries.

    The entries of X are dealt out at random into folds; each fold is hidden in turn, a `WeightedNMF` is fitted to the
    others, and its error on what was hidden counts. The error falls while components find structure, and rises again
    when they fit noise.

    Parameters
    ----------
    X : array_like, shape (n_samples, n_features)
        Non-negative; NaN where an entry is missing.
    ranks : sequence of int
        Numbers of components to try.
    model : WeightedNMF, optional
        Settings of the fits, but for `n_components`.
    n_folds : int
        At least 2.
    random_state : int, RandomState or None
        Seed of the folds.

    Returns
    -------
    HeldOutErrors

    Raises
    ------
    NmfaudioError
        If `ranks` is empty or holds other than positive integers, or if there are fewer folds than 2.

    References
    ----------
    S. Wold, "Cross-validatory estimation of the number of components in factor and principal components models", 1978.
    A. Owen, P. Perry, "Bi-cross-validation of the SVD and the nonnegative matrix factorization", 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import cross_validated_rank
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((40, 3)) @ rng.random((3, 20)) + 0.05 * rng.random((40, 20))
    >>> cross_validated_rank(X, [1, 2, 3, 4], random_state=0).best
    3
    """
    if not len(ranks):
        raise NmfaudioError("ranks is empty; give the numbers of components to try")
    for rank in ranks:
        check_count("a rank", rank)
    check_count("n_folds", n_folds)
    if n_folds < 2:
        raise NmfaudioError("n_folds must be at least 2: one part is hidden while the others are seen")
    template = WeightedNMF(random_state=0) if model is None else model
    data = np.asarray(X)
    folds = generator(random_state).permutation(data.size).reshape(data.shape) % n_folds
    errors = np.empty((len(ranks), n_folds))
    for i, rank in enumerate(ranks):
        for fold in range(n_folds):
            fitted = clone(template).set_params(n_components=rank).fit(data, weights=folds != fold)
            errors[i, fold] = fitted.hidden_error(data, folds == fold)
    return HeldOutErrors(np.array(ranks), errors)
