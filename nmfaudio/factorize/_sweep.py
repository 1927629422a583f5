"""One step down for one factor, by the method that suits the divergence."""

import numpy as np

from ..kernels.nmf.penalised import penalised_update
from ..kernels.nmf.weighted import weighted_sweep
from ..nmf.beta_divergence import Divergence
from .solvers import coordinate_descent


def sweep(data: Divergence, W: np.ndarray, T: np.ndarray, l2: float = 0.0) -> None:
    """Improve W in place for ``D_beta(X | W T') + l2 sum(W ** 2) / 2``.

    HALS for beta = 2, coordinate descent for 1 without weights, else a multiplicative update.

    Parameters
    ----------
    data : Divergence
        Of X, shape (n, m).
    W, T : ndarray, shape (n, K), (m, K)
    l2 : float
    """
    if data.exact:
        coordinate_descent(T.T @ T + W.dtype.type(l2) * np.eye(T.shape[1], dtype=T.dtype), data.X @ T, 0.0, W)
    elif data.beta == 2 and data.weights is not None:
        weighted_sweep(data.X, data.weights, np.ascontiguousarray(T.T), W, l2)
    elif data.beta == 1 and data.weights is None:
        data.descend_W(W, T, 0.0, l2)
    else:
        none = np.zeros((1, 1), W.dtype)
        penalised_update(W, *data.parts_W(W, T), none, np.full((1, 1), l2, W.dtype), data.beta)
