"""`nmfaudio evaluate`: score noisy speech before and after denoising."""

import argparse
import csv
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import metrics
from ..compute.processes import workers
from ..errors import NmfaudioError
from ..evaluation import Scores, find_recordings, load_denoiser, score_or_error
from ..files import check_output, replacing
from .console import BAD_INPUT, OK, SOME_FAILED, compilation_bar, forget_stdout, printable, progress_bar, say
from .options import absolute, add_workers

DESCRIPTION = """Score noisy speech before and after denoising, against the clean recordings:
wide-band PESQ, ESTOI and SI-SDR at 16 kHz in one channel, for each file and in
the mean. Files of the two folders are paired by their names without suffix.
Needs the extra: pip install 'nmfaudio[eval]'"""
EXAMPLES = (
    "nmfaudio evaluate --clean clean/ --noisy noisy/ --csv scores.csv",
    "nmfaudio evaluate --clean clean/ --noisy noisy/ --enhanced of_another_program/",
)

COLUMNS = {"PESQ": "pesq", "ESTOI": "estoi", "SI-SDR": "si_sdr_db"}
"""Name of each of `nmfaudio.metrics.MEASURES` in the CSV."""


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    parser = subparsers.add_parser("evaluate", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("--clean", type=Path, required=True, metavar="DIR", help="clean recordings")
    parser.add_argument("--noisy", type=Path, required=True, metavar="DIR", help="the same recordings with noise")
    after = parser.add_mutually_exclusive_group()
    after.add_argument("--enhanced", type=Path, metavar="DIR", help="score these files instead of denoising --noisy")
    after.add_argument("-d", "--dictionary", default="speech", metavar="NAME", help="denoise with it")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the scores to FILE too, a row a file")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    add_workers(parser)


def run(args: argparse.Namespace) -> int:
    """Score all files, print a line for each as it is done, then the mean."""
    for library in ("pesq", "pystoi"):
        metrics.library(library)
    recordings = find_recordings(args.clean, args.noisy, args.enhanced, absolute(args.dictionary))
    if args.csv:
        inputs = {path for recording in recordings for path in recording[1:] if path and os.path.isfile(path)}
        check_output(args.csv, overwrite=args.overwrite, inputs=inputs)
    if args.enhanced is None:
        load_denoiser(args.dictionary)  # an unknown one is an error of the command, not of each file
    width = max(len("mean"), *(len(printable(recording.name)) for recording in recordings))
    show = partial(_show, goes_on=args.csv is not None)
    show(" " * width + "".join(f"  {name + ' (dB)' * name.startswith('SI'):>15}" for name in metrics.MEASURES))
    show(f"{'file':{width}}" + "   before   after" * len(metrics.MEASURES))
    done: dict[str, Scores] = {}
    with ExitStack() as stack:
        stack.enter_context(compilation_bar(shown=not sys.stdout.isatty()))
        progress = stack.enter_context(progress_bar("scoring", shown=not sys.stdout.isatty()))
        each = stack.enter_context(workers(args.jobs, args.scheduler))
        for i, (recording, scores) in enumerate(zip(recordings, each(score_or_error, recordings), strict=True)):
            progress((i + 1) / len(recordings))
            if isinstance(scores, NmfaudioError):
                say(f"nmfaudio evaluate: error: {recording.name}: {scores}")
            else:
                done[recording.name] = scores
                show(_line(recording.name, width, scores))
    if done:
        mean = _mean(list(done.values()))
        gains = (after - before for before, after in zip(*mean, strict=True))
        show(_line("mean", width, mean))
        show(f"{'gain':{width}}" + "".join(f"  {gain:+15.3f}" for gain in gains))
    if args.csv:
        with replacing(args.csv, overwrite=args.overwrite) as temporary:
            _write_csv(temporary, {**done, "mean": mean} if done else {})
    if len(done) == len(recordings):
        return OK
    say(f"nmfaudio evaluate: {len(recordings) - len(done)} of {len(recordings)} files are not in the mean")
    return SOME_FAILED if done else BAD_INPUT


def _show(line: str, goes_on: bool) -> None:
    """Print a line at once; who reads stdout may have enough, as `head` does, while a file is still to be written."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        if not goes_on:
            raise
        forget_stdout()


def _mean(scores: list[Scores]) -> Scores:
    """Compute the mean of all files; say where an infinite score is left out, which would hide the others."""
    values = np.array(scores)  # (files, 2, measures)
    infinite = ~np.isfinite(values).all(axis=1)
    for name, n in zip(metrics.MEASURES, infinite.sum(axis=0), strict=True):
        if n:
            say(
                f"nmfaudio evaluate: {name} is infinite for {n} of {len(scores)} files, equal to the clean ones or "
                "without anything of them: its mean leaves them out"
            )
    kept = np.ma.array(values, mask=np.repeat(infinite[:, None], 2, axis=1))
    return Scores(*map(tuple, kept.mean(axis=0).filled(np.nan)))


def _line(name: str, width: int, scores: Scores) -> str:
    return f"{printable(name):{width}}" + "".join(f"  {b:7.3f} {a:7.3f}" for b, a in zip(*scores, strict=True))


def _write_csv(path: Path, rows: dict[str, Scores]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:  # names as they are
        table = csv.writer(file)
        table.writerow(["file", *(f"{when}_{name}" for when in Scores._fields for name in COLUMNS.values())])
        table.writerows([name, *(f"{value:.4f}" for value in (*s.before, *s.after))] for name, s in rows.items())
