"""`nmfaudio evaluate`: score noisy speech before and after denoising."""

import argparse
import csv
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import audio, metrics
from ..compute.processes import workers
from ..errors import NmfaudioError
from ..files import check_output, replacing
from ..training.data.corpus import list_files
from .console import BAD_INPUT, OK, SOME_FAILED, progress_bar, say
from .options import absolute, add_workers

DESCRIPTION = """Score noisy speech before and after denoising, against the clean recordings:
wide-band PESQ, ESTOI and SI-SDR at 16 kHz in one channel, for each file and in
the mean. Files of the folders belong together if their names are equal up to
the suffix. Needs the extra: pip install 'nmfaudio[eval]'"""
SR = 16000
_LARGEST_DIFFERENCE = SR // 100  # samples that resampling and codecs may add or lose

COLUMNS = {"PESQ": "pesq", "ESTOI": "estoi", "SI-SDR": "si_sdr_db"}
"""Name of each of `nmfaudio.metrics.MEASURES` in the CSV."""


class Job(NamedTuple):
    """One recording to score: the enhanced file, or without one the noisy file denoised with the dictionary."""

    name: str
    clean: Path
    noisy: Path
    enhanced: Path | None
    dictionary: str


class Scores(NamedTuple):
    """Values in the order of `nmfaudio.metrics.MEASURES`, of the noisy file and of the enhanced or denoised one."""

    before: tuple[float, ...]
    after: tuple[float, ...]


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    parser = subparsers.add_parser("evaluate", description=DESCRIPTION)
    parser.add_argument("--clean", type=Path, required=True, metavar="DIR", help="clean recordings")
    parser.add_argument("--noisy", type=Path, required=True, metavar="DIR", help="the same recordings with noise")
    after = parser.add_mutually_exclusive_group()
    after.add_argument("--enhanced", type=Path, metavar="DIR", help="score these files instead of denoising --noisy")
    after.add_argument(
        "-d", "--dictionary", default="speech", metavar="NAME|FILE", help="denoise with it (default: speech)"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the scores to FILE too, a row for each file")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    add_workers(parser)


def run(args: argparse.Namespace) -> int:
    """Score all files, print a line for each as it is done, then the mean."""
    for library in ("pesq", "pystoi"):
        metrics.library(library)
    if args.csv:
        check_output(args.csv, overwrite=args.overwrite)
    jobs = find_jobs(args.clean, args.noisy, args.enhanced, absolute(args.dictionary))
    if args.enhanced is None:
        _denoiser(args.dictionary)  # an unknown one is an error of the command, not of each file
    width = max(len("mean"), *(len(job.name) for job in jobs))
    print(" " * width + "".join(f"  {name + ' (dB)' * name.startswith('SI'):>15}" for name in metrics.MEASURES))
    print(f"{'file':{width}}" + "   before   after" * len(metrics.MEASURES))
    done: dict[str, Scores] = {}
    with ExitStack() as stack:
        csv_path = stack.enter_context(replacing(args.csv)) if args.csv else None
        progress = stack.enter_context(progress_bar("scoring", shown=not sys.stdout.isatty()))
        each = stack.enter_context(workers(args.jobs, args.scheduler))
        for i, (job, scores) in enumerate(zip(jobs, each(_score_or_error, jobs), strict=True)):
            progress((i + 1) / len(jobs))
            if isinstance(scores, NmfaudioError):
                say(f"nmfaudio evaluate: error: {job.name}: {scores}")
            else:
                done[job.name] = scores
                print(_line(job.name, width, scores), flush=True)
        if done:
            mean = Scores(*(tuple(np.mean(values, axis=0)) for values in zip(*done.values(), strict=True)))
            gains = (after - before for before, after in zip(*mean, strict=True))
            print(_line("mean", width, mean))
            print(f"{'gain':{width}}" + "".join(f"  {gain:+15.3f}" for gain in gains))
        if csv_path:
            _write_csv(csv_path, {**done, "mean": mean} if done else {})
    if len(done) == len(jobs):
        return OK
    say(f"nmfaudio evaluate: {len(jobs) - len(done)} of {len(jobs)} files are not in the mean")
    return SOME_FAILED if done else BAD_INPUT


def find_jobs(clean: Path, noisy: Path, enhanced: Path | None, dictionary: str) -> list[Job]:
    """Find the clean file and, where wanted, the enhanced file of every noisy one.

    Raises
    ------
    NmfaudioError
        If a folder holds no sound, two files of one name, or none of a noisy file's name.
    """
    noisy_files, clean_files = _by_name(noisy), _by_name(clean)
    enhanced_files = _by_name(enhanced) if enhanced else dict.fromkeys(noisy_files)
    for folder, files in ((clean, clean_files), (enhanced, enhanced_files)):
        missing = [name for name in noisy_files if name not in files]
        if missing:
            raise NmfaudioError(
                f"{folder}: has no file {missing[0]!r} to go with {noisy_files[missing[0]]} "
                f"({len(missing)} of {len(noisy_files)} missing)"
            )
    return [Job(name, clean_files[name], path, enhanced_files[name], dictionary) for name, path in noisy_files.items()]


def score(job: Job) -> Scores:
    """Score one recording before and after.

    Raises
    ------
    NmfaudioError
        If a file cannot be read, lengths differ, or a measure is not defined, as for silence.
    """
    y, sr = audio.read(job.noisy)
    after = audio.read(job.enhanced) if job.enhanced else (_denoiser(job.dictionary)(y, sr), sr)
    signals = [
        audio.resample(z.mean(axis=0, dtype=np.float64), sr_z, SR)
        for z, sr_z in (audio.read(job.clean), (y, sr), after)
    ]
    lengths = [len(z) for z in signals]
    if max(lengths) - min(lengths) > _LARGEST_DIFFERENCE:
        seconds = ", ".join(f"{n / SR:.3f}" for n in lengths)
        raise NmfaudioError(f"clean, noisy and denoised files last {seconds} s: cut them to the same part")
    reference, *estimates = (z[: min(lengths)] for z in signals)
    return Scores(*(tuple(measure(reference, e, SR) for measure in metrics.MEASURES.values()) for e in estimates))


def _score_or_error(job: Job) -> Scores | NmfaudioError:
    try:
        return score(job)
    except NmfaudioError as error:
        return error


@lru_cache(maxsize=1)
def _denoiser(dictionary: str) -> Callable[[np.ndarray, int], np.ndarray]:
    """Load the denoiser once in each process."""
    from ..denoising.denoiser import Denoiser

    return Denoiser(dictionary)


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise NmfaudioError(f"{folder}: no such folder")
    folder = folder.absolute()
    files: dict[str, Path] = {}
    for path in list_files(folder):
        name = str(path.relative_to(folder).with_suffix(""))
        if name in files:
            raise NmfaudioError(f"{path}: has the name of {files[name]}; keep one of the two")
        files[name] = path
    return files


def _line(name: str, width: int, scores: Scores) -> str:
    return f"{name:{width}}" + "".join(f"  {b:7.3f} {a:7.3f}" for b, a in zip(*scores, strict=True))


def _write_csv(path: Path, rows: dict[str, Scores]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", *(f"{when}_{name}" for when in Scores._fields for name in COLUMNS.values())])
        table.writerows([name, *(f"{value:.4f}" for value in (*s.before, *s.after))] for name, s in rows.items())
