"""Conjugate gradients on signals and spectra, by scipy."""

from collections.abc import Callable

import numpy as np

Operator = Callable[[np.ndarray], np.ndarray]

_PRECISION = 1e-5  # of the residual; the rest is rounding in single precision


def minimised(
    curvature: Operator, precondition: Operator, x: np.ndarray, n_iter: int, weights: float | np.ndarray = 1
) -> np.ndarray:
    """Minimise the quadratic form ``<x, A x>`` by preconditioned conjugate gradients from x.

    Steps stay in the range of the preconditioner: what it does not move keeps its value.

    Parameters
    ----------
    curvature : callable
        A, self-adjoint and positive, from an array of x's shape to one.
    precondition : callable
        Approximate inverse of A on the steps that are allowed.
    x : ndarray
        Real or complex start.
    n_iter : int
        Most iterations.
    weights : float or ndarray
        Weights w of the inner product ``<a, b> = sum(w Re(conj(a) b))``.

    Returns
    -------
    ndarray, shape and dtype of x
    """
    from scipy.sparse.linalg import LinearOperator, cg

    root = np.sqrt(weights, dtype=x.real.dtype)

    def flat(z: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(z * root).view(x.real.dtype).ravel()

    def shaped(v: np.ndarray) -> np.ndarray:
        return v.view(x.dtype).reshape(x.shape) / root

    def operator(function: Operator) -> LinearOperator:
        n = x.view(x.real.dtype).size
        return LinearOperator((n, n), lambda v: flat(function(shaped(v))), dtype=x.real.dtype)

    step, _ = cg(operator(curvature), flat(-curvature(x)), M=operator(precondition), rtol=_PRECISION, maxiter=n_iter)
    return x + shaped(step)
