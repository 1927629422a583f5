"""One step down for one factor, by the method that suits the divergence."""

import numpy as np

from ..nmf.beta_divergence import Divergence
from .solvers import coordinate_descent


def sweep(data: Divergence, W: np.ndarray, T: np.ndarray) -> None:
    """Improve W in place for ``D_beta(X | W T')``: HALS for beta = 2, coordinate descent for 1, else multiplicative.

    Parameters
    ----------
    data : Divergence
        Of X, shape (n, m).
    W, T : ndarray, shape (n, K), (m, K)
    """
    if data.beta == 2:
        coordinate_descent(T.T @ T, data.X @ T, 0.0, W)
    elif data.beta == 1:
        data.descend_W(W, T)
    else:
        from ..kernels.nmf.penalised import penalised_update

        none = np.zeros((1, 1), W.dtype)
        penalised_update(W, *data.parts_W(W, T), none, none, data.beta)
