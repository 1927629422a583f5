"""Slow, literal twins of the unfolded updates, the context and Adam, in double precision."""

import numpy as np


def rows_of(tracked, n_rows, height, n_full):
    """Tracked atoms repeated down the stack, shape (N, J, n_rows)."""
    n_bands = tracked.shape[2] - height
    source = [d % height if d < n_full else height + (d - n_full) % n_bands for d in range(n_rows)]
    return tracked[:, :, source]


def explain(V, model, tracked, gains, a, weights, height, n_full, eps):
    """R, Q and the update terms of the tracked atoms."""
    A = gains * rows_of(tracked, V.shape[1], height, n_full)
    R = model + np.einsum("nj,njd->nd", a, A) + eps
    Q = weights * V / R
    return R, Q, np.einsum("nd,njd->nj", Q, A), np.einsum("d,njd->nj", weights, A)


def update(weights, layer, stack, tracked, n_full, h, a, eps, present=1):
    """The activations after one update; `present` (N, D) is 1 for the rows that a frame has, otherwise 0."""
    W, c, penalty, relaxation, gains, tracked_penalty, against = weights.layers[layer]
    _, Q, num, den = explain(stack, h @ W.T, tracked, gains, a, c, len(weights.power), n_full, eps)
    ratio = (Q @ W) / ((present * c) @ W + penalty + (0 if against is None else Q @ against))
    return h * ratio**relaxation, a * num / (den + tracked_penalty)


def masks(weights, order, stack, tracked, n_full, eps, present=1):
    """Masks (S, N, F) of all sources."""
    h = np.tile(weights.start, (len(stack), 1))
    a = np.tile(weights.tracked_start, (len(stack), 1))
    for layer in order:
        h, a = update(weights, layer, stack, tracked, n_full, h, a, eps, present)
    atoms = tracked[:, :, : len(weights.power)]
    parts = np.array(
        [
            h @ W.T + np.einsum("nj,jf,njf->nf", a, gains, atoms)
            for W, gains in zip(weights.sources, weights.source_gains, strict=True)
        ]
    )
    return parts**weights.power / sum(part**weights.power for part in parts)


def stack(context, V, mask=None):
    """Stack and tracked atoms by slices of one frame after the other."""
    n = V.shape[1]
    silence = np.zeros_like(V[:, 0])
    repeated = lambda X, t: X[:, min(max(t, 0), n - 1)]  # noqa: E731  the first and last frame stand in for the outside
    at = lambda X, t: X[:, t] if 0 <= t < n else silence  # noqa: E731
    over = lambda X, t, span: np.stack([at(X, t + s) for s in range(span[0], span[1] + 1)], 1)  # noqa: E731
    smoothed = lambda t, span: np.stack(  # noqa: E731
        [np.mean([repeated(V, t + s - k) for k in range(context.smooth)], axis=0) for s in range(span[0], span[1] + 1)],
        1,
    )
    B = context.bands
    periodic, harmonic = (
        periodic_parts(V, context.max_hz, mask, *context.periodic) if context.periodic else (None, None)
    )
    stacks, tracked = [], []
    for t in range(n):
        row = [V[:, t]]
        if mask is not None:
            row += [over(V * mask, t, span).mean(1) for span in context.speech_frames]
            row += [over(V * (1 - mask), t, span).mean(1) for span in context.noise_frames]
        row += [B @ over(V, t, span).mean(1) for span in context.means]
        row += [(B @ smoothed(t, span)).min(1) for span in context.minima]
        atoms = [smoothed(t, span).min(1) for span in context.floors]
        if mask is not None:
            row += [B @ over(V * mask, t, span).mean(1) for span in context.speech_means]
            row += [B @ over(V * (1 - mask), t, span).mean(1) for span in context.noise_means]
            for span in context.noise_spectra:
                atoms.append(over(V * (1 - mask), t, span).mean(1) / (over(1 - mask, t, span).mean(1) + 0.01))
            if context.periodic:
                row.append(B @ periodic[:, t])
                atoms.append(harmonic[:, t])
            if context.estimates:
                atoms += [V[:, t] * mask[:, t], V[:, t] * (1 - mask[:, t])]
        row = np.concatenate(row)
        stacks.append(row / row.mean())
        tracked.append([np.concatenate([atom, B @ atom]) / row.mean() for atom in atoms])
    return np.array(stacks), np.array(tracked)


def adam(weight, gradients, rate, beta1, beta2):
    """Weights after Adam on their square roots, gradients given by the weights."""
    theta = np.sqrt(weight)
    mean = square = np.zeros_like(theta)
    for t, gradient in enumerate(gradients, 1):
        g = 2 * theta * gradient
        length = rate * np.sqrt(np.mean(theta**2))
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * g**2
        theta = theta - length * (mean / (1 - beta1**t)) / np.sqrt(square / (1 - beta2**t))
        theta = np.maximum(theta, 1e-4)
    return theta**2


def periodic_parts(V, max_hz, mask=None, span=(-1, 1)):
    """Pitch-periodic part of each bin; the formulas are in nmfaudio.denoising.unfolded.pitch."""
    n_bins, n_frames = V.shape
    hz = np.linspace(0, max_hz, n_bins)
    step = hz[1]
    near = lambda x, f, width: x[max(0, f - round(width / step)) : f + round(width / step) + 1]  # noqa: E731
    pitches = np.geomspace(421, 76, 110)
    u = np.array(
        [[min(v[f] / near(v, f, 500).mean() - 1, 2.0) if v.any() else -1.0 for f in range(n_bins)] for v in V.T]
    )
    w = np.ones_like(u) if mask is None else mask.T
    heard = slice(round(90 / step), round(4000 / step))
    waves = np.array([np.cos(2 * np.pi * hz[heard] / f0) for f0 in pitches])
    found = np.array([[np.sum(w[t, heard] * u[t, heard] * wave) for wave in waves] for t in range(n_frames)])
    periodic, harmonic = np.zeros_like(V), np.zeros_like(V)
    for t in range(n_frames):
        f0 = pitches[found[max(0, t + span[0]) : t + span[1] + 1].sum(axis=0).argmax()]
        c = np.cos(2 * np.pi * hz / f0)
        for f in range(n_bins):
            share = near(u[t] * c, f, 375).mean() / max(near(abs(u[t]), f, 375).mean(), 1e-3)
            periodic[f, t] = V[f, t] * min(max(share, 0), 1)
            harmonic[f, t] = periodic[f, t] * (1 + c[f]) / 2
    return periodic, harmonic
