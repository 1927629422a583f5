"""Start of the training of unfolded NMF: sparse NMF of clean speech and of noise alone."""

import numpy as np

from ...denoising.unfolded.context import Context
from ...nmf.sparse_nmf import sparse_nmf
from ...spectra.front_end import FrontEnd
from ...unfolded.weights import Layer, Weights
from ..data.mixing import AnyMixer
from .presets import Size

_ELSEWHERE = np.float32(0.01)  # weight of an atom in the other source, and of a tracked atom in rows of the other
_LATER = np.float32(0.05)  # share of the atoms in the first estimates of a stage that knows those of the one before
_AGAINST = 0.02  # frame-dependent penalty by each row, relative to atoms of unit mean
_N_FRAMES = 12_000


def _stacks(
    context: Context, mixer: AnyMixer, front_end: FrontEnd, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Stack frames of clean speech and of noise alone, each of shape (about _N_FRAMES, D)."""
    speech: list[np.ndarray] = []
    noise: list[np.ndarray] = []
    number = 2**40  # mixtures that training itself does not reach
    while sum(map(len, speech)) < _N_FRAMES:
        mix = mixer(number)
        number += 1
        for spectrum, share, stacks in ((mix.speech, 0.98, speech), (mix.mixture - mix.speech, 0.05, noise)):
            V = front_end.compressed(np.abs(spectrum) ** 2)[: context.height]
            stack, _ = context.stack_rows(V, np.full_like(V, share) if context.needs_mask else None)
            level = V.mean(axis=0)
            loud = np.flatnonzero(level > 0.1 * np.percentile(level, 95))
            stacks.append(stack[rng.permutation(loud)[:80]])
    return np.concatenate(speech), np.concatenate(noise)


def atoms_of(V: np.ndarray, n_components: int, rng: np.random.Generator, n_iter: int = 25) -> np.ndarray:
    """Compute the atoms of a KL-NMF of frames in rows that starts from some of them, shape (D, K), of mean one."""
    first = V[rng.permutation(len(V))[:n_components]].T + np.float32(1e-2)
    W = sparse_nmf(V.T, n_components, W=first, max_iter=n_iter, tol=0).W
    return np.maximum(W / W.mean(axis=0), np.float32(1e-5))


def _gains(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Compute the first gains of the tracked atoms, shape (J, D), and those for speech and noise, shape (2, J, F)."""
    J, F = context.n_tracked, context.height
    rows = {part.name: part.rows for part in context.layout}
    gains = np.ones((J, context.n_rows), np.float32)
    source_gains = np.ones((2, J, F), np.float32)
    source_gains[0] = _ELSEWHERE
    speech, harmonic = rows["speech_estimate"], rows["harmonic"]  # all other tracked atoms are of noise
    if context.estimates:
        for of_speech, of_noise in (("speech_frames", "noise_frames"), ("speech_means", "noise_means")):
            gains[:, rows[of_speech]] = _ELSEWHERE
            gains[speech, rows[of_noise]] = _ELSEWHERE
            gains[speech, rows[of_speech]] = 1
    gains[harmonic, F : rows["periodic"].start] = _ELSEWHERE
    for atom in (speech, harmonic):
        source_gains[:, atom] = source_gains[::-1, atom]
    if context.estimates:  # at first the mask is that of the stage before
        source_gains[:, : speech.start] = _ELSEWHERE
    return gains, source_gains


def initial_weights(context: Context, mixer: AnyMixer, front_end: FrontEnd, size: Size, random_state: int) -> Weights:
    """Make the weights of a stage that its training starts from.

    Parameters
    ----------
    context : Context
    mixer : AnyMixer
        Mixtures whose speech and noise the atoms are trained on.
    front_end : FrontEnd
    size : Size
    random_state : int

    Returns
    -------
    Weights
    """
    rng = np.random.default_rng([random_state, 1])
    speech, noise = _stacks(context, mixer, front_end, rng)
    W = np.concatenate([atoms_of(speech, size.n_speech, rng), atoms_of(noise, size.n_noise, rng)], axis=1)
    (D, K), J, F = W.shape, context.n_tracked, context.height
    gains, source_gains = _gains(context)
    layers = []
    for i in range(max(size.order) + 1):
        atoms = W * np.exp(0.02 * rng.standard_normal(W.shape)).astype(np.float32)
        against = None
        if i in size.against:
            against = (_AGAINST * np.exp(0.5 * rng.standard_normal(W.shape))).astype(np.float32)
        layers.append(
            Layer(
                atoms=atoms,
                weights=np.ones(D, np.float32),
                penalty=np.full(K, 0.01 * D, np.float32),
                relaxation=np.ones(K, np.float32),
                gains=gains.copy(),
                tracked_penalty=np.full(J, 0.01 * D, np.float32),
                against=against,
            )
        )
    share, power = (_LATER, 1.0) if context.estimates else (np.float32(1), 2.0)
    own = share * np.where(np.arange(K) < size.n_speech, np.float32(1), _ELSEWHERE)
    other = share * np.where(np.arange(K) < size.n_speech, _ELSEWHERE, np.float32(1))
    return Weights(
        layers=tuple(layers),
        start=np.full(K, 1 / K, np.float32),
        tracked_start=np.full(J, 0.3 / J, np.float32),
        sources=np.stack([W[:F] * own, W[:F] * other]),
        source_gains=source_gains,
        power=np.full(F, power, np.float32),
    )
