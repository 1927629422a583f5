"""Solvers of non-negative least squares; each is an algorithm for NMF when it is called for W and H in turn.

All minimise ``sum_i x_i' G x_i / 2 - (c_i - l1)' x_i`` over ``X >= 0``, x_i and c_i the rows of X and C, starting from
X and in place. For the data V and X = W that is ``G = H H'`` and ``C = V H'``; a quadratic penalty is in G's diagonal.
Work on V itself is in C alone, two matrix products an iteration; G and X are small.
"""

from collections.abc import Callable

import numpy as np

from ..kernels.nmf import nnls
from ..kernels.nmf.hals import coordinate_sweep

Solver = Callable[[np.ndarray, np.ndarray, float, np.ndarray], None]


def projected_gradient(G: np.ndarray, C: np.ndarray, l1: float, X: np.ndarray, max_steps: int = 20) -> None:
    """Projected gradient with the step sizes of Lin 2007.

    Until the projected gradient has fallen to a tenth, or `max_steps` times. The first step is the inverse of G's
    Frobenius norm, so that X's level does not matter.
    """
    D, scale = C - X.dtype.type(l1), np.linalg.norm(G)
    step, first = 1 / scale if scale > 0 else 1.0, 0.0
    gradient = X @ G - D
    for i in range(max_steps):
        size = projected_norm(gradient, X)
        first = first or size
        if size <= 0.1 * first and i or size == 0:
            break
        accepted, change, shrinking = None, None, None
        for _ in range(20):
            new = np.maximum(X - X.dtype.type(step) * gradient, 0)
            move = new - X
            product = move @ G
            enough = 0.99 * np.vdot(gradient, move) + 0.5 * np.vdot(product, move) <= 0
            if shrinking is None:
                shrinking = not enough
            if shrinking:
                if enough:
                    accepted, change = new, product
                    break
                step *= 0.1
            else:
                if not enough or (accepted is not None and np.array_equal(new, accepted)):
                    step *= 0.1
                    break
                accepted, change = new, product
                step *= 10
        if accepted is None:
            break
        X[:] = accepted
        gradient += change


def nesterov(G: np.ndarray, C: np.ndarray, l1: float, X: np.ndarray, max_steps: int = 20) -> None:
    """Nesterov's optimal gradient method (Guan, Tao, Luo and Yuan 2012, "NeNMF").

    Until the projected gradient has fallen to a tenth, or `max_steps` times. The momentum starts again when the
    objective rises, so that it never does.
    """
    lipschitz = X.dtype.type(np.linalg.norm(G, 2))
    if lipschitz == 0:
        return
    D = C - X.dtype.type(l1)
    XG = X @ G
    Y, YG, momentum, value = X.copy(), XG, 1.0, 0.5 * np.vdot(XG, X) - np.vdot(D, X)
    enough = 0.1 * projected_norm(XG - D, X)
    for _ in range(max_steps):
        new = np.maximum(Y - (YG - D) / lipschitz, 0)
        new_G = new @ G
        new_value = 0.5 * np.vdot(new_G, new) - np.vdot(D, new)
        if new_value > value:
            if momentum == 1:  # a plain step can rise by rounding alone
                break
            Y, YG, momentum = X.copy(), XG, 1.0
            continue
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        push = X.dtype.type((momentum - 1) / following)
        Y, YG = new + push * (new - X), new_G + push * (new_G - XG)
        X[:], XG, value, momentum = new, new_G, new_value, following
        if projected_norm(XG - D, X) <= enough:
            break


def coordinate_descent(G: np.ndarray, C: np.ndarray, l1: float, X: np.ndarray, block: int = 32) -> None:
    """One sweep of HALS (Cichocki and Phan 2009): a component after the other, each at its minimum.

    What other components do to a block of them is one matrix product; within the block the loop is compiled.
    """
    for start in range(0, len(G), block):
        part = slice(start, start + block)
        D = C[:, part] - X @ G[:, part]
        D -= X.dtype.type(l1)
        coordinate_sweep(np.ascontiguousarray(G[part, part]), D, X[:, part])


def active_set(G: np.ndarray, C: np.ndarray, l1: float, X: np.ndarray) -> None:
    """The exact solution by an active-set method; ANLS of Kim and Park 2008."""
    nnls.active_set(G.astype(np.float64), C - C.dtype.type(l1), X)


def block_pivoting(G: np.ndarray, C: np.ndarray, l1: float, X: np.ndarray) -> None:
    """The exact solution by block principal pivoting; ANLS of Kim and Park 2011."""
    nnls.block_pivoting(G.astype(np.float64), C - C.dtype.type(l1), X)


def projected_norm(gradient: np.ndarray, X: np.ndarray) -> float:
    """Norm of the gradient without what points out of ``X >= 0`` where X is 0; zero at a solution."""
    return float(np.linalg.norm(np.where(X > 0, gradient, np.minimum(gradient, 0))))


SOLVERS: dict[str, Solver] = {
    "pg": projected_gradient,
    "anls-as": active_set,
    "bpp": block_pivoting,
    "nenmf": nesterov,
    "hals": coordinate_descent,
}
