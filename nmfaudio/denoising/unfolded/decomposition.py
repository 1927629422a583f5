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
from functools import cached_property

import numpy as np

from ...compute.threads import in_parallel, n_cores
from ...dictionary import Dictionary
from ..gain import power_mask
from ..profile_fit import profile_fit
from .context import Context, Neighbourhood

LEAST = np.float32(1e-8)
TINY = np.float32(1e-30)  # below what the updates can make of a start
MOST = np.float32(18)  # of a factor's logarithm, up and down: a frame unlike all atoms must not overflow or vanish
EPS = np.float32(1e-4)  # of the mean of a stacked frame
MOST_LOG2 = np.float32(MOST / np.log(2))
_BLOCK = 512  # frames explained at once: matrix products reach their full speed

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
    from ...kernels.unfolded.gradient import explain

    W, c, G = P[f"atoms{layer}"], P[f"weights{layer}"], P[f"gains{layer}"]
    R = matmul(h, W.T)
    Q = np.empty_like(R)
    num_a, den_a = np.empty_like(a), np.empty_like(a)
    n_bins = P["speech"].shape[0]
    explain(stack, R, Q, tracked, G, a, c, n_bins, EPS, num_a, den_a)
    den_a += P[f"tracked_penalty{layer}"] + LEAST  # a silent frame has atoms of nothing
    den = c @ W + P[f"penalty{layer}"] + LEAST
    if f"against{layer}" in P:
        den = den + matmul(Q, P[f"against{layer}"])
    ratio = np.maximum(matmul(Q, W) / den, LEAST)
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
    return np.maximum(S, TINY), np.maximum(N, TINY)


