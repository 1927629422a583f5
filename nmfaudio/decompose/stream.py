"""Frame-by-frame twin of unfolded NMF for streams: the same numbers, from what was heard so far."""

from collections.abc import Callable

import numpy as np

from ..errors import NmfaudioError
from ..gain import power_mask
from ..kernels.spans import means_of_past, minima_of_past
from ..kernels.unfolded_run import update_frame
from ..noise import refined
from .context import LEAST_SHARE, Context
from .unfolded import EPS, LEAST, MOST_LOG2, Stage

_SPANS = ("means", "minima", "speech_means", "noise_means", "floors", "noise_spectra")


class _History:
    """The last frames of something, as rows; every frame is kept twice so that any span is one piece of memory.

    Before the first frame there is silence, or, with `repeat`, the first frame again.
    """

    def __init__(self, n_frames: int, n_rows: int, repeat: bool):
        self._rows = np.zeros((2 * n_frames, n_rows), np.float32)
        self._n, self._at, self._repeat = n_frames, -1, repeat

    def push(self, row: np.ndarray) -> None:
        if self._at < 0:
            self._rows[:] = row if self._repeat else 0
        self._at = (self._at + 1) % self._n
        self._rows[self._at] = self._rows[self._at + self._n] = row

    def over(self, spans: np.ndarray, kernel: Callable[..., None]) -> np.ndarray:
        """Averages or minima over spans of time, shape (spans, rows)."""
        out = np.empty((len(spans), self._rows.shape[1]), np.float32)
        kernel(self._rows, self._at + self._n, spans, out)
        return out

    def reset(self) -> None:
        self._at = -1


class ContextStream:
    """Twin of :meth:`Context.stack` that takes one frame at a time; the context must not look ahead."""

    def __init__(self, context: Context):
        self.context = context
        n, F, B = context.past + 1, context.n_bins, context.n_bands
        sizes = {"V": F, "bands": B, "smooth": F, "smooth_bands": B}
        if context.needs_mask:
            sizes |= {"noise": F, "share": F, "noise_bands": B, "speech_bands": B}
        repeated = ("V", "smooth", "smooth_bands")  # what minima are taken of
        self._past = {name: _History(n, size, name in repeated) for name, size in sizes.items()}
        spans = {name: getattr(context, name) for name in _SPANS} | {"newest": ((1 - context.smooth, 0),)}
        self._spans = {name: np.array(value, np.int64).reshape(-1, 2) for name, value in spans.items()}
        self._stack = np.empty(context.n_rows, np.float32)
        self._tracked = np.empty((context.n_tracked, F + B), np.float32)

    def push(self, v: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Stack (D,) and tracked atoms (J, F + B) of the frame v, shape (F,), and its mask by the stage before."""
        c, past, spans = self.context, self._past, self._spans
        past["V"].push(v)
        bands = c.bands @ v
        past["bands"].push(bands)
        smooth = past["V"].over(spans["newest"], means_of_past)[0]
        past["smooth"].push(smooth)
        past["smooth_bands"].push(c.bands @ smooth)
        parts = [v, past["bands"].over(spans["means"], means_of_past).ravel()]
        parts += [past["smooth_bands"].over(spans["minima"], minima_of_past).ravel()]
        atoms = list(past["smooth"].over(spans["floors"], minima_of_past))
        if mask is not None:
            noise = v * (1 - mask)
            past["noise"].push(noise)
            past["share"].push(1 - mask)
            noise_bands = c.bands @ noise
            past["noise_bands"].push(noise_bands)
            past["speech_bands"].push(np.maximum(bands - noise_bands, 0))
            parts += [past["speech_bands"].over(spans["speech_means"], means_of_past).ravel()]
            parts += [past["noise_bands"].over(spans["noise_means"], means_of_past).ravel()]
            heard, shares = (past[name].over(spans["noise_spectra"], means_of_past) for name in ("noise", "share"))
            atoms += list(heard / (shares + LEAST_SHARE))
            if c.estimates:
                atoms += [v * mask, noise]
        np.concatenate(parts, out=self._stack)
        for atom, row in zip(atoms, self._tracked, strict=True):
            row[: c.n_bins] = atom
            np.dot(c.bands, atom, out=row[c.n_bins :])
        scale = c.scale(self._stack)
        self._stack *= scale
        self._tracked *= scale
        return self._stack, self._tracked

    def reset(self) -> None:
        """Forget all that was heard."""
        for history in self._past.values():
            history.reset()


class StageStream:
    """Twin of a `Stage` that takes one frame at a time."""

    def __init__(self, stage: Stage):
        self.stage, self.context = stage, ContextStream(stage.context)
        self._start = [stage.P[name].astype(np.float32) for name in ("start", "tracked_start")]

    def push(self, v: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F,) of the frame v and its mask by the stage before."""
        stack, tracked = self.context.push(v, mask)
        h, a = (start.copy() for start in self._start)
        for u in self.stage.layers:
            update_frame(
                u.W, u.against, h, stack, tracked, u.gains, u.folded, a, u.weights, len(v), EPS,
                u.denominator, u.relaxation, u.tracked_penalty, LEAST, MOST_LOG2,
            )  # fmt: skip
        S, N = self.stage.shares(h[:, None], a[:, None], tracked[:, :, None])
        return S[:, 0], N[:, 0]


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

    def push(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F,) for the compressed magnitude v of one frame, shape (F,)."""
        mask = None
        for stage in self._stages:
            S, N = stage.push(v, mask)
            if self._profile is not None:
                S, N = (X[:, 0] for X in refined(v[:, None], S[:, None], N[:, None], self._profile))
            mask = power_mask(S, N)
        return S, N

    def reset(self) -> None:
        """Forget all that was heard."""
        for stage in self._stages:
            stage.context.reset()
