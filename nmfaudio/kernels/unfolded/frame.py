"""One frame of a stream explained: unfolded updates, and the shares of its sources.

What it costs is to read the atoms, so that each row of them is read once for both products of an update.
"""

import numpy as np

from .._jit import jit
from ..elementary import exp2, log2
from .bfloat16 import single
from .block import relaxed

_ZERO, _ONE = np.float32(0), np.float32(1)
_ROWS = 16  # at a time: few loops, and the rows stay in the fastest cache


@jit
def explain_frame(stack, tracked, n_bins, order, layers, start, sources, eps, least, most, tiny, S, N):
    """Estimates of a frame by all updates of a stage.

    Parameters
    ----------
    stack : ndarray, shape (D,)
    tracked : ndarray, shape (J, F + B)
    n_bins : int
    order : ndarray, shape (U,), int64
        Layer of each update.
    layers : tuple of ndarray
        For L layers: atoms (L, D, K) and what speaks against them (M, D, K), see :mod:`.bfloat16`; which of the latter
        a layer has, (L,) int64, -1 for none; weights (L, D), gains (L, J, D), folded (L, J, F + B), denominator (L, K),
        relaxation (L, K) and tracked_penalty (L, J), as in :func:`update_frame`.
    start : tuple of ndarray, shapes (K,), (J,), (D,)
        Activations before the first update, and the model by the former in its layer.
    sources : tuple of ndarray
        What the atoms are of speech and below it of noise, (2 F, K), see :mod:`.bfloat16`; speech_gains, noise_gains
        and power as in :func:`shares_frame`.
    eps, least, most, tiny : float
        As in :mod:`.unfolded_run`.
    S, N : ndarray, shape (F,)
        Outputs.
    """
    atoms, against, opposing, weights, gains, folded, denominator, relaxation, tracked_penalty = layers
    h, a, model = start[0].copy(), start[1].copy(), start[2].copy()
    for n in range(len(order)):
        i = order[n]
        if n > 0:
            model[:] = 0
        first = max(opposing[i], 0)
        update_frame(
            atoms[i], against[first : opposing[i] + 1], n > 0, model, h, stack, tracked, gains[i], folded[i], a,
            weights[i], n_bins, eps, denominator[i], relaxation[i], tracked_penalty[i], least, most
        )  # fmt: skip
    by_source, speech_gains, noise_gains, power = sources
    both = np.empty(len(by_source), stack.dtype)
    products(by_source, h, both)
    S[:] = both[: len(S)]
    N[:] = both[len(S) :]
    shares_frame(S, N, tracked, a, speech_gains, noise_gains, power, tiny)


@jit
def update_frame(
    W, against, to_model, model, h, v, tracked, gains, folded, a, weights, n_bins, eps,
    denominator, relaxation, tracked_penalty, least, most
):  # fmt: skip
    """Update the activations h and a of one frame.

    Parameters
    ----------
    W : ndarray, shape (D, K)
        See :mod:`.bfloat16`.
    against : ndarray, shape (0 or 1, D, K)
        How much each row speaks against each atom.
    to_model : bool
        Whether ``W @ h`` is still to be added to the model.
    model : ndarray, shape (D,)
        Zero, or ``W @ h``; on return the ratio.
    h : ndarray, shape (K,)
        Changed in place.
    v : ndarray, shape (D,)
        Stack of the frame.
    tracked : ndarray, shape (J, F + B)
    a : ndarray, shape (J,)
        Changed in place.
    gains, folded, weights, n_bins, eps
        As in :func:`nmfaudio.kernels.unfolded.block.explain_block`.
    denominator, relaxation, least, most
        As in :func:`nmfaudio.kernels.unfolded.block.relaxed_update`.
    tracked_penalty : ndarray, shape (J,)
    """
    n_rows, n_atoms = W.shape
    n_bands = tracked.shape[1] - n_bins
    for d in range(n_rows):
        model[d] += eps
    for j in range(len(tracked)):
        start, stop = 0, n_bins
        while start < n_rows:
            atom = tracked[j, :n_bins] if start == 0 else tracked[j, n_bins:]
            g, r = gains[j, start:stop], model[start:stop]
            for d in range(stop - start):
                r[d] += a[j] * g[d] * atom[d]
            start, stop = stop, stop + n_bands
    p, opposed = np.zeros(n_atoms, h.dtype), denominator.copy()
    rows, q, dots = np.zeros(_ROWS * n_atoms, h.dtype), np.empty(_ROWS, h.dtype), np.zeros(_ROWS, h.dtype)
    flat = W.reshape(-1)
    for first in range(0, n_rows, _ROWS):
        _read(flat[first * n_atoms :], rows)
        if to_model:
            _dot(rows, h, dots)
        q[:] = 0
        for r in range(min(_ROWS, n_rows - first)):
            d = first + r
            q[r] = model[d] = weights[d] * v[d] / (model[d] + dots[r])
        _add(rows, q, p)
    for m in range(len(against)):
        flat = against[m].reshape(-1)
        for first in range(0, n_rows, _ROWS):
            _read(flat[first * n_atoms :], rows)
            q[:] = 0
            for r in range(min(_ROWS, n_rows - first)):
                q[r] = model[first + r]
            _add(rows, q, opposed)
    for k in range(n_atoms):
        h[k] = relaxed(h[k], p[k], _ONE / opposed[k], relaxation[k], least, most)
    for j in range(len(tracked)):
        start, stop, num, den = 0, n_bins, _ZERO, tracked_penalty[j]
        while start < n_rows:
            atom = tracked[j, :n_bins] if start == 0 else tracked[j, n_bins:]
            g, ratio = gains[j, start:stop], model[start:stop]
            for d in range(stop - start):
                num += ratio[d] * g[d] * atom[d]
            start, stop = stop, stop + n_bands
        for b in range(tracked.shape[1]):
            den += folded[j, b] * tracked[j, b]
        a[j] *= num / den


