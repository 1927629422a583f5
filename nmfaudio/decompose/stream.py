"""Frame-by-frame twin of unfolded NMF for streams: the same numbers, from what was heard so far."""

import numpy as np

from ..errors import NmfaudioError
from ..gain import power_mask
from ..noise import refined
from .context import LEAST_SHARE, Context, Span
from .unfolded import Stage


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

    def over(self, span: Span) -> np.ndarray:
        now = self._at + self._n
        return self._rows[now + span[0] : now + span[1] + 1]

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
        self._stack = np.empty(context.n_rows, np.float32)
        self._tracked = np.empty((context.n_tracked, F + B), np.float32)

    def push(self, v: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Stack (D,) and tracked atoms (J, F + B) of the frame v, shape (F,), and its mask by the stage before."""
        c, past = self.context, self._past
        newest = (1 - c.smooth, 0)
        past["V"].push(v)
        bands = c.bands @ v
        past["bands"].push(bands)
        smooth = past["V"].over(newest).mean(axis=0)
        past["smooth"].push(smooth)
        past["smooth_bands"].push(c.bands @ smooth)
        parts = [v]
        parts += [past["bands"].over(span).mean(axis=0) for span in c.means]
        parts += [past["smooth_bands"].over(span).min(axis=0) for span in c.minima]
        atoms = [past["smooth"].over(span).min(axis=0) for span in c.floors]
        if mask is not None:
            noise = v * (1 - mask)
            past["noise"].push(noise)
            past["share"].push(1 - mask)
            noise_bands = c.bands @ noise
            past["noise_bands"].push(noise_bands)
            past["speech_bands"].push(np.maximum(bands - noise_bands, 0))
            parts += [past["speech_bands"].over(span).mean(axis=0) for span in c.speech_means]
            parts += [past["noise_bands"].over(span).mean(axis=0) for span in c.noise_means]
            for span in c.noise_spectra:
                share = past["share"].over(span).mean(axis=0)
                atoms.append(past["noise"].over(span).mean(axis=0) / (share + LEAST_SHARE))
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
        self._stages = [(stage, ContextStream(stage.context)) for stage in stages]

    def push(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F,) for the compressed magnitude v of one frame, shape (F,)."""
        mask = None
        for stage, context in self._stages:
            stack, tracked = context.push(v, mask)
            S, N = stage.of_frame(stack, tracked)
            if self._profile is not None:
                S, N = (X[:, 0] for X in refined(v[:, None], S[:, None], N[:, None], self._profile))
            mask = power_mask(S, N)
        return S, N

    def reset(self) -> None:
        """Forget all that was heard."""
        for _, context in self._stages:
            context.reset()
