"""Element-wise loops of kernels as NumPy expressions, for the run without compiled kernels.

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


def kullback_leibler_single(V, L, R, eps, weights):
    assert R is None
    log_ratio = np.log(np.maximum(V / (L + eps), np.finfo(np.float32).tiny))
    return kullback_leibler(V, L, eps, log_ratio, weights)


def explain_block(V, R, tracked, gains, folded, a, weights, n_bins, eps, numerator, denominator):
    rows = np.arange(len(V))
    rows[n_bins:] = n_bins + (rows[n_bins:] - n_bins) % max(1, tracked.shape[1] - n_bins)
    A = gains[:, :, None] * tracked[:, rows]
    R += eps + np.einsum("jn,jdn->dn", a, A)
    R[:] = weights[:, None] * V / R
    numerator[:] = np.einsum("dn,jdn->jn", R, A)
    denominator[:] = np.einsum("jb,jbn->jn", folded, tracked)


def relaxed_update(H, P, denominator, relaxation, least, most):
    ratio = np.maximum(P / denominator[:, None], least)
    H *= np.exp2(np.clip(relaxation[:, None] * np.log2(ratio), -most, most))


def shares(S, N, tracked, a, speech_gains, noise_gains, power, tiny):
    atoms = tracked[:, : len(S)]
    for X, gains in ((S, speech_gains), (N, noise_gains)):
        np.maximum(X + np.einsum("jn,jf,jfn->fn", a, gains, atoms), tiny, out=X)
    total = S + N
    for X in (S, N):
        X[:] = np.maximum(X / total, tiny) ** power[:, None]


def shares_frame(S, N, tracked, a, speech_gains, noise_gains, power, tiny):
    shares(S[:, None], N[:, None], tracked[:, :, None], a[:, None], speech_gains, noise_gains, power, tiny)


def singles(X):
    return X if X.dtype == np.float32 else (X.astype(np.uint32) << 16).view(np.float32)


def products(X, h, out):
    out[:] = singles(X) @ h


def update_frame(
    W, against, to_model, model, h, v, tracked, gains, folded, a, weights, n_bins, eps,
    denominator, relaxation, tracked_penalty, least, most,
):  # fmt: skip
    W, R, H, num, den = singles(W), model[:, None], h[:, None].copy(), *np.empty((2, len(a), 1), h.dtype)
    if to_model:
        R += (W @ h)[:, None]
    explain_block(v[:, None], R, tracked[:, :, None], gains, folded, a[:, None], weights, n_bins, eps, num, den)
    opposed = (singles(against) * R).sum(axis=(0, 1))
    relaxed_update(H, W.T @ R, denominator + opposed, relaxation, least, most)
    h[:] = H[:, 0]
    a *= num[:, 0] / (den[:, 0] + tracked_penalty)


def average(bands, edges, x, out):
    out[:] = bands @ x


def raise_odds(mask, power, past, at, clean_snr, most_snr):
    past[:, at] = mask @ power, (1 - mask) @ power
    speech, noise = past.sum(axis=1, dtype=float)
    odds = 1 + (speech / max(noise, speech / most_snr, np.finfo(np.float32).tiny) / clean_snr) ** 2
    mask[:] = odds * mask / (odds * mask + 1 - mask)


def running_sums(X, before, sums):
    n_frames = X.shape[1]
    sums[:, : before + 1] = 0
    np.cumsum(X, axis=1, dtype=float, out=sums[:, before + 1 : before + 1 + n_frames])
    sums[:, before + 1 + n_frames :] = sums[:, before + n_frames, None]


def means_over(sums, start, spans, out):
    n_frames = out.shape[2]
    for (first, last), mean in zip(spans, out, strict=True):
        high, low = sums[:, start + last + 1 :][:, :n_frames], sums[:, start + first :][:, :n_frames]
        mean[:] = np.maximum((high - low) / (last - first + 1), 0)


def minima_over(X, widths, out):
    for width, least in zip(widths, out, strict=True):
        least[:] = X
        inside = X.shape[1] - width + 1
        least[:, :inside] = np.lib.stride_tricks.sliding_window_view(X, width, axis=1).min(axis=2)


def means_of_past(rows, now, spans, out):
    for (first, last), mean in zip(spans, out, strict=True):
        mean[:] = rows[now + first : now + last + 1].mean(axis=0)


def minima_of_past(rows, now, spans, out):
    for (first, last), least in zip(spans, out, strict=True):
        least[:] = rows[now + first : now + last + 1].min(axis=0)


RUN_TIME = {
    "nmfaudio.kernels.unfolded.block.explain_block": explain_block,
    "nmfaudio.kernels.unfolded.block.relaxed_update": relaxed_update,
    "nmfaudio.kernels.unfolded.block.shares": shares,
    "nmfaudio.kernels.unfolded.frame.update_frame": update_frame,
    "nmfaudio.kernels.unfolded.frame.products": products,
    "nmfaudio.kernels.unfolded.context.running_sums": running_sums,
    "nmfaudio.kernels.unfolded.context.means_over": means_over,
    "nmfaudio.kernels.unfolded.context.minima_over": minima_over,
    "nmfaudio.kernels.unfolded.frame.shares_frame": shares_frame,
    "nmfaudio.kernels.unfolded.frame_context.average": average,
    "nmfaudio.kernels.unfolded.frame_context.means_of_past": means_of_past,
    "nmfaudio.kernels.unfolded.frame_context.minima_of_past": minima_of_past,
    "nmfaudio.kernels.unfolded.clean_odds.raise_odds": raise_odds,
}
"""What denoising runs on."""

STAND_INS = {
    "nmfaudio.nmf.convolutive_updates.ratio_kullback_leibler": ratio_kullback_leibler,
    "nmfaudio.nmf.convolutive_updates.multiply": multiply,
    "nmfaudio.nmf.spatial_nmf.update_atoms": update_atoms,
    "nmfaudio.kernels.nmf.divergence._quotient": quotient,
    "nmfaudio.kernels.nmf.divergence._kullback_leibler": kullback_leibler,
    "nmfaudio.kernels.nmf.divergence.kullback_leibler_single": kullback_leibler_single,
}
