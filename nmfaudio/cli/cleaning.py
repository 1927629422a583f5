"""Denoise one file after the other with the same options, whatever happens to one of them."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import locate
from ..denoising.denoiser import Denoiser
from ..denoising.files import noise_of_part, process_file
from ..errors import NmfaudioError
from ..files import PathLike, is_same, state_of
from .console import explained
from .pipes import readable, writable


@dataclass(frozen=True)
class Job:
    """A file to clean; "-" is standard input or output. One with an error cannot be cleaned.

    One that replaces its source has the state of it when the command began: if a worker dies after that, another would
    clean the file a second time.
    """

    source: str
    target: str
    residual: str | None = None
    error: str | None = None
    state: tuple[int, int, int] | None = None

    @property
    def targets(self) -> list[str]:
        """Files that are written."""
        return [] if self.error else [self.target] if self.residual is None else [self.target, self.residual]


@dataclass(frozen=True)
class Options:
    """Options of `denoise` that are the same for all files.

    Parameters
    ----------
    sound
        Arguments of `nmfaudio.Denoiser`; the noise may be a part of each file, in seconds.
    file
        Arguments of `nmfaudio.denoising.files.process_file`.
    make_folders
        Make the folders of outputs.
    skip_existing
        Pass over files whose outputs exist.
    overwrite
        Replace outputs that exist.
    in_place
        Replace inputs by their outputs.
    verbose
        Print tracebacks.
    """

    sound: dict[str, Any]
    file: dict[str, Any]
    make_folders: bool = False
    skip_existing: bool = False
    overwrite: bool = False
    in_place: bool = False
    verbose: bool = False


def failed(job: Job, error: str) -> dict[str, Any]:
    """Make the result of a job that could not be done."""
    return {"input": job.source, "output": job.target, "status": "failed", "error": error}


class Cleaner:
    """Clean one file after the other.

    Parameters
    ----------
    options
        Options for all of them.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        noise = options.sound["noise"]
        self._part = noise if isinstance(noise, tuple) else None
        self.denoiser = Denoiser(**{**options.sound, "noise": None if self._part else noise})

    def compile(self) -> None:
        """Use the denoiser, so that all that it needs is compiled."""
        self.denoiser(np.random.default_rng(0).standard_normal(10_000, np.float32), 16000)

    def attempt(self, job: Job, progress: Callable[[float], None] = lambda part: None) -> dict[str, Any]:
        """Clean a file and return the result, for an error too, so that other files can go on."""
        began = time.perf_counter()
        options = self.options
        if job.error:
            return failed(job, f"{job.source}: {job.error}")
        targets = [Path(path) for path in job.targets if path != "-"]
        replaced = [job.source] if options.in_place else []
        existing = [path for path in targets if path.is_file() and not any(is_same(path, other) for other in replaced)]
        if options.skip_existing and existing and existing == targets:
            return {"input": job.source, "output": job.target, "status": "skipped"}
        try:
            if job.state not in (None, state_of(job.source)):
                raise NmfaudioError(
                    f"{job.source}: has changed since the command began, and may be clean already: look at it before "
                    "you clean it again"
                )
            if existing and not options.overwrite:
                if job.source != "-" and not locate(job.source).exists():
                    raise NmfaudioError(f"{job.source}: no such file")
                remedy = "--overwrite" if options.skip_existing else "--overwrite or --skip-existing"
                raise NmfaudioError(f"{existing[0]}: exists already: give {remedy}")
            if options.make_folders:
                for path in targets:
                    path.parent.mkdir(parents=True, exist_ok=True)
            facts = self._clean(job, progress)
        except Exception as error:
            if options.verbose and not isinstance(error, NmfaudioError):
                traceback.print_exc()
            files = [job.source, *job.targets, "standard input", "standard output"]
            return failed(job, explained(error, files, "-v shows where"))
        names = {"input": job.source, "output": job.target}
        return {**names, "status": "done", **facts, **names, "elapsed_s": round(time.perf_counter() - began, 3)}

    def _clean(self, job: Job, progress: Callable[[float], None]) -> dict[str, Any]:
        with ExitStack() as places:
            source = places.enter_context(readable(job.source))
            target, *residual = (places.enter_context(writable(path)) for path in job.targets)
            self.learn_noise(source)
            report = process_file(
                self.denoiser,
                source,
                target,
                residual=residual[0] if residual else None,
                overwrite=self.options.overwrite,
                in_place=self.options.in_place,
                progress=progress,
                **self.options.file,
            )
        return asdict(report)

    def learn_noise(self, source: PathLike) -> None:
        """Learn the noise from a part of this file, if the options name one."""
        if self._part is not None:
            dictionary = self.denoiser.dictionary
            profile = noise_of_part(source, self._part, dictionary)
            self.denoiser = Denoiser(**{**self.options.sound, "dictionary": dictionary, "noise": profile})
