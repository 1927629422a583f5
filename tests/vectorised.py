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


def ratio_block(stack, model_then_ratio, tracked, layers, i, a, n_bins, numerator, denominator):
    rows = np.arange(len(stack))
    rows[n_bins:] = n_bins + (rows[n_bins:] - n_bins) % max(1, tracked.shape[1] - n_bins)
    A = layers.gains[i][:, :, None] * tracked[:, rows]
    model = model_then_ratio + np.float32(1e-4) + np.einsum("jn,jdn->dn", a, A)
    model_then_ratio[:] = layers.weights[i][:, None] * stack / model
    numerator[:] = np.einsum("dn,jdn->jn", model_then_ratio, A)
    denominator[:] = np.einsum("jb,jbn->jn", layers.folded[i], tracked)


def relaxed_update(H, numerator, denominator, relaxation):
    ratio = np.maximum(numerator / denominator[:, None], np.float32(1e-8))
    most = np.float32(18 / np.log(2))
    H *= np.exp2(np.clip(relaxation[:, None] * np.log2(ratio), -most, most))


def estimates_block(speech, noise, tracked, a, sources):
    atoms, tiny = tracked[:, : len(speech)], np.float32(1e-30)
    for X, gains in ((speech, sources.speech_gains), (noise, sources.noise_gains)):
        np.maximum(X + np.einsum("jn,jf,jfn->fn", a, gains, atoms), tiny, out=X)
    total = speech + noise
    for X in (speech, noise):
        X[:] = np.maximum(X / total, tiny) ** sources.power[:, None]


def estimates_frame(speech, noise, tracked, a, sources):
    estimates_block(speech[:, None], noise[:, None], tracked[:, :, None], a[:, None], sources)


def singles(X):
    return X if X.dtype == np.float32 else (X.astype(np.uint32) << 16).view(np.float32)


def products(X, h, out):
    out[:] = singles(X) @ h


def update_frame(layers, i, to_model, stack, tracked, n_bins, model_then_ratio, h, a):
    W, q, H = singles(layers.atoms[i]), model_then_ratio[:, None], h[:, None].copy()
    num, den = np.empty((2, len(a), 1), h.dtype)
    if to_model:
        q += (W @ h)[:, None]
    ratio_block(stack[:, None], q, tracked[:, :, None], layers, i, a[:, None], n_bins, num, den)
    m = layers.against_of[i]
    opposed = singles(layers.against[m]).T @ model_then_ratio if m >= 0 else 0
    relaxed_update(H, W.T @ q, layers.denominator[i] + opposed, layers.relaxation[i])
    h[:] = H[:, 0]
    a *= num[:, 0] / (den[:, 0] + layers.tracked_penalty[i])


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
    "nmfaudio.denoising.unfolded.stage.ratio_block": ratio_block,
    "nmfaudio.denoising.unfolded.stage.relaxed_update": relaxed_update,
    "nmfaudio.denoising.unfolded.stage.estimates_block": estimates_block,
    "nmfaudio.kernels.unfolded.frame.update_frame": update_frame,
    "nmfaudio.kernels.unfolded.frame.products": products,
    "nmfaudio.kernels.unfolded.frame.estimates_frame": estimates_frame,
    "nmfaudio.denoising.unfolded.context.running_sums": running_sums,
    "nmfaudio.denoising.unfolded.context.means_over": means_over,
    "nmfaudio.denoising.unfolded.context.minima_over": minima_over,
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
