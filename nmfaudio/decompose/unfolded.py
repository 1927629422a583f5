"""Unfolded NMF: a fixed number of multiplicative updates whose atoms were trained for the mask.

One update of the activations ``h`` of a stacked frame ``v`` (Lee and Seung 2001, eq. 5, with a penalty; Le Roux,
Hershey and Weninger, "Deep NMF for speech separation", 2015, eq. 9), with atoms ``W`` of its own, row weights ``c``,
penalties ``mu``, relaxation ``g`` and noise atoms ``A`` tracked in the recording, scaled by gains ``G``::

    r = W h + (G * A) a        q = c v / r
    h <- h * ((W' q) / (W' c + mu + M' q))^g        a <- a * ((G * A)' q) / ((G * A)' c + nu)

In the layers that have it, ``M`` makes the penalty of an atom depend on the frame: rows that the model explains too
little of speak against the atom, as those of ``W`` speak for it.

After the last update the estimates are ``S = (R_s h + (G_s * A) a)^p`` and ``N = (R_n h + (G_n * A) a)^p`` up to a
common factor, with a power p for each bin, so that sums that cannot cancel still tell speech from noise sharply.
All weights are non-negative.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..dictionary import Dictionary
from ..gain import power_mask
from ..noise import refined
from .context import Context

_LEAST = np.float32(1e-8)
_TINY = np.float32(1e-30)  # below what the updates can make of a start
MOST = np.float32(18)  # of a factor's logarithm, up and down: a frame unlike all atoms must not overflow or vanish
EPS = np.float32(1e-4)  # of the mean of a stacked frame
_BLOCK = 256  # frames whose activations stay in cache through all updates

Matmul = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass
class Trace:
    """What one update leaves behind for its gradient."""

    layer: int
    h: np.ndarray
    a: np.ndarray
    R: np.ndarray
    Q: np.ndarray
    ratio: np.ndarray
    denominator: np.ndarray
    factor: np.ndarray
    tracked_numerator: np.ndarray
    tracked_denominator: np.ndarray


def update(
    P: Mapping[str, np.ndarray],
    layer: int,
    stack: np.ndarray,
    tracked: np.ndarray,
    h: np.ndarray,
    a: np.ndarray,
    matmul: Matmul = np.matmul,
) -> tuple[np.ndarray, np.ndarray, Trace]:
    """One multiplicative update; shapes as in :func:`activations`."""
    from ..kernels.unfolded import explain

    W, c, G = P[f"atoms{layer}"], P[f"weights{layer}"], P[f"gains{layer}"]
    R = matmul(h, W.T)
    Q = np.empty_like(R)
    num_a, den_a = np.empty_like(a), np.empty_like(a)
    n_bins = P["speech"].shape[0]
    explain(stack, R, Q, tracked, G, a, c, n_bins, EPS, num_a, den_a)
    den_a += P[f"tracked_penalty{layer}"] + _LEAST  # a silent frame has atoms of nothing
    den = c @ W + P[f"penalty{layer}"] + _LEAST
    if f"against{layer}" in P:
        den = den + matmul(Q, P[f"against{layer}"])
    ratio = np.maximum(matmul(Q, W) / den, _LEAST)
    factor = np.exp(np.clip(P[f"relaxation{layer}"] * np.log(ratio), -MOST, MOST))
    return h * factor, a * num_a / den_a, Trace(layer, h, a, R, Q, ratio, den, factor, num_a, den_a)


def activations(
    P: Mapping[str, np.ndarray],
    order: list[int],
    stack: np.ndarray,
    tracked: np.ndarray,
    matmul: Matmul = np.matmul,
) -> tuple[np.ndarray, np.ndarray, list[Trace]]:
    """Activations after all updates.

    Parameters
    ----------
    P : mapping of str to ndarray
        The dictionary's arrays.
    order : list of int
        Which layer's arrays each update uses.
    stack, tracked : ndarray, shape (N, D), (N, J, F + B)
        From :meth:`Context.stack`.
    matmul : callable
        Product of two matrices; training may use a faster, coarser one.

    Returns
    -------
    h : ndarray, shape (N, K)
    a : ndarray, shape (N, J)
    traces : list of Trace
        One for each update.
    """
    n = len(stack)
    h, a = np.tile(P["start"], (n, 1)), np.tile(P["tracked_start"], (n, 1))
    traces = []
    for layer in order:
        h, a, trace = update(P, layer, stack, tracked, h, a, matmul)
        traces.append(trace)
    return h, a, traces


def contributions(
    P: Mapping[str, np.ndarray], h: np.ndarray, a: np.ndarray, tracked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What speech and noise atoms contribute to each bin, both of shape (N, F)."""
    n_bins = P["speech"].shape[0]
    S = h @ P["speech"].T
    N = h @ P["noise"].T
    for j in range(a.shape[1]):
        atom = a[:, j, None] * tracked[:, j, :n_bins]
        S += atom * P["speech_gains"][j]
        N += atom * P["noise_gains"][j]
    return np.maximum(S, _TINY), np.maximum(N, _TINY)


