"""The element-wise loops behind separation and repair as NumPy expressions, for the run without compiled kernels.

There, loops over whole spectrograms would take minutes. The kernels themselves are tested on small matrices.
"""

import numpy as np


def ratio_kullback_leibler(V, L, R, eps, weights):
    R[:] = V / (L + eps) * (1 if weights is None else weights)
    if weights is not None:
        L[:] = weights


def multiply(X, numerator, denominator, floor):
    X *= numerator / np.maximum(denominator, floor)
    X[X <= floor] = 0


def update_atoms(W, H, Q, P, c, a, b, floor):
    assert (a, b) == (1, 2)
    P, r = np.maximum(P, floor), c * W
    new = W * np.where(r <= floor, Q / P, 2 * Q / (P + np.sqrt(P * P + 4 * r * Q)))
    new[new <= floor] = 0
    norms = np.sqrt((new**2).sum(axis=0))
    W[:, norms > 0] = new[:, norms > 0] / norms[norms > 0]
    H *= norms[:, None]


def quotient(V, L, eps, tiny, out):
    np.maximum(V / (L + eps), tiny, out=out)


def kullback_leibler(V, L, eps, log_ratio, weights):
    divergence = V * log_ratio - V + (L + eps)
    return float((divergence if weights is None else weights * divergence).sum(dtype=np.float64))


STAND_INS = {
    "nmfaudio.kernels.convolutive.ratio_kullback_leibler": ratio_kullback_leibler,
    "nmfaudio.kernels.convolutive.multiply": multiply,
    "nmfaudio.separation.explain.update_atoms": update_atoms,
    "nmfaudio.kernels.divergence._quotient": quotient,
    "nmfaudio.kernels.divergence._kullback_leibler": kullback_leibler,
}
