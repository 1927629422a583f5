"""All updates of one frame of a stream, and the masks of its sources.

Memory traffic dominates: each row of atoms is read once and used for both products of an update. The equations (1) to
(7) are those of :mod:`nmfaudio.unfolded.updates`; :mod:`nmfaudio.kernels.unfolded.block` is for many frames.
"""

import numpy as np

from .._jit import jit
from ..elementary import exp2, log2
from .bfloat16 import single
from .block import relaxed
from .limits import EPS, TINY

_ZERO, _ONE = np.float32(0), np.float32(1)
_ROWS = 16  # at a time: few loops, and the rows stay in the fastest cache


@jit
def decompose_frame(stack, tracked, layers, start, sources, masks):
    """Compute the masks of a frame by all updates of a stage.

    Parameters
    ----------
    stack : ndarray, shape (D,)
    tracked : ndarray, shape (J, F + B)
    layers : Layers
        See :class:`nmfaudio.unfolded.weights.Layers`; `atoms` and `against` may be in bfloat16, see
        :mod:`.bfloat16`.
    start : Start
        See :class:`nmfaudio.unfolded.weights.Start`.
    sources : Sources
        See :class:`nmfaudio.unfolded.weights.Sources`; `atoms` may be in bfloat16.
    masks : ndarray, shape (S, F)
        Output.
    """
    height = masks.shape[1]
    h, a, model = start.h.copy(), start.a.copy(), start.model.copy()
    for n in range(len(layers.order)):
        if n > 0:
            model[:] = 0
        update_frame(layers, layers.order[n], n > 0, stack, tracked, height, model, h, a)
    products(sources.atoms, h, masks.reshape(-1))
    masks_frame(masks, tracked, a, sources)


@jit
def update_frame(layers, i, to_model, stack, tracked, height, model_then_ratio, h, a):
    """Update the activations of one frame: equations (1) to (4).

    Parameters
    ----------
    layers : Layers
    i : int
        Layer to use.
    to_model : bool
        If true, add ``W h`` to the model.
    stack : ndarray, shape (D,)
    tracked : ndarray, shape (J, F + B)
    height : int
        Number of rows of the spectrogram, F.
    model_then_ratio : ndarray, shape (D,)
        On entry zero or ``W h``, on return the ratio q.
    h : ndarray, shape (K,)
        Activations of the atoms, changed in place.
    a : ndarray, shape (J,)
        Activations of the tracked atoms, changed in place.
    """
    W, weights, gains, folded, relaxation = (
        layers.atoms[i], layers.weights[i], layers.gains[i], layers.folded[i], layers.relaxation[i]
    )  # fmt: skip
    n_rows, n_atoms = W.shape
    n_full = layers.n_full
    for d in range(n_rows):
        model_then_ratio[d] += EPS
    for j in range(len(tracked)):
        start = 0
        while start < n_rows:
            atom = tracked[j, :height] if start < n_full else tracked[j, height:]
            stop = start + len(atom)
            gain, model = gains[j, start:stop], model_then_ratio[start:stop]
            for d in range(stop - start):
                model[d] += a[j] * gain[d] * atom[d]
            start = stop
    numerator, denominator = np.zeros(n_atoms, h.dtype), layers.denominator[i].copy()
    rows, q, dots = np.zeros(_ROWS * n_atoms, h.dtype), np.empty(_ROWS, h.dtype), np.zeros(_ROWS, h.dtype)
    flat = W.reshape(-1)
    for first in range(0, n_rows, _ROWS):
        _read(flat[first * n_atoms :], rows)
        if to_model:
            _dot(rows, h, dots)
        q[:] = 0
        for r in range(min(_ROWS, n_rows - first)):
            d = first + r
            q[r] = model_then_ratio[d] = weights[d] * stack[d] / (model_then_ratio[d] + dots[r])
        _add(rows, q, numerator)
    if layers.against_of[i] >= 0:
        flat = layers.against[layers.against_of[i]].reshape(-1)
        for first in range(0, n_rows, _ROWS):
            _read(flat[first * n_atoms :], rows)
            q[:] = 0
            for r in range(min(_ROWS, n_rows - first)):
                q[r] = model_then_ratio[first + r]
            _add(rows, q, denominator)
    for k in range(n_atoms):
        h[k] = relaxed(h[k], numerator[k], _ONE / denominator[k], relaxation[k])
    for j in range(len(tracked)):
        start, num, den = 0, _ZERO, layers.tracked_penalty[i, j]
        while start < n_rows:
            atom = tracked[j, :height] if start < n_full else tracked[j, height:]
            stop = start + len(atom)
            gain, ratio = gains[j, start:stop], model_then_ratio[start:stop]
            for d in range(stop - start):
                num += ratio[d] * gain[d] * atom[d]
            start = stop
        for b in range(tracked.shape[1]):
            den += folded[j, b] * tracked[j, b]
        a[j] *= num / den


@jit
def products(X, h, out):
    """Write ``X @ h`` to `out`, for X of shape (D, K) in single precision or bfloat16."""
    rows, dots = np.zeros(_ROWS * len(h), h.dtype), np.empty(_ROWS, h.dtype)
    flat = X.reshape(-1)
    for first in range(0, len(X), _ROWS):
        _read(flat[first * len(h) :], rows)
        _dot(rows, h, dots)
        for r in range(min(_ROWS, len(X) - first)):
            out[first + r] = dots[r]


@jit
def _read(flat, rows):
    """Copy values until either array ends; leave the rest of `rows` unchanged."""
    piece = flat[: len(rows)]
    for i in range(len(piece)):
        rows[i] = single(piece[i])


@jit
def _dot(rows, h, dots):
    """Write the product of each row with h to `dots`."""
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
def _add(rows, q, out):
    """Add each row times its value of q to `out`."""
    n = len(out)
    for r in range(0, len(q), 4):
        w0, w1, w2, w3 = rows[r * n :], rows[(r + 1) * n :], rows[(r + 2) * n :], rows[(r + 3) * n :]
        q0, q1, q2, q3 = q[r], q[r + 1], q[r + 2], q[r + 3]
        for k in range(n):
            out[k] += w0[k] * q0 + w1[k] * q1 + w2[k] * q2 + w3[k] * q3


@jit
def masks_frame(parts, tracked, a, sources):
    """Do what :func:`nmfaudio.kernels.unfolded.block.masks_block` does, for one frame.

    Parameters
    ----------
    parts : ndarray, shape (S, F)
    tracked : ndarray, shape (J, at least F)
    a : ndarray, shape (J,)
    sources : Sources
    """
    n_sources, n_bins = parts.shape
    total, powers = np.zeros(n_bins, parts.dtype), np.zeros(n_bins, parts.dtype)
    for i in range(n_sources):
        part = parts[i]
        for j in range(len(tracked)):
            atom, gain, activation = tracked[j], sources.gains[i, j], a[j]
            for f in range(n_bins):
                part[f] += gain[f] * (activation * atom[f])
        for f in range(n_bins):
            part[f] = max(part[f], TINY)
            total[f] += part[f]
    for i in range(n_sources):
        part = parts[i]
        for f in range(n_bins):
            part[f] = exp2(sources.power[f] * log2(max(part[f] * (_ONE / total[f]), TINY)))
            powers[f] += part[f]
    for i in range(n_sources):
        part = parts[i]
        for f in range(n_bins):
            part[f] /= powers[f]
