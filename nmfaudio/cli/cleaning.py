"""One file for `denoise`: from where it is read to where it is written, in constant memory."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import audio
from ..audio import ffmpeg
from ..errors import AudioError, NmfaudioError

BLOCK_S = 2.0


@dataclass(frozen=True)
class Job:
    """A file to clean; "-" is standard input or output."""

    source: str
    target: str
    residual: str | None = None

    @property
    def targets(self) -> list[str]:
        """What is written."""
        return [self.target] if self.residual is None else [self.target, self.residual]


def failed(job: Job, error: str) -> dict[str, Any]:
    """Give the result of a job that could not be done."""
    return {"input": job.source, "output": job.target, "status": "failed", "error": error}


class Cleaner:
    """Cleans one file after the other with the same options.

    Parameters
    ----------
    args
        Options of `denoise`.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.denoiser = self._denoiser(args.dictionary, None if isinstance(args.noise, tuple) else args.noise)

    def _denoiser(self, dictionary: Any, noise: Any) -> Any:
        from ..denoising.denoiser import Denoiser

        return Denoiser(
            dictionary,
            noise=noise,
            attenuation_limit_db=self.args.attenuation_limit,
            strength=self.args.strength,
            channels=self.args.channels,
        )

    def listen(self, source: Path, start_s: float, stop_s: float) -> None:
        """Learn the noise from a part of the file."""
        from ..denoising.noise_profile import LONGEST_S, noise_profile

        y, sr = audio.read(source, start_s=start_s, stop_s=min(stop_s, start_s + LONGEST_S))
        try:
            profile = noise_profile(y, sr, self.denoiser.dictionary)
        except AudioError as error:
            raise AudioError(f"{source}: {error}") from error
        self.denoiser = self._denoiser(self.denoiser.dictionary, profile)

    def attempt(self, job: Job, progress: Callable[[float], None] = lambda part: None) -> dict[str, Any]:
        """Clean a file, and say how it went: never an exception, so that other files can go on."""
        began = time.perf_counter()
        targets = [Path(path) for path in job.targets if path != "-"]
        existing = [path for path in targets if path.is_file()]
        if self.args.skip_existing and existing and existing == targets:
            return {"input": job.source, "output": job.target, "status": "skipped"}
        try:
            if existing and not self.args.overwrite:
                remedy = "--overwrite" if self.args.skip_existing else "--overwrite or --skip-existing"
                raise NmfaudioError(f"{existing[0]}: exists already: give {remedy}")
            if self.args.out_dir is not None:
                for path in targets:
                    path.parent.mkdir(parents=True, exist_ok=True)
            facts = self.clean(job, progress)
        except Exception as error:
            if self.args.verbose and not isinstance(error, NmfaudioError):
                traceback.print_exc()
            return failed(job, _explained(error, job))
        elapsed_s = round(time.perf_counter() - began, 3)
        return {"input": job.source, "output": job.target, "status": "done", **facts, "elapsed_s": elapsed_s}

    def clean(self, job: Job, progress: Callable[[float], None]) -> dict[str, Any]:
        """Clean a file, and give what is worth reporting."""
        with ExitStack() as files:
            source = files.enter_context(_readable(job.source))
            header = audio.info(source)
            start_s = self.args.start or 0.0
            duration_s = min(self.args.end or math.inf, header.duration_s) - start_s
            if duration_s <= 0:
                where = f" after {start_s:g} s" if header.frames else " in it"
                raise AudioError(f"{job.source}: has no sound{where}")
            if isinstance(self.args.noise, tuple):
                self.listen(source, *self.args.noise)
            outputs = []
            for path in job.targets:
                like = header.written_to(path, self.args.format, self.args.subtype)
                if header.picture and like.format.lower() in ffmpeg.PICTURED and (self.args.start or self.args.end):
                    raise AudioError(f"{path}: --start and --end cut sound, not pictures: give an output such as .wav")
                outputs.append(files.enter_context(audio.open_like(files.enter_context(_writable(path)), like)))
            blocks = audio.blocks(source, BLOCK_S, start_s=start_s, stop_s=self.args.end)
            heard = _Heard(blocks, len(outputs) > 1, lambda frames: progress(frames / header.sr / duration_s))
            power = 0.0
            for y in self.denoiser.process_blocks(heard, header.sr):
                power += _power(y)
                outputs[0].write(y)
                if len(outputs) > 1:
                    outputs[1].write(heard.take(y.shape[1]) - y)
            if not heard.frames:
                raise AudioError(f"{job.source}: has no sound in it")
        n_samples = heard.frames * header.channels
        return {
            "sr": header.sr,
            "channels": header.channels,
            "duration_s": round(heard.frames / header.sr, 6),
            "level_in_db": _level_db(heard.power / n_samples),
            "level_out_db": _level_db(power / n_samples),
            "clipped_samples": outputs[0].clipped,
        }


