"""Start of the training of unfolded NMF: sparse NMF of clean speech and of noise alone."""

from collections.abc import Sequence

import numpy as np

from ...denoising.unfolded.context import Context
from ...errors import NmfaudioError
from ...nmf.sparse_nmf import sparse_nmf
from ...spectra.front_end import FrontEnd
from ...unfolded.weights import Layer, Weights
from ..data.mixing import AnyMixer
from .presets import Size

ELSEWHERE = np.float32(0.01)  # weight of an atom in the other source, and of a tracked atom in rows of the other
_LATER = np.float32(0.05)  # share of the atoms in the first estimates of a stage that knows those of the one before
_AGAINST = 0.02  # frame-dependent penalty by each row, relative to atoms of unit mean
N_FRAMES = 12_000  # of each source, that the first atoms are made of
_ITERATIONS = 25
MOST_SILENT = 200  # mixtures in a row without the source: there is none


def _stacks(
    context: Context, mixer: AnyMixer, front_end: FrontEnd, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Stack frames of clean speech and of noise alone, each of shape (about N_FRAMES, D)."""
    speech: list[np.ndarray] = []
    noise: list[np.ndarray] = []
    number, n_silent = 2**40, 0  # mixtures that training itself does not reach
    while sum(map(len, speech)) < N_FRAMES:
        mix = mixer(number)
        number += 1
        for spectrum, share, stacks in ((mix.speech, 0.98, speech), (mix.mixture - mix.speech, 0.05, noise)):
            V = front_end.compressed(np.abs(spectrum) ** 2)[: context.height]
            stack, _ = context.stack_rows(V, np.full_like(V, share) if context.needs_mask else None)
            level = V.mean(axis=0)
            loud = np.flatnonzero(level > 0.1 * np.percentile(level, 95))
            stacks.append(stack[rng.permutation(loud)[:80]])
        n_silent = 0 if len(speech[-1]) else n_silent + 1
        if n_silent == MOST_SILENT:
            raise NmfaudioError("speech: nothing to train on but silence, or files of less than 20 ms")
    return np.concatenate(speech), np.concatenate(noise)


def atoms_of(V: np.ndarray, n_components: int, rng: np.random.Generator) -> np.ndarray:
    """Compute the atoms of a KL-NMF of frames in rows that starts from some of them, shape (D, K), of mean one."""
    first = V[rng.permutation(len(V))[:n_components]].T + np.float32(1e-2)
    W = sparse_nmf(V.T, n_components, W=first, max_iter=_ITERATIONS, tol=0).W
    return np.maximum(W / W.mean(axis=0), np.float32(1e-5))


def _gains(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Compute the first gains of the tracked atoms, shape (J, D), and those for speech and noise, shape (2, J, F)."""
    J, F = context.n_tracked, context.height
    rows = {part.name: part.rows for part in context.layout}
    gains = np.ones((J, context.n_rows), np.float32)
    source_gains = np.ones((2, J, F), np.float32)
    source_gains[0] = ELSEWHERE
    speech, harmonic = rows["speech_estimate"], rows["harmonic"]  # all other tracked atoms are of noise
    if context.estimates:
        for of_speech, of_noise in (("speech_frames", "noise_frames"), ("speech_means", "noise_means")):
            gains[:, rows[of_speech]] = ELSEWHERE
            gains[speech, rows[of_noise]] = ELSEWHERE
            gains[speech, rows[of_speech]] = 1
    gains[harmonic, F : rows["periodic"].start] = ELSEWHERE
    for atom in (speech, harmonic):
        source_gains[:, atom] = source_gains[::-1, atom]
    if context.estimates:  # at first the mask is that of the stage before
        source_gains[:, : speech.start] = ELSEWHERE
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

    Raises
    ------
    NmfaudioError
        If there is no speech in the mixtures.
    """
    rng = np.random.default_rng([random_state, 1])
    speech, noise = _stacks(context, mixer, front_end, rng)
    W = np.concatenate([atoms_of(V, n, rng) for V, n in zip((speech, noise), size.n_atoms, strict=True)], axis=1)
    gains, source_gains = _gains(context)
    share, power = (_LATER, 1.0) if context.estimates else (np.float32(1), 2.0)
    of_speech = np.arange(W.shape[1]) < size.n_atoms[0]
    shares = [share * np.where(own, np.float32(1), ELSEWHERE) for own in (of_speech, ~of_speech)]
    return first_weights(W, size, gains, shares, source_gains, rng, power)


def first_weights(
    W: np.ndarray,
    size: Size,
    gains: np.ndarray,
    shares: Sequence[np.ndarray],
    source_gains: np.ndarray,
    rng: np.random.Generator,
    power: float = 2.0,
) -> Weights:
    """Make weights of the first atoms, a little different in each layer.

    Parameters
    ----------
    W : ndarray, shape (D, K)
        Atoms of all sources.
    size : Size
    gains : ndarray, shape (J, D)
        Gains of the tracked atoms.
    shares : sequence of ndarray, shape (K,)
        Part of each atom in the estimate of each source.
    source_gains : ndarray, shape (S, J, F)
        Part of each tracked atom in it.
    rng : Generator
    power : float
        p of all rows.
    """
    (D, K), (_, J, F) = W.shape, source_gains.shape
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
    return Weights(
        layers=tuple(layers),
        start=np.full(K, 1 / K, np.float32),
        tracked_start=np.full(J, 0.3 / J, np.float32),
        sources=np.stack([W[:F] * share for share in shares]),
        source_gains=source_gains,
        power=np.full(F, power, np.float32),
    )