def estimates(
    P: Mapping[str, np.ndarray], h: np.ndarray, a: np.ndarray, tracked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of speech and noise, both of shape (N, F), each as a share of both before its power is taken."""
    S, N = contributions(P, h, a, tracked)
    total = S + N
    return (S / total) ** P["power"], (N / total) ** P["power"]


class Layers:
    """Arrays of all updates as their run-time kernels take them, a layer each, and what is the same for all frames.

    Parameters
    ----------
    P : mapping of str to ndarray
    order : list of int
    context : Context
    """

    def __init__(self, P: Mapping[str, np.ndarray], order: list[int], context: Context) -> None:
        numbers = sorted(set(order))
        against = {i: P[f"against{i}"] for i in numbers if f"against{i}" in P}

        def stacked(name: str) -> np.ndarray:
            return np.stack([P[f"{name}{i}"] for i in numbers], dtype=np.float32)

        self.order = np.array([numbers.index(i) for i in order])
        self.W, self.weights, self.gains, self.relaxation = map(stacked, ("atoms", "weights", "gains", "relaxation"))
        explained = np.stack([c @ W for c, W in zip(self.weights, self.W, strict=True)])
        self.denominator = explained + stacked("penalty") + LEAST
        self.against = np.array([*against.values()], np.float32).reshape(-1, *self.W.shape[1:])
        self.opposing = np.array([[*against].index(i) if i in against else -1 for i in numbers])  # which of `against`
        self.tracked_penalty = stacked("tracked_penalty") + LEAST
        self.first_model = self.W[self.order[0]] @ np.asarray(P["start"], np.float32)
        n_bins, n_bands = context.n_bins, context.n_bands
        weighted = self.weights[:, None] * self.gains  # summed over the rows of a stack that share a tracked row
        bands = weighted[..., n_bins:].reshape(*weighted.shape[:2], -1, n_bands).sum(axis=2)
        self.folded = np.concatenate([weighted[..., :n_bins], bands], axis=2)


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

    @cached_property
    def layers(self) -> Layers:
        """Arrays of the updates."""
        return Layers(self.P, self.order, self.context)

    @cached_property
    def frame_arrays(self) -> tuple[np.ndarray, tuple, tuple, tuple]:
        """Order, layers, start and sources as :func:`nmfaudio.kernels.unfolded.frame.explain_frame` takes them."""
        from ...kernels.unfolded.bfloat16 import halved

        def single(*names: str) -> tuple[np.ndarray, ...]:
            return tuple(np.ascontiguousarray(self.P[name], np.float32) for name in names)

        u = self.layers
        layers = (halved(u.W), halved(u.against), u.opposing, u.weights, u.gains, u.folded, u.denominator, u.relaxation)
        return (
            u.order,
            (*layers, u.tracked_penalty),
            (*single("start", "tracked_start"), u.first_model),
            (halved(np.concatenate(single("speech", "noise"))), *single("speech_gains", "noise_gains", "power")),
        )

    def __call__(
        self, V: np.ndarray, mask: np.ndarray | None = None, frames: slice = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F, N) from a compressed magnitude and the mask of the stage before.

        The numbers are those of :func:`activations` and :func:`estimates`, for `frames` alone.
        """
        start, stop, _ = frames.indices(V.shape[1])
        first = max(0, start - self.context.past)
        near = slice(first, stop + self.context.future)
        around = Neighbourhood(self.context, V[:, near], None if mask is None else mask[:, near])
        S, N = (np.empty((len(V), stop - start), V.dtype) for _ in range(2))
        for begin in range(start, stop, _BLOCK):
            end = min(begin + _BLOCK, stop)
            block = slice(begin - start, end - start)
            S[:, block], N[:, block] = self._estimates(*around.stack(begin - first, end - first))
        return S, N

    def _estimates(self, stack: np.ndarray, tracked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from ...kernels.unfolded.block import explain_block, relaxed_update

        P, u, n = self.P, self.layers, stack.shape[1]
        H, a = np.repeat(P["start"][:, None], n, axis=1), np.repeat(P["tracked_start"][:, None], n, axis=1)
        R, p = np.empty_like(stack), np.empty_like(H)
        numerator, denominator = np.empty_like(a), np.empty_like(a)
        for update, i in enumerate(u.order):
            if update == 0:  # all frames start alike
                R[:] = u.first_model[:, None]
            else:
                np.dot(u.W[i], H, out=R)
            explain_block(
                stack, R, tracked, u.gains[i], u.folded[i], a, u.weights[i], self.context.n_bins, EPS, numerator,
                denominator,
            )  # fmt: skip
            np.dot(u.W[i].T, R, out=p)
            if u.opposing[i] >= 0:
                p /= 1 + (u.against[u.opposing[i]].T @ R) / u.denominator[i][:, None]
            relaxed_update(H, p, u.denominator[i], u.relaxation[i], LEAST, MOST_LOG2)
            a *= numerator / (denominator + u.tracked_penalty[i][:, None])
        return self.shares(H, a, tracked)

    def shares(self, H: np.ndarray, a: np.ndarray, tracked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F, N) from activations (K, N), (J, N) and tracked atoms (J, F + B, N)."""
        from ...kernels.unfolded.block import shares

        P = self.P
        S, N = P["speech"] @ H, P["noise"] @ H
        shares(S, N, tracked, a, P["speech_gains"], P["noise_gains"], P["power"], TINY)
        return S, N


class UnfoldedDecomposition:
    """Share of speech by an unfolded dictionary, stage after stage.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind "unfolded".
    profile : ndarray, shape (F, K), optional
        Atoms of a noise profile.

    Attributes
    ----------
    segment_frames, past_frames, future_frames : int
        Context that the mask of a frame depends on, see `Decomposition`.
    """

    segment_frames = 1

    def __init__(self, dictionary: Dictionary, profile: np.ndarray | None = None):
        self.stages = stages_of(dictionary)
        self.profile = profile
        self.past_frames = sum(stage.context.past for stage in self.stages)
        self.future_frames = sum(stage.context.future for stage in self.stages)

    def __call__(self, V: np.ndarray, frames: slice = slice(None)) -> np.ndarray:
        """Return the share of speech in each bin.

        Parameters
        ----------
        V : ndarray, shape (F, N), float32
            Compressed magnitude.
        frames : slice
            Frames that are asked for; all by default.

        Returns
        -------
        ndarray, shape (F, n)
        """
        start, stop, _ = frames.indices(V.shape[1])
        n_threads = min(n_cores(), -(-(stop - start) // _BLOCK))
        edges = np.linspace(start, stop, n_threads + 1).astype(int)
        masks = in_parallel(lambda part: self._mask(V, *part), list(zip(edges[:-1], edges[1:], strict=True)))
        return np.concatenate(masks, axis=1)

    def _mask(self, V: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Mask of the frames from start to stop; each stage also treats the context that later stages need."""
        mask, known = None, 0  # the mask of the frames from `known` on
        for i, stage in enumerate(self.stages):
            past = sum(later.context.past for later in self.stages[i + 1 :])
            future = sum(later.context.future for later in self.stages[i + 1 :])
            first, last = max(0, start - past), min(V.shape[1], stop + future)
            mask = power_mask(*stage(V[:, known:], mask, slice(first - known, last - known)))
            if self.profile is not None:
                mask = profile_fit(V[:, first:last], mask, self.profile)
            known = first
        assert mask is not None
        return mask


def stages_of(dictionary: Dictionary) -> list[Stage]:
    """Stages that a dictionary holds; the arrays of stage i are named ``i/name``."""
    stages = []
    for i, settings in enumerate(dictionary.settings["stages"]):
        P = {name[2:]: array for name, array in dictionary.arrays.items() if name.startswith(f"{i}/")}
        stages.append(Stage(P, [int(layer) for layer in settings["order"]], Context.from_json(settings["context"])))
    return stages