class _Heard:
    """Blocks on their way to the denoiser: counted, measured, and kept if the residual needs them."""

    def __init__(self, blocks: Iterator[NDArray[np.float32]], keep: bool, progress: Callable[[int], None]) -> None:
        self._blocks = blocks
        self._keep = keep
        self._kept: list[NDArray[np.float32]] = []
        self._progress = progress
        self.frames = 0
        self.power = 0.0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for y in self._blocks:
            self._progress(self.frames)
            self.frames += y.shape[1]
            self.power += _power(y)
            if self._keep:
                self._kept.append(y.copy())  # a copy, should the denoiser work in place
            yield y

    def take(self, frames: int) -> NDArray[np.float32]:
        """Give the oldest samples that were kept."""
        kept = self._kept[0] if len(self._kept) == 1 else np.concatenate(self._kept, axis=1)
        self._kept = [kept[:, frames:]]
        return kept[:, :frames]


def _power(y: NDArray[np.float32]) -> float:
    return float(np.square(y, dtype=np.float64).sum())


def _level_db(power: float) -> float | None:
    return round(10 * math.log10(power), 2) if power > 0 else None


@contextmanager
def _readable(source: str) -> Iterator[Path]:
    """Give the file to read: for standard input and pipes a copy, as sound files need seeking."""
    if source != "-" and not _is_device(source):
        yield Path(source)
        return
    with _temporary("standard input" if source == "-" else source) as copy, copy.open("wb") as f:
        if source == "-":
            if sys.stdin.isatty():
                raise AudioError("standard input: nothing is piped in")
            shutil.copyfileobj(sys.stdin.buffer, f)
        else:
            with open(source, "rb") as pipe:
                shutil.copyfileobj(pipe, f)
        f.flush()
        yield copy


@contextmanager
def _writable(target: str) -> Iterator[Path]:
    """Give the file to write: for standard output and pipes one that is copied there when it is whole."""
    if target != "-" and not _is_device(target):
        yield Path(target)
        return
    with _temporary("standard output" if target == "-" else target) as whole:
        yield whole
        try:
            with whole.open("rb") as f:
                if target == "-":
                    shutil.copyfileobj(f, sys.stdout.buffer)
                    sys.stdout.buffer.flush()
                else:
                    with open(target, "wb") as pipe:
                        shutil.copyfileobj(f, pipe)
        except OSError as error:
            raise AudioError(f"{whole}: cannot be written ({error.strerror})") from error


def _is_device(path: str) -> bool:
    return Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir()


@contextmanager
def _temporary(name: str) -> Iterator[Path]:
    """Give a file for a while, which error messages call by the name that the user knows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sound")
        try:
            yield path
        except NmfaudioError as error:
            raise type(error)(str(error).replace(str(path), name)) from error


def _explained(error: Exception, job: Job) -> str:
    if isinstance(error, OSError):
        text = f"{error.filename or job.target}: {error.strerror or error}"
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    elif isinstance(error, NmfaudioError):
        text = str(error)
    else:
        text = f"unexpected {type(error).__name__}: {error} (-v shows where)"
    return text if ": " in text and not text.startswith("unexpected") else f"{job.source}: {text}"
