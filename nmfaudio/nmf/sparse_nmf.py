"""Sparse NMF of a matrix by multiplicative updates."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import check_count, check_seed, checked
from ..errors import NmfaudioError
from .acceleration import Guarded
from .beta_divergence import beta_of, times_power
from .descent import descend
from .multiplicative_updates import MultiplicativeUpdates


@dataclass(frozen=True, eq=False)
class Factorization:
    """Result of `sparse_nmf`: ``V`` is about ``W @ H``.

    Parameters
    ----------
    W : ndarray, shape (F, K)
        Atoms in columns, unit L2 norm.
    H : ndarray, shape (K, N)
        Activations.
    objective : ndarray, shape (n_iter + 1,)
        Objective at the start and after every iteration; it never rises.
    """

    W: np.ndarray
    H: np.ndarray
    objective: np.ndarray

    @property
    def n_iter(self) -> int:
        """Number of iterations run."""
        return len(self.objective) - 1


@checked
def sparse_nmf(
    V: ArrayLike,
    n_components: int,
    *,
    beta_loss: float | str = "kullback-leibler",
    alpha_H: ArrayLike = 0.0,
    W: ArrayLike | None = None,
    n_fixed: int = 0,
    weights: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    random_state: int | np.random.Generator | None = None,
) -> Factorization:
    """Factorise a non-negative matrix with an L1 penalty on the activations.

    Minimises ``sum(weights * d_beta(V | W H)) + sum(alpha_H * H)`` over non-negative W with columns of unit L2 norm and
    non-negative H, by the updates in `nmfaudio.kernels.nmf.multiplicative`. The problem is not convex: another
    `random_state` may give another result.

    Parameters
    ----------
    V : array_like, shape (F, N)
        Non-negative matrix, bins x frames. float32 and float64 are kept, other types become float64.
        A NaN may stand where the weight is 0.
    n_components : int
        Number of atoms K.
    beta_loss : float or str
        Divergence: "frobenius" or 2 (halved), "kullback-leibler" or 1, "itakura-saito" or 0, or another number from -2
        to 5.
    alpha_H : float or array_like, shape (K,) or (K, N)
        L1 penalty: for all activations, by atom, or each its own.
    W : array_like, shape (F, at most K), optional
        First atoms to start from, scaled to unit norm; the others start from random columns of V.
    n_fixed : int
        The first `n_fixed` atoms of `W` stay as they are.
    weights : array_like, shape (F, N), optional
        Non-negative weight of every entry; False or 0 marks a missing one.
    max_iter : int
        Largest number of iterations.
    tol : float
        Iterations stop when ten of them lower the root of the objective by less than `tol` times its first value.
    random_state : int, Generator or None
        Seed of the atoms that are not given.

    Returns
    -------
    Factorization

    Raises
    ------
    NmfaudioError
        If V, W, weights or alpha_H hold NaN, infinity or negative values, or if shapes do not fit.

    Notes
    -----
    V and the model are lifted by the rounding unit of the dtype times V's largest value, which keeps logarithms and
    quotients finite at zeros, for beta <= 0 too. For beta = 0 each factor's denominator is computed in one iteration of
    three and carried over to the next two (`nmfaudio.nmf.carried`); an iteration that led uphill is done again with
    all of them computed.

    References
    ----------
    J. Le Roux, F. Weninger, J. Hershey, "Sparse NMF - half-baked or well done?", MERL TR2015-023 (the objective).
    C. Févotte, J. Idier, "Algorithms for nonnegative matrix factorization with the beta-divergence", 2011.
    A. Marmin, J. Goulart, C. Févotte, "Majorization-minimization for sparse nonnegative matrix factorization with the
    beta-divergence", 2023, arXiv:2207.06316.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import sparse_nmf
    >>> rng = np.random.default_rng(0)
    >>> V = rng.random((20, 3)) @ rng.random((3, 50))
    >>> result = sparse_nmf(V, 3, random_state=0, max_iter=100, tol=0)
    >>> bool(np.abs(result.W @ result.H - V).max() < 0.05 * V.max())
    True
    """
    check_count("n_components", n_components)
    check_count("n_fixed", n_fixed, 0)
    check_count("max_iter", max_iter, 0)
    if isinstance(random_state, Integral):
        check_seed(random_state)
    data, certainty = _checked_data(V, weights)
    n_bins, n_frames = data.shape
    dtype, beta = data.dtype, beta_of(beta_loss)
    mu = _checked_penalty(alpha_H, n_components, n_frames)
    given = _checked_atoms(W, n_bins, n_components, n_fixed, dtype)

    # Work at values up to one: a power of two, so that scaling rounds nothing. d(sV | sL) = s^beta d(V | L).
    exponent = int(np.frexp(data.max())[1])
    data = np.ldexp(data, -exponent)
    mu = np.minimum(times_power(mu, exponent * (1 - beta)), np.finfo(dtype).max ** 0.5).astype(dtype)

    random = random_atoms(data, n_components - given.shape[1], np.random.default_rng(random_state))
    atoms = np.concatenate([given, random], axis=1)
    H = np.empty((n_components, n_frames), dtype)
    H[:] = data.sum(axis=0) / atoms.sum()

    updates = MultiplicativeUpdates(data + np.finfo(dtype).eps, atoms, H, mu, beta, certainty, n_fixed)

    if beta == 0:
        guarded = Guarded(updates.factors, updates.step, updates.objective)
        objective = descend(guarded.step, guarded.objective, max_iter, tol)
    else:
        objective = descend(updates.step, updates.objective, max_iter, tol)
    with np.errstate(over="ignore"):
        return Factorization(atoms, np.ldexp(updates.H, exponent), times_power(objective, exponent * beta))


def random_atoms(V: np.ndarray, n_atoms: int, rng: np.random.Generator) -> np.ndarray:
    """Atoms to start from, shape (F, n_atoms): columns of V at random, on the mean column so that no entry is zero."""
    floor = V.mean(axis=1, keepdims=True)
    floor += max(floor.mean() * 0.01, np.finfo(V.dtype).eps)
    loud = np.flatnonzero(V.any(axis=0))
    columns = V[:, rng.choice(loud, n_atoms)] if len(loud) else np.zeros((len(V), n_atoms), V.dtype)
    atoms = columns + floor * rng.uniform(0.1, 0.3, columns.shape).astype(V.dtype)
    return np.ascontiguousarray(atoms / np.linalg.norm(atoms, axis=0))


def _checked_data(V: ArrayLike, weights: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
    data = np.asarray(V)
    if data.dtype.kind not in "fiub" or data.ndim != 2 or data.size == 0:
        raise NmfaudioError(f"V must be a real, non-empty matrix (F, N), not {data.dtype} of shape {data.shape}")
    data = data.astype(data.dtype if data.dtype in (np.float32, np.float64) else np.float64, order="C")
    certainty = None
    if weights is not None:
        certainty = _checked("weights", weights, data.dtype)
        if certainty.shape != data.shape:
            raise NmfaudioError(f"weights must have V's shape {data.shape}, not {certainty.shape}")
        data[certainty == 0] = 0
    return _checked("V", data, data.dtype), certainty


def _checked(name: str, array: ArrayLike, dtype: np.dtype) -> np.ndarray:
    array = np.ascontiguousarray(array, dtype)
    if not np.isfinite(array).all():
        hint = "; give those entries weight 0 if they are missing" if name == "V" else ""
        raise NmfaudioError(f"{name} holds NaN or infinity{hint}")
    if array.size and array.min() < 0:
        raise NmfaudioError(f"{name} holds negative values (smallest: {array.min():g})")
    return array


def _checked_penalty(alpha_H: ArrayLike, n_components: int, n_frames: int) -> np.ndarray:
    mu = _checked("alpha_H", alpha_H, np.dtype(np.float64))
    if np.ndim(alpha_H) == 0:
        return np.full((n_components, 1), mu)
    if mu.shape == (n_components,):
        return mu[:, None]
    if mu.shape != (n_components, n_frames):
        shapes = f"a number or of shape ({n_components},) or ({n_components}, {n_frames})"
        raise NmfaudioError(f"alpha_H must be {shapes}, not {mu.shape}")
    return mu


def _checked_atoms(W: ArrayLike | None, n_bins: int, n_components: int, n_fixed: int, dtype: np.dtype) -> np.ndarray:
    atoms = np.empty((n_bins, 0), dtype) if W is None else _checked("W", W, dtype)
    if atoms.ndim != 2 or len(atoms) != n_bins:
        raise NmfaudioError(f"W must have shape ({n_bins}, K) to fit V, not {atoms.shape}")
    if not (0 <= n_fixed <= atoms.shape[1] <= n_components and n_components > 0):
        raise NmfaudioError(
            f"n_fixed {n_fixed}, {atoms.shape[1]} atoms in W and n_components {n_components} do not fit: "
            "choose 0 <= n_fixed <= atoms in W <= n_components, and at least one component"
        )
    norms = np.linalg.norm(atoms, axis=0)
    if not norms.all():
        raise NmfaudioError(f"atom {int(np.argmin(norms))} of W is all zeros")
    return atoms / norms
