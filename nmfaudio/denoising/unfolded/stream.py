"""Unfolded NMF frame by frame, for streams: from the past alone, with the numbers of a whole recording."""

import numpy as np

from ...errors import NmfaudioError
from ...kernels.unfolded.frame import decompose_frame
from ...kernels.unfolded.frame_context import History, Layout, stack_frame
from ...unfolded.stage import Stage, geometric_mean, reach
from ..profile_fit import profile_fit
from .context import Context, of_height
from .pitch import PeriodicStream

_NO_PITCH = np.empty((2, 0), np.float32)


class ContextStream:
    """Stack one frame at a time, as :meth:`Context.stack_rows` does; the context must not look ahead.

    Parameters
    ----------
    context : Context
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        n, F, B = 2 * (context.past + 1), context.height, context.n_averages  # each frame is stored twice
        of_mask = (F, F, B, F, B) if context.needs_mask else (0, 0, 0, 0, 0)
        self._history = History(*(np.zeros((n, size), np.float32) for size in (F, B, F, B, *of_mask)))
        parts = {
            part.name: np.array([(*span, part.rows.start) for span in part.spans], np.int64).reshape(-1, 3)
            for part in context.layout
        }
        self._layout = Layout(*(parts[name] for name in Layout._fields))
        self._smooth = np.array([(1 - context.smooth, 0)], np.int64)
        inside = context.bands > 0
        self._edges = np.stack([inside.argmax(axis=1), F - inside[:, ::-1].argmax(axis=1)], axis=1)
        self._stack = np.empty(context.n_rows, np.float32)
        self._tracked = np.empty((context.n_tracked, F + B), np.float32)
        self._pitch = PeriodicStream(context.max_hz, context.periodic[0]) if context.periodic else None
        self._at = -1

    def push(self, v: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Stack the next frame.

        Parameters
        ----------
        v : ndarray, shape (F,), float32
            Compressed magnitude.
        mask : ndarray, shape (F,), float32, optional
            Share of speech by the stage before; only a first stage goes without.

        Returns
        -------
        stack : ndarray, shape (D,)
        tracked : ndarray, shape (J, F + B)
        """
        c = self.context
        if self._at < 0:  # before the first frame there is silence, which counts for averages but not for minima
            for rows in self._history:
                rows[:] = 0
            self._history.noisy[:] = self._history.smooth[:] = v
            self._history.smooth_bands[:] = c.bands @ v
        self._at = (self._at + 1) % (c.past + 1)
        periodic, harmonic = _NO_PITCH if self._pitch is None else self._pitch.push(v, mask)
        stack_frame(
            v, mask, periodic, harmonic, c.bands, self._edges, self._smooth, self._layout, self._history, self._at,
            self._stack, self._tracked,
        )  # fmt: skip
        return self._stack, self._tracked

    def reset(self) -> None:
        """Forget all frames."""
        self._at = -1
        if self._pitch is not None:
            self._pitch.reset()


class StageStream:
    """Share of each source one frame at a time, as one pass of a :class:`nmfaudio.unfolded.stage.Stage` computes it.

    Parameters
    ----------
    stage : Stage
    """

    def __init__(self, stage: Stage) -> None:
        assert isinstance(stage.context, Context)
        self.stage, self.context = stage, ContextStream(stage.context)

    def push(self, v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Return the masks, shape (S, F), of the next frame; see :meth:`nmfaudio.unfolded.stage.Stage.__call__`."""
        stage, height = self.stage, self.stage.context.height
        stack, tracked = self.context.push(v[:height], None if mask is None else of_height(mask, height))
        masks = np.empty(stage.weights.sources.shape[:2], v.dtype)
        decompose_frame(stack, tracked, stage.halved_layers, stage.start, stage.halved_sources, masks)
        return masks


class DecompositionStream:
    """Share of speech one frame at a time, as :class:`.decomposition.UnfoldedDecomposition` computes it.

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

    def __init__(self, stages: list[Stage], profile: np.ndarray | None = None) -> None:
        _, ahead = reach(stages)
        if ahead:
            raise NmfaudioError(
                f"this dictionary looks {ahead} frames ahead and cannot serve a stream: take a causal one, "
                "as speech-causal"
            )
        self._profile = profile
        self._stages = [(stage.joined, [StageStream(stage) for _ in range(stage.passes)]) for stage in stages]

    def push(self, v: np.ndarray) -> np.ndarray:
        """Return the mask, shape (F,), of the compressed magnitude v of one frame, shape (F,)."""
        mask: np.ndarray | None = None
        masks: list[np.ndarray] = []
        for joined, passes in self._stages:
            if not joined:
                masks = []
            for stage in passes:
                mask = stage.push(v, mask)[0]
                masks.append(mask)
            mask = geometric_mean(masks)
            if self._profile is not None:
                mask = profile_fit(v[:, None], mask[:, None], self._profile)[:, 0]
        assert mask is not None
        return mask

    def reset(self) -> None:
        """Forget all frames."""
        for _, passes in self._stages:
            for stage in passes:
                stage.context.reset()
