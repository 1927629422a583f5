import numpy as np
from scipy.optimize import linear_sum_assignment


def planted(dtype=np.float64, seed=0, n_samples=24, n_components=3, n_features=15):
    """A product of sparse factors, which no other factors explain."""
    rng = np.random.default_rng(seed)
    W = (rng.random((40, n_components)) * (rng.random((40, n_components)) < 0.5))[:n_samples]
    H = rng.random((n_components, n_features)) * (rng.random((n_components, n_features)) < 0.5) + 1e-3
    W[: 2 * n_components] = np.repeat(np.eye(n_components), 2, axis=0)
    return (W @ H).astype(dtype), W.astype(dtype), H.astype(dtype)


def likeness(found, true):
    """Smallest cosine between true rows and those found, each matched to one."""
    cosine = found @ true.T / np.outer(np.linalg.norm(found, axis=1), np.linalg.norm(true, axis=1))
    return cosine[linear_sum_assignment(-cosine)].min()