def estimates(
    P: Mapping[str, np.ndarray], h: np.ndarray, a: np.ndarray, tracked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of speech and noise, both of shape (N, F), each as a share of both before its power is taken."""
    S, N = contributions(P, h, a, tracked)
    total = S + N
    return (S / total) ** P["power"], (N / total) ** P["power"]


class Stage:
    """Arrays, order of updates and context that turn a spectrogram, and the mask before, into estimates.

    Parameters
    ----------
    P : mapping of str to ndarray
    order : list of int
    context : Context
    """

    def __init__(self, P: Mapping[str, np.ndarray], order: list[int], context: Context):
        self.P, self.order, self.context = P, order, context

    def __call__(self, V: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F, N) from a compressed magnitude and the mask of the stage before."""
        stack, tracked = self.context.stack(V, mask)
        S, N = np.empty_like(V), np.empty_like(V)
        for start in range(0, V.shape[1], _BLOCK):
            frames = slice(start, start + _BLOCK)
            h, a, _ = activations(self.P, self.order, stack[frames], tracked[frames])
            S_block, N_block = estimates(self.P, h, a, tracked[frames])
            S[:, frames], N[:, frames] = S_block.T, N_block.T
        return S, N


class UnfoldedDecomposition:
    """Estimates of speech and noise by an unfolded dictionary, stage after stage.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind "unfolded".
    profile : ndarray, shape (F, K), optional
        Atoms of a noise profile.

    Attributes
    ----------
    segment_frames, past_frames, future_frames : int
        Neighbourhood that a frame's estimates depend on, see `Decomposition`.
    """

    segment_frames = 1

    def __init__(self, dictionary: Dictionary, profile: np.ndarray | None = None):
        self.stages = stages_of(dictionary)
        self.profile = profile
        self.past_frames = sum(stage.context.past for stage in self.stages)
        self.future_frames = sum(stage.context.future for stage in self.stages)

    def __call__(self, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Explain a spectrogram.

        Parameters
        ----------
        V : ndarray, shape (F, N), float32
            Compressed magnitude.

        Returns
        -------
        S, N : ndarray, shape (F, N)
            Estimates of speech and noise, in each frame on a scale of its own.
        """
        mask = None
        for stage in self.stages:
            S, N = stage(V, mask)
            if self.profile is not None:
                S, N = refined(V, S, N, self.profile)
            mask = power_mask(S, N)
        return S, N


def stages_of(dictionary: Dictionary) -> list[Stage]:
    """Stages that a dictionary holds; the arrays of stage i are named ``i/name``."""
    stages = []
    for i, settings in enumerate(dictionary.settings["stages"]):
        P = {name[2:]: array for name, array in dictionary.arrays.items() if name.startswith(f"{i}/")}
        stages.append(Stage(P, [int(layer) for layer in settings["order"]], Context.from_json(settings["context"])))
    return stages
