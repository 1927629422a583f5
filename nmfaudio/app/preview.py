"""Cleaned sound of any part of a recording at once, for any strength: the masks are kept, and the gain made of them."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .. import audio
from ..denoising.denoiser import Denoiser
from ..denoising.gain import GainRule
from ..denoising.music import MusicMeter
from ..display import brightest_db
from ..errors import AudioError, NmfaudioError
from ..report.numbers import Summary, loudness_lufs, summary
from ..report.pictures import RANGE_DB, ROWS, mel_rows, png
from ..spectra.blocks import overlap_add

_SAMPLED = 3000  # frames of the whole recording that numbers and outlines are estimated from
_FRAMES_A_COLUMN = 3  # of a picture, at most
_MOST_CHANNELS = 2  # that are played; of more, their mean
_PATIENCE_S = 1.0  # in which others can be answered, too

Powers = tuple[NDArray[np.floating], NDArray[np.floating]]


class Stopped(Exception):
    """The work is of no use any more."""


class NotYet(Exception):
    """The sound is not there: ask again."""


class Preview:
    """Recording and its masks, in files of a temporary folder that are read while they are written.

    `frames` are there so far: their masks, their sound, and what is left of it without steady lines and offset,
    which the masks are for.

    Parameters
    ----------
    source : path
        Sound file.
    denoiser : Denoiser
        Its strength and attenuation limit do not matter.
    folder : path
        Empty folder for the files.
    """

    def __init__(self, source: Path, denoiser: Denoiser, folder: Path) -> None:
        self.header = audio.info(source)
        self.frames = 0
        self.n_samples: int | None = None  # once they are all there
        self.elapsed_s = 0.0
        self.music_share = 0.0  # as far as is known
        self._source, self._denoiser = source, denoiser
        self._stft = denoiser.stft(self.header.sr)
        self.folder = folder
        self._paths = [folder / name for name in ("sound", "rest", "masks")]
        self._n_masks = self.header.channels if denoiser.channels == "independent" else 1
        self._peaks: list[NDArray[np.float32]] = []
        self._top_db: float | None = None  # level of the brightest colour
        self._stopped = self._failed = False
        self._more = threading.Condition()

    @property
    def sr(self) -> int:
        """Sampling rate in Hz."""
        return self.header.sr

    @property
    def n_played(self) -> int:
        """Channels that are played."""
        return self.header.channels if self.header.channels <= _MOST_CHANNELS else 1

    @property
    def duration_s(self) -> float:
        """Seconds of the recording, as its header says until they are known."""
        return self.header.duration_s if self.n_samples is None else self.n_samples / self.sr

    @property
    def part_done(self) -> float:
        """Part of the masks that is there, from 0 to 1."""
        if self.n_samples is not None:
            return 1.0
        return min(0.999, self.frames * self._stft.hop_length / max(1, self.header.frames))

    def stop(self) -> None:
        """End the work, and the waiting for it: other masks may take its place."""
        with self._more:
            self._stopped = True
            self._more.notify_all()

    def _fail(self) -> None:
        """Let nobody wait for what will not come."""
        with self._more:
            self._failed = True
            self._more.notify_all()

    def run(self, progress: Callable[[float], None]) -> None:
        """Compute the masks; raise `Stopped` if asked to."""
        began = time.perf_counter()
        self._check_room()
        hop, overlap, n_read = self._stft.hop_length, self._stft.overlap, 0
        music = MusicMeter(self.sr)
        with ExitStack() as files:
            sound, rest, masks = (files.enter_context(path.open("wb", buffering=0)) for path in self._paths)
            files.callback(self._fail)

            def blocks() -> Iterator[NDArray[np.float32]]:
                nonlocal n_read
                for y in audio.blocks(self._source):
                    sound.write(np.ascontiguousarray(y.T).tobytes())
                    n_read += y.shape[1]
                    music.push(y)
                    yield y

            def spectra() -> Iterator[NDArray[np.complexfloating]]:
                for Y, found in self._denoiser.masks(blocks(), self.sr):
                    if self._stopped:
                        raise Stopped
                    masks.write(np.stack(found).transpose(2, 0, 1).astype(np.float16).tobytes())
                    yield Y

            def silence(n: int) -> bytes:
                return np.zeros((n, self.header.channels), np.float32).tobytes()

            n_done = 0
            for file in (sound, rest):
                file.write(silence(overlap))
            for y in overlap_add(self._stft, spectra(), lambda: n_read):
                rest.write(np.ascontiguousarray(y.T).tobytes())
                n_done += y.shape[1]
                self._more_frames(n_done // hop)
                progress(self.part_done)
            for file in (sound, rest):
                file.write(silence(2 * self._stft.n_fft))
            self._more_frames(self._stft.n_frames(n_read))
            self.music_share = music.share
            self.elapsed_s = time.perf_counter() - began
            with self._more:
                self.n_samples = n_read
                self._more.notify_all()
            files.pop_all().close()

    def _check_room(self) -> None:
        header = self.header
        frames = header.frames / self._stft.hop_length
        needed = 8 * header.frames * header.channels + 2 * frames * self._n_masks * self._stft.n_bins
        if needed > shutil.disk_usage(self.folder).free:
            raise NmfaudioError(
                f"{self._source}: needs {needed / 1e9:.1f} GB for temporary files, and there is less room: make some"
            )

    def _more_frames(self, frames: int) -> None:
        """Let in the first frames up to this number, whose masks and sound are written."""
        hop = self._stft.hop_length
        start = self._stft.overlap + self.frames * hop
        y = self._samples(0, frames)[start : start + (frames - self.frames) * hop]  # zeros at the end fill the last hop
        if len(y):
            self._peaks.append(np.abs(y).reshape(frames - self.frames, -1).max(axis=1))
        with self._more:
            self.frames = frames
            self._more.notify_all()

    def _samples(self, which: int, frames: int) -> NDArray[np.float32]:
        """Sound (0) or what is left of it without its lines (1) under the first frames, shape (samples, channels).

        As many zeros as frames overlap lie in front, so that frame t begins t hops from there.
        """
        rows = frames * self._stft.hop_length + self._stft.overlap
        return np.memmap(self._paths[which], np.float32, "r", shape=(rows, self.header.channels))

    def _gains(self, frames: Any, rule: GainRule) -> NDArray[np.float32]:
        """Gains of some frames, shape (masks, F, frames)."""
        masks = np.memmap(self._paths[2], np.float16, "r", shape=(self.frames, self._n_masks, self._stft.n_bins))
        return rule(masks[frames].astype(np.float32)).transpose(1, 2, 0)

    def _spectra(self, which: int, frames: Any) -> NDArray[np.complexfloating]:
        """Spectra of some frames, shape (channels, F, frames)."""
        stft, samples = self._stft, self._samples(which, self.frames)
        y = sliding_window_view(samples, len(stft.analysis_window), axis=0)[:: stft.hop_length][frames]
        return np.fft.rfft(y * stft.analysis_window.astype(np.float32), stft.n_fft).transpose(1, 2, 0)

    def wait_for(self, stop_s: float) -> None:
        """Wait until the masks reach a time; raise `NotYet` if that takes long, or these masks never will."""
        stft = self._stft
        needed = -(-(round(stop_s * self.sr) + stft.overlap) // stft.hop_length)

        def there() -> bool:
            return self.n_samples is not None or self.frames >= needed

        with self._more:
            self._more.wait_for(lambda: there() or self._stopped or self._failed, _PATIENCE_S)
            if there():
                return
            if self._failed and not self._stopped:
                raise AudioError(f"{self._source}: cannot be cleaned as far as {stop_s:.1f} s")
            raise NotYet

    def sound(self, start_s: float, stop_s: float, rule: GainRule) -> NDArray[np.float32]:
        """Sound of a part before and after, shape (2, channels, samples); waits for it as `wait_for` does."""
        self.wait_for(stop_s)
        stft, hop = self._stft, self._stft.hop_length
        start, stop = round(start_s * self.sr), round(stop_s * self.sr)
        if self.n_samples is not None:
            stop = min(stop, self.n_samples)
        first, last = start // hop, stft.n_frames(stop)
        Z = self._spectra(1, slice(first, last)) * self._gains(slice(first, last), rule)
        cleaned = stft.synthesis(Z, max(0, Z.shape[-1] * hop - stft.overlap))[:, start - first * hop :]
        before, rest = (self._samples(which, last)[stft.overlap + start : stft.overlap + stop].T for which in (0, 1))
        both = np.stack([before, cleaned[:, : stop - start] + rule.least * (before - rest)])
        return both if self.n_played == self.header.channels else both.mean(axis=1, keepdims=True)

    def powers(self, frames: NDArray[np.int_], rule: GainRule) -> Powers:
        """Powers of some frames before and after, averaged over channels, shape (F, frames)."""
        X, R = self._spectra(0, frames), self._spectra(1, frames)
        Z = self._gains(frames, rule) * R + rule.least * (X - R)
        return (np.abs(X) ** 2).mean(axis=0), (np.abs(Z) ** 2).mean(axis=0)

    def picture(self, track: str, start_s: float, stop_s: float, columns: int, rule: GainRule) -> bytes:
        """Spectrogram of a part as PNG; black where the masks are not yet there."""
        hop = self._stft.hop_length
        first, last = int(start_s * self.sr / hop), max(int(stop_s * self.sr / hop), int(start_s * self.sr / hop) + 1)
        columns = min(columns, last - first)
        each = min(_FRAMES_A_COLUMN, -(-(last - first) // columns))
        frames = (first + (np.arange(columns * each) + 0.5) / (columns * each) * (last - first)).astype(int)
        there = frames[frames < self.frames]
        there = there[: len(there) // each * each]
        if self._top_db is None and self.frames:
            self.measure(rule)
        top_db = self._top_db or 0.0
        levels = np.full((ROWS, columns), top_db - RANGE_DB)
        if len(there):
            P, Q = self.powers(there, rule)
            power = P if track == "before" else Q if track == "after" else _removed(P, Q)
            means = power.reshape(len(power), -1, each).mean(axis=2)
            levels[:, : means.shape[1]] = mel_rows(means, self.sr / 2)
        return png(levels, top_db, effort=1)

    def peaks(self, rule: GainRule) -> NDArray[np.float32]:
        """Outline of the sound before, after and removed: the peak of each hop, shape (3, hops)."""
        before = np.concatenate(self._peaks) if self._peaks else np.zeros(1, np.float32)
        frames = self._some_frames()
        outline = [before]
        if len(frames):
            P, Q = self.powers(frames, rule)
            total = np.maximum(P.sum(axis=0), 1e-20)
            for part in (Q, _removed(P, Q)):
                outline.append(before * np.interp(np.arange(len(before)), frames, np.sqrt(part.sum(axis=0) / total)))
        whole = round(self.duration_s * self.sr / self._stft.hop_length)
        missing = max(0, whole - len(before))
        return np.pad(np.resize(outline, (3, len(before))), ((0, 0), (0, missing))).astype(np.float32)

    def measure(self, rule: GainRule) -> tuple[Summary, dict[str, float | None]]:
        """Measure what the gain does, and the loudness before and after."""
        frames = self._some_frames()
        P, Q = self.powers(frames, rule)
        stft = self._stft
        unit = np.float32(2 / (stft.n_fft * np.square(stft.analysis_window).sum()))  # to the mean square of samples
        self._top_db = brightest_db(mel_rows(P, self.sr / 2), RANGE_DB)  # the same for all rules
        seconds = max(self.frames * stft.hop_length / self.sr, 1e-3)
        facts = summary(P, Q, rule, float(unit * P.sum(axis=0).mean()), self.elapsed_s / seconds)
        parts = {"before": P, "after": Q}
        return facts, {name: loudness_lufs(unit * X, self.sr, self.header.channels) for name, X in parts.items()}

    def _some_frames(self) -> NDArray[np.int_]:
        n = min(self.frames, _SAMPLED)
        return (np.arange(n) * (self.frames / max(n, 1))).astype(int)


def _removed(P: NDArray[np.floating], Q: NDArray[np.floating]) -> NDArray[np.floating]:
    """Power of what a gain takes away, from the powers before and after."""
    removed: NDArray[np.floating] = (np.sqrt(P) - np.sqrt(np.minimum(P, Q))) ** 2
    return removed
