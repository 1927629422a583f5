"""Loops of an unfolded update in training, forward and backward; matrix products stand between them.

Frames are rows, so that one frame is contiguous. A stacked frame has parts of ``F`` rows of the spectrogram each and
below them parts of ``B`` bands each. The tracked atoms are stored once in rows and once in bands, shape (T, J, F + B),
which repeat down the stack; loops run over slices, which the compiler turns into vector code. The equations (1) to (4)
are those of :mod:`nmfaudio.unfolded.updates`; :mod:`nmfaudio.kernels.unfolded.block` does the same without a
gradient.
"""

from .._jit import jit
from .limits import EPS


@jit
def ratio_forward(stack, model, ratio, tracked, gains, a, weights, height, n_full, numerator, denominator):
    """Compute the model r and the ratio q of equations (1) and (2), and the two sums of equation (4).

    Parameters
    ----------
    stack : ndarray, shape (T, D)
    model : ndarray, shape (T, D)
        On entry ``W h``, on return r.
    ratio : ndarray, shape (T, D)
        Output: q.
    tracked : ndarray, shape (T, J, F + B)
        Atoms A of each frame.
    gains : ndarray, shape (J, D)
        G.
    a : ndarray, shape (T, J)
        Activations of the tracked atoms.
    weights : ndarray, shape (D,)
        c.
    height : int
        Number of rows of the spectrogram, F.
    n_full : int
        Number of rows of the stack at full resolution, the first ones.
    numerator, denominator : ndarray, shape (T, J)
        Outputs: ``(G * A)' q`` and ``(G * A)' c``.
    """
    n_frames, n_rows = stack.shape
    n_tracked = tracked.shape[1]
    n_bands = tracked.shape[2] - height
    for t in range(n_frames):
        start = 0
        for j in range(n_tracked):
            numerator[t, j] = 0
            denominator[t, j] = 0
        while start < n_rows:
            size = height if start < n_full else n_bands
            stop = start + size
            v, r, q, c = stack[t, start:stop], model[t, start:stop], ratio[t, start:stop], weights[start:stop]
            for d in range(size):
                r[d] += EPS
            for j in range(n_tracked):
                atom = tracked[t, j, :height] if start < n_full else tracked[t, j, height:]
                g, scale = gains[j, start:stop], a[t, j]
                for d in range(size):
                    r[d] += scale * g[d] * atom[d]
            for d in range(size):
                q[d] = c[d] * v[d] / r[d]
            for j in range(n_tracked):
                atom = tracked[t, j, :height] if start < n_full else tracked[t, j, height:]
                g = gains[j, start:stop]
                num = numerator[t, j]
                den = denominator[t, j]
                for d in range(size):
                    x = g[d] * atom[d]
                    num += q[d] * x
                    den += c[d] * x
                numerator[t, j] = num
                denominator[t, j] = den
            start = stop


@jit
def ratio_backward(
    stack, model, ratio, tracked, gains, a, weights, height, n_full, dnum, dden, dratio, dgains, dweights, da
):
    """Differentiate equations (1) and (2), and the two sums of equation (4).

    Parameters
    ----------
    stack, model, ratio, tracked, gains, a, weights, height, n_full
        As :func:`ratio_forward` left them.
    dnum, dden : ndarray, shape (T, J)
        Gradients of its last two outputs.
    dratio : ndarray, shape (T, D)
        On entry the gradient of the ratio by equation (3), on return that of the model.
    dgains, dweights : ndarray, shape (J, D), (D,)
        Gradients of gains and weights, added to.
    da : ndarray, shape (T, J)
        Output: gradient of `a` by the model.
    """
    n_frames, n_rows = stack.shape
    n_tracked = tracked.shape[1]
    n_bands = tracked.shape[2] - height
    for t in range(n_frames):
        start = 0
        for j in range(n_tracked):
            da[t, j] = 0
        while start < n_rows:
            size = height if start < n_full else n_bands
            stop = start + size
            v, r, q, c = stack[t, start:stop], model[t, start:stop], ratio[t, start:stop], weights[start:stop]
            dq, dc = dratio[t, start:stop], dweights[start:stop]
            for j in range(n_tracked):
                atom = tracked[t, j, :height] if start < n_full else tracked[t, j, height:]
                g, dn, dd = gains[j, start:stop], dnum[t, j], dden[t, j]
                for d in range(size):
                    dq[d] += dn * g[d] * atom[d]
                for d in range(size):
                    dc[d] += dd * g[d] * atom[d]
            for d in range(size):
                dc[d] += dq[d] * v[d] / r[d]
            for d in range(size):
                dq[d] *= -q[d] / r[d]
            for j in range(n_tracked):
                atom = tracked[t, j, :height] if start < n_full else tracked[t, j, height:]
                g, dg, dn, dd, scale = gains[j, start:stop], dgains[j, start:stop], dnum[t, j], dden[t, j], a[t, j]
                total = da[t, j]
                for d in range(size):
                    total += dq[d] * g[d] * atom[d]
                da[t, j] = total
                for d in range(size):
                    dg[d] += (dn * q[d] + dd * c[d] + scale * dq[d]) * atom[d]
            start = stop


@jit
def inputs_backward(ratio, gains, a, weights, height, n_full, dmodel, dnum, dden, dstack, dtracked):
    """Differentiate equations (1), (2) and (4) by what they are given: the stack and the tracked atoms.

    Parameters
    ----------
    ratio, gains, a, weights, height, n_full
        As for :func:`ratio_backward`.
    dmodel : ndarray, shape (T, D)
        Gradient of the model, from there.
    dnum, dden : ndarray, shape (T, J)
        Gradients of both sums of equation (4).
    dstack, dtracked : ndarray, shape (T, D), (T, J, F + B)
        Outputs, added to. A row of the stack that is zero counts as one without a gradient.
    """
    n_frames, n_rows = ratio.shape
    n_tracked = dtracked.shape[1]
    n_bands = dtracked.shape[2] - height
    for t in range(n_frames):
        start = 0
        while start < n_rows:
            size = height if start < n_full else n_bands
            stop = start + size
            q, c, dr, dv = ratio[t, start:stop], weights[start:stop], dmodel[t, start:stop], dstack[t, start:stop]
            for d in range(size):
                if q[d] > 0:
                    dv[d] -= c[d] * (dr[d] / q[d])
            for j in range(n_tracked):
                datom = dtracked[t, j, :height] if start < n_full else dtracked[t, j, height:]
                g, dn, dd, scale = gains[j, start:stop], dnum[t, j], dden[t, j], a[t, j]
                for d in range(size):
                    datom[d] += g[d] * (dn * q[d] + dd * c[d] + scale * dr[d])
            start = stop
