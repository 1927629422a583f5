"""Frame-by-frame twin of unfolded NMF for streams: the same numbers, from what was heard so far."""

import numpy as np

from ...errors import NmfaudioError
from ...kernels.unfolded.frame import explain_frame
from ...kernels.unfolded.frame_context import stack_frame
from ..gain import power_mask
from ..profile_fit import profile_fit
from .context import LEAST_MEAN, LEAST_SHARE, Context
from .decomposition import EPS, LEAST, MOST_LOG2, TINY, Stage

_SPANS = ("means", "minima", "speech_means", "noise_means", "floors", "noise_spectra")
_NO_MASK = np.empty(0, np.float32)


class ContextStream:
    """Twin of :meth:`Context.stack` that takes one frame at a time; the context must not look ahead."""

    def __init__(self, context: Context):
        self.context = context
        n, F, B = 2 * (context.past + 1), context.n_bins, context.n_bands  # every frame is kept twice
        self._heard = tuple(np.zeros((n, size), np.float32) for size in (F, B, F, B))
        masked = (F, F, B, B) if context.needs_mask else (0, 0, 0, 0)
        self._masked = tuple(np.zeros((n, size), np.float32) for size in masked)
        spans = ((1 - context.smooth, 0),), *(getattr(context, name) for name in _SPANS)
        self._spans = tuple(np.array(value, np.int64).reshape(-1, 2) for value in spans)
        inside = context.bands > 0
        self._edges = np.stack([inside.argmax(axis=1), F - inside[:, ::-1].argmax(axis=1)], axis=1)
        self._stack = np.empty(context.n_rows, np.float32)
        self._tracked = np.empty((context.n_tracked, F + B), np.float32)
        self._at = -1

    def push(self, v: np.ndarray, mask: np.ndarray = _NO_MASK) -> tuple[np.ndarray, np.ndarray]:
        """Stack (D,) and tracked atoms (J, F + B) of the frame v, shape (F,), and its mask by the stage before."""
        c = self.context
        if self._at < 0:  # before the first frame there is silence, but no minimum of it
            V, bands, smooth, smooth_bands = self._heard
            V[:] = smooth[:] = v
            smooth_bands[:] = c.bands @ v
            for rows in (bands, *self._masked):
                rows[:] = 0
        self._at = (self._at + 1) % (c.past + 1)
        stack_frame(
            v, mask, c.bands, self._edges, self._heard, self._masked, self._at, self._spans, c.estimates,
            LEAST_SHARE, LEAST_MEAN, self._stack, self._tracked,
        )  # fmt: skip
        return self._stack, self._tracked

    def reset(self) -> None:
        """Forget all that was heard."""
        self._at = -1


class StageStream:
    """Twin of a `Stage` that takes one frame at a time."""

    def __init__(self, stage: Stage):
        self.stage, self.context = stage, ContextStream(stage.context)

    def push(self, v: np.ndarray, mask: np.ndarray = _NO_MASK) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F,) of the frame v and its mask by the stage before."""
        stack, tracked = self.context.push(v, mask)
        S, N = np.empty_like(v), np.empty_like(v)
        explain_frame(stack, tracked, len(v), *self.stage.frame_arrays, EPS, LEAST, MOST_LOG2, TINY, S, N)
        return S, N


class DecompositionStream:
    """Twin of `UnfoldedDecomposition` that takes one frame at a time.

    Parameters
    ----------
    stages : list of Stage
        Stages of a causal dictionary.
    profile : ndarray, shape (F, K), optional
        Atoms of a noise profile.

    Raises
    ------
    NmfaudioError
        If a stage looks ahead.
    """

    def __init__(self, stages: list[Stage], profile: np.ndarray | None = None):
        ahead = sum(stage.context.future for stage in stages)
        if ahead:
            raise NmfaudioError(
                f"this dictionary looks {ahead} frames ahead and cannot serve a stream; take a causal one"
            )
        self._profile = profile
        self._stages = [StageStream(stage) for stage in stages]

    def push(self, v: np.ndarray) -> np.ndarray:
        """Return the mask, shape (F,), of the compressed magnitude v of one frame, shape (F,)."""
        mask = _NO_MASK
        for stage in self._stages:
            mask = power_mask(*stage.push(v, mask))
            if self._profile is not None:
                mask = profile_fit(v[:, None], mask[:, None], self._profile)[:, 0]
        return mask

    def reset(self) -> None:
        """Forget all that was heard."""
        for stage in self._stages:
            stage.context.reset()
