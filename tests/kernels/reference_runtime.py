"""Slow, literal twins of the kernels that denoising runs on, in double precision."""

import numpy as np
from reference_unfolded import rows_of


def means_over(X, spans, n):
    """Averages over spans of time around the first n frames; silence outside."""
    at = lambda t: X[:, t] if 0 <= t < X.shape[1] else np.zeros(len(X))  # noqa: E731
    return np.array(
        [
            np.stack([np.mean([at(t + s) for s in range(first, last + 1)], axis=0) for t in range(n)], axis=1)
            for first, last in spans
        ]
    )


def means_over_bins(X, reach):
    return np.array([X[max(0, f - reach) : f + reach + 1].mean(axis=0) for f in range(len(X))])


def minima_over(X, widths):
    """Minima over windows that begin at each frame, NaN where one would end behind the last frame."""
    found = np.full((len(widths), *X.shape), np.nan)
    for s, width in enumerate(widths):
        for t in range(X.shape[1] - width + 1):
            found[s, :, t] = X[:, t : t + width].min(axis=1)
    return found


def update(
    W, h, v, tracked, gains, a, weights, height, n_full, eps, penalty, relaxation, tracked_penalty, least, most,
    against=None,
):  # fmt: skip
    """New activations of one frame; `most` bounds the factor's natural logarithm."""
    A = gains * rows_of(tracked[None], len(v), height, n_full)[0]
    q = weights * v / (W @ h + a @ A + eps)
    opposed = 0 if against is None else against.T @ q
    ratio = np.maximum(W.T @ q / (W.T @ weights + penalty + opposed), least)
    factor = np.exp(np.clip(relaxation * np.log(ratio), -most, most))
    return h * factor, a * (A @ q) / (A @ weights + tracked_penalty)


def masks(parts, tracked, a, gains, power):
    """Masks (S, F, T) from the parts that the atoms add to each source."""
    parts = parts + np.einsum("jt,ijf,jft->ift", a, gains, tracked[:, : parts.shape[1]])
    return parts ** power[:, None] / sum(part ** power[:, None] for part in parts)


def raised_odds(masks, powers, clean_snr, most_snr):
    """Mask of the last of some frames (n, F), those that are averaged over."""
    speech, noise = (masks * powers).sum(), ((1 - masks) * powers).sum()
    snr = min(speech / noise, most_snr) if speech else 0
    odds, mask = 1 + (snr / clean_snr) ** 2, masks[-1]
    return odds * mask / (odds * mask + 1 - mask)


def extrapolate(x, y, strength):
    """One number by Padé's approximation of ``x (x / y)^strength``."""
    below = (1 - strength) * x + (1 + strength) * y
    return x * ((1 + strength) * x + (1 - strength) * y) / below if below else x
