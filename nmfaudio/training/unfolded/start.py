"""Where the training of unfolded NMF starts: sparse NMF of clean speech and of noise alone."""

import numpy as np

from ...denoising.unfolded.context import Context
from ..data.mixing import Mixer
from .presets import Size

Arrays = dict[str, np.ndarray]
_ELSEWHERE = 0.01  # weight of an atom in the estimate of the other source, and of a tracked atom in foreign rows
_AGAINST = 0.02  # of a row against an atom, where the atom's own rows have a mean of one
_N_FRAMES = 12_000


def _stacks(context: Context, mixer: Mixer, exponent: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Stacked frames of clean speech and of noise alone, each of shape (about _N_FRAMES, D)."""
    speech: list[np.ndarray] = []
    noise: list[np.ndarray] = []
    number = 2**40  # mixtures that training itself does not reach
    while sum(map(len, speech)) < _N_FRAMES:
        mix = mixer(number)
        number += 1
        for spectrum, share, found in ((mix.speech, 0.98, speech), (mix.mixture - mix.speech, 0.05, noise)):
            V = np.abs(spectrum) ** np.float32(exponent)
            stack, _ = context.stack(V, np.full_like(V, share) if context.estimates else None)
            level = V.mean(axis=0)
            loud = np.flatnonzero(level > 0.1 * np.percentile(level, 95))
            found.append(stack[rng.permutation(loud)[:80]])
    return np.concatenate(speech), np.concatenate(noise)


def _atoms(V: np.ndarray, n_atoms: int, rng: np.random.Generator, n_iter: int = 25) -> np.ndarray:
    """KL-NMF of frames in rows from exemplars, shape (D, n_atoms), columns of unit mean."""
    W = V[rng.permutation(len(V))[:n_atoms]].T + np.float32(1e-2)
    W /= W.mean(axis=0)
    H = np.full((len(V), n_atoms), 1 / n_atoms, np.float32)
    for _ in range(n_iter):
        H *= (V / (H @ W.T + np.float32(1e-4))) @ W / W.sum(axis=0)
        W *= (V / (H @ W.T + np.float32(1e-4))).T @ H / H.sum(axis=0)
        W = np.maximum(W, np.float32(1e-5))
        scale = W.mean(axis=0)
        W /= scale
        H *= scale
    return W


def initial_weights(context: Context, mixer: Mixer, exponent: float, size: Size, seed: int) -> Arrays:
    """Arrays of one stage before discriminative training; see :mod:`nmfaudio.denoising.unfolded.decomposition`."""
    n_speech, n_noise = size.n_speech, size.n_noise
    rng = np.random.default_rng([seed, 1])
    speech, noise = _stacks(context, mixer, exponent, rng)
    W = np.concatenate([_atoms(speech, n_speech, rng), _atoms(noise, n_noise, rng)], axis=1)
    (D, K), J, F = W.shape, context.n_tracked, context.n_bins
    gains = np.ones((J, D), np.float32)
    speech_gains, noise_gains = np.full((J, F), _ELSEWHERE, np.float32), np.ones((J, F), np.float32)
    if context.estimates:  # the atom before the last is the first stage's speech
        first = F + context.n_bands * (len(context.means) + len(context.minima))
        last = first + context.n_bands * len(context.speech_means)
        gains[:, first:last], gains[-2, last:] = _ELSEWHERE, _ELSEWHERE
        gains[-2, first:last] = 1
        speech_gains[-2], noise_gains[-2] = 1, _ELSEWHERE
    if context.periodic:  # so is what lies on the partials
        j = J - 1 - 2 * context.estimates
        gains[j, F : D - context.n_bands] = _ELSEWHERE
        speech_gains[j], noise_gains[j] = 1, _ELSEWHERE
    P: Arrays = {}
    for i in range(max(size.order) + 1):
        P[f"atoms{i}"] = W * np.exp(0.02 * rng.standard_normal(W.shape)).astype(np.float32)
        P[f"weights{i}"] = np.ones(D, np.float32)
        P[f"relaxation{i}"] = np.ones(K, np.float32)
        P[f"penalty{i}"] = np.full(K, 0.01 * D, np.float32)
        P[f"gains{i}"] = gains.copy()
        P[f"tracked_penalty{i}"] = np.full(J, 0.01 * D, np.float32)
        if i in size.against:
            P[f"against{i}"] = (_AGAINST * np.exp(0.5 * rng.standard_normal(W.shape))).astype(np.float32)
    own, other = np.ones(K, np.float32), np.full(K, _ELSEWHERE, np.float32)
    is_speech = np.arange(K) < n_speech
    P["start"] = np.full(K, 1 / K, np.float32)
    P["tracked_start"] = np.full(J, 0.3 / J, np.float32)
    P["speech"] = W[:F] * np.where(is_speech, own, other)
    P["noise"] = W[:F] * np.where(is_speech, other, own)
    P["power"] = np.full(F, 2.0, np.float32)
    P["speech_gains"], P["noise_gains"] = speech_gains, noise_gains
    return P
