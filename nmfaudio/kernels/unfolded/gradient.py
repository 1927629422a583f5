"""Elementwise halves of an unfolded update in training, forward and backward; matrix products stand between them.

Frames are rows here, so that one frame is contiguous. The stack of a frame is its ``F`` bins and below them parts of
``B`` bands each. Noise atoms that change with every frame are given once in bins and once in bands, shape
(N, J, F + B), and repeated down the stack; loops run over slices, which the compiler turns into vector code.
:mod:`nmfaudio.kernels.unfolded.block` is the same without a gradient.
"""

import numpy as np

from .._jit import jit


@jit
def explain(V, R, Q, tracked, gains, a, weights, n_bins, eps, numerator, denominator):
    """Add what the tracked atoms explain to R, then Q = weights * V / R, and the tracked atoms' own update terms.

    Parameters
    ----------
    V, R, Q : ndarray, shape (N, D)
        Stack; on entry ``H @ W.T``, on return the whole model plus `eps`; output ratio.
    tracked : ndarray, shape (N, J, F + B)
    gains : ndarray, shape (J, D)
    a : ndarray, shape (N, J)
        Activations of the tracked atoms.
    weights : ndarray, shape (D,)
    numerator, denominator : ndarray, shape (N, J)
        Outputs: ``sum_d Q G A`` and ``sum_d weights G A``.
    """
    n_frames, n_rows = V.shape
    n_tracked = tracked.shape[1]
    n_bands = tracked.shape[2] - n_bins
    for n in range(n_frames):
        start, size = 0, n_bins
        for j in range(n_tracked):
            numerator[n, j] = 0
            denominator[n, j] = 0
        while start < n_rows:
            stop = start + size
            v, r, q, c = V[n, start:stop], R[n, start:stop], Q[n, start:stop], weights[start:stop]
            for d in range(size):
                r[d] += eps
            for j in range(n_tracked):
                atom = tracked[n, j, :n_bins] if start == 0 else tracked[n, j, n_bins:]
                g, scale = gains[j, start:stop], a[n, j]
                for d in range(size):
                    r[d] += scale * g[d] * atom[d]
            for d in range(size):
                q[d] = c[d] * v[d] / r[d]
            for j in range(n_tracked):
                atom = tracked[n, j, :n_bins] if start == 0 else tracked[n, j, n_bins:]
                g = gains[j, start:stop]
                num = numerator[n, j]
                den = denominator[n, j]
                for d in range(size):
                    x = g[d] * atom[d]
                    num += q[d] * x
                    den += c[d] * x
                numerator[n, j] = num
                denominator[n, j] = den
            start, size = stop, n_bands


@jit
def explain_backward(V, R, Q, tracked, gains, a, weights, n_bins, dnum, dden, dQ, dgains, dweights, da):
    """Gradients through :func:`explain`; `dQ` becomes the gradient of R, the others are added to or filled.

    Parameters
    ----------
    V, R, Q, tracked, gains, a, weights, n_bins
        As :func:`explain` left them.
    dnum, dden : ndarray, shape (N, J)
        Gradients of its outputs.
    dQ : ndarray, shape (N, D)
        Gradient of Q by the matrix product; overwritten.
    dgains, dweights : ndarray, shape (J, D), (D,)
        Added to.
    da : ndarray, shape (N, J)
        Filled.
    """
    n_frames, n_rows = V.shape
    n_tracked = tracked.shape[1]
    n_bands = tracked.shape[2] - n_bins
    for n in range(n_frames):
        start, size = 0, n_bins
        for j in range(n_tracked):
            da[n, j] = 0
        while start < n_rows:
            stop = start + size
            v, r, q, c = V[n, start:stop], R[n, start:stop], Q[n, start:stop], weights[start:stop]
            dq, dc = dQ[n, start:stop], dweights[start:stop]
            for j in range(n_tracked):
                atom = tracked[n, j, :n_bins] if start == 0 else tracked[n, j, n_bins:]
                g, dn, dd = gains[j, start:stop], dnum[n, j], dden[n, j]
                for d in range(size):
                    dq[d] += dn * g[d] * atom[d]
                for d in range(size):
                    dc[d] += dd * g[d] * atom[d]
            for d in range(size):
                dc[d] += dq[d] * v[d] / r[d]
            for d in range(size):
                dq[d] *= -q[d] / r[d]
            for j in range(n_tracked):
                atom = tracked[n, j, :n_bins] if start == 0 else tracked[n, j, n_bins:]
                g, dg, dn, dd, scale = gains[j, start:stop], dgains[j, start:stop], dnum[n, j], dden[n, j], a[n, j]
                total = da[n, j]
                for d in range(size):
                    total += dq[d] * g[d] * atom[d]
                da[n, j] = total
                for d in range(size):
                    dg[d] += (dn * q[d] + dd * c[d] + scale * dq[d]) * atom[d]
            start, size = stop, n_bands


@jit
def adam_square(theta, weight, gradient, mean, square, rate, beta1, beta2, correction1, correction2, least):
    """One step of Adam (Kingma and Ba 2015, algorithm 1) on the square root of a non-negative weight, arrays flat.

    The gradient of the root is ``2 * theta * gradient``; it stays above `least`, so that no weight is lost for good,
    and `weight` is renewed as ``theta ** 2``.
    """
    one = theta.dtype.type(1)
    two = theta.dtype.type(2)
    tiny = theta.dtype.type(1e-20)
    for i in range(theta.size):
        g = two * theta[i] * gradient[i]
        m = beta1 * mean[i] + (one - beta1) * g
        s = beta2 * square[i] + (one - beta2) * g * g
        mean[i] = m
        square[i] = s
        theta[i] = max(theta[i] - rate * (m / correction1) / (np.sqrt(s / correction2) + tiny), least)
        weight[i] = theta[i] * theta[i]