@jit
def products(X, h, out):
    """``X @ h`` in single precision for X of shape (D, K), see :mod:`.bfloat16`."""
    rows, dots = np.zeros(_ROWS * len(h), h.dtype), np.empty(_ROWS, h.dtype)
    flat = X.reshape(-1)
    for first in range(0, len(X), _ROWS):
        _read(flat[first * len(h) :], rows)
        _dot(rows, h, dots)
        for r in range(min(_ROWS, len(X) - first)):
            out[first + r] = dots[r]


@jit
def _read(flat, rows):
    """As many values as there is room for, or left; behind those, what was there remains."""
    piece = flat[: len(rows)]
    for i in range(len(piece)):
        rows[i] = single(piece[i])


@jit
def _dot(rows, h, dots):
    n = len(h)
    for r in range(0, len(dots), 4):  # four rows at a time, which share the reads of h
        w0, w1, w2, w3 = rows[r * n :], rows[(r + 1) * n :], rows[(r + 2) * n :], rows[(r + 3) * n :]
        d0, d1, d2, d3 = _ZERO, _ZERO, _ZERO, _ZERO
        for k in range(n):
            x = h[k]
            d0 += w0[k] * x
            d1 += w1[k] * x
            d2 += w2[k] * x
            d3 += w3[k] * x
        dots[r], dots[r + 1], dots[r + 2], dots[r + 3] = d0, d1, d2, d3


@jit
def _add(rows, q, p):
    n = len(p)
    for r in range(0, len(q), 4):
        w0, w1, w2, w3 = rows[r * n :], rows[(r + 1) * n :], rows[(r + 2) * n :], rows[(r + 3) * n :]
        q0, q1, q2, q3 = q[r], q[r + 1], q[r + 2], q[r + 3]
        for k in range(n):
            p[k] += w0[k] * q0 + w1[k] * q1 + w2[k] * q2 + w3[k] * q3


@jit
def shares_frame(S, N, tracked, a, speech_gains, noise_gains, power, tiny):
    """:func:`nmfaudio.kernels.unfolded.block.shares` of one frame.

    Parameters
    ----------
    S, N : ndarray, shape (F,)
    tracked : ndarray, shape (J, at least F)
    a : ndarray, shape (J,)
    speech_gains, noise_gains : ndarray, shape (J, F)
    power : ndarray, shape (F,)
    tiny : float
    """
    for j in range(len(tracked)):
        atom, g, h, scale = tracked[j], speech_gains[j], noise_gains[j], a[j]
        for f in range(len(S)):
            part = scale * atom[f]
            S[f] += g[f] * part
            N[f] += h[f] * part
    for f in range(len(S)):
        x, y, p = max(S[f], tiny), max(N[f], tiny), power[f]
        scale = _ONE / (x + y)
        S[f] = exp2(p * log2(max(x * scale, tiny)))
        N[f] = exp2(p * log2(max(y * scale, tiny)))
