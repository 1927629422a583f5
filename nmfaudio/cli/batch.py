"""Many files for `denoise`: list them, clean them one after the other or side by side, and report."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

from .. import __version__
from ..audio import FORMATS_OF_SUFFIX, SUFFIXES
from ..compute.processes import workers
from ..errors import AudioError, NmfaudioError
from ..files import check_output, is_device, is_same, replacing
from ..report import report_file
from .cleaning import Cleaner, Job, Options, failed
from .console import BAD_INPUT, OK, SOME_FAILED, progress_bar, say
from .options import absolute, denoiser_options, format_options, is_page


def run_batch(args: argparse.Namespace) -> int:
    """Clean all files; return the exit code."""
    jobs = plan(args)
    in_place = sum(job.source != "-" and is_same(job.source, job.target) for job in jobs)
    if in_place and args.overwrite and not args.quiet:
        say(f"denoise: {in_place} input{'s' * (in_place > 1)} will be replaced by what comes out (--overwrite)")
    results = []
    for result in _each(jobs, args):
        results.append(result)
        if result["status"] == "failed":
            say(f"denoise: error: {result['error']}")
        elif args.verbose or (sys.stderr.isatty() and not args.quiet):
            say(_line(result))
    counts = {status: sum(r["status"] == status for r in results) for status in ("done", "skipped", "failed")}
    if len(jobs) > 1 and not args.quiet:
        say(f"{len(jobs)} files: " + ", ".join(f"{n} {status}" for status, n in counts.items() if n))
    if args.report and not is_page(args.report):
        _write_report(Path(args.report), args, results)
    if not counts["failed"]:
        return OK
    return BAD_INPUT if counts["failed"] == len(jobs) else SOME_FAILED


def plan(args: argparse.Namespace) -> list[Job]:
    """List the files to read and write."""
    if args.scheduler is not None and "-" in args.paths:
        raise NmfaudioError("standard input and output are not on the machines of a cluster: give files")
    if args.end is not None and (args.start or 0.0) >= args.end:
        raise NmfaudioError(f"--start {args.start or 0:g} s is not before --end {args.end:g} s")
    jobs = [_single(args)] if args.out_dir is None else list(dict.fromkeys(_mirrored(args)))
    if args.save_profile is not None:
        _check_profile(args, jobs)
    if args.report and is_page(args.report) and (len(jobs) > 1 or jobs[0].source == "-"):
        raise NmfaudioError(f"{args.report}: a page shows one sound file: give one, or a report that ends in .json")
    sources: dict[str, str] = {}
    for job in jobs:
        for target in job.targets:
            other = sources.setdefault(os.path.realpath(target), job.source)
            if other != job.source:
                raise NmfaudioError(f"{other} and {job.source} would both become {target}: rename one")
        for other in _inputs(jobs):
            if job.residual is not None and is_same(job.residual, other):
                raise NmfaudioError(f"{job.residual}: the residual would replace the input {other}: name another place")
        if len({os.path.realpath(target) for target in job.targets}) < len(job.targets):
            raise NmfaudioError(f"{job.target}: the output and the residual need different places")
    if args.report:
        if os.path.realpath(args.report) in sources:
            raise NmfaudioError(f"{args.report}: the report and the sound need different places")
        check_output(args.report, overwrite=args.overwrite, inputs=_inputs(jobs))
    return jobs


def _inputs(jobs: list[Job]) -> list[str]:
    return [job.source for job in jobs if job.source != "-"]


def _check_profile(args: argparse.Namespace, jobs: list[Job]) -> None:
    if args.noise is None:
        raise NmfaudioError(f"{args.save_profile}: nothing to learn a profile from: give --noise")
    if isinstance(args.noise, tuple) and len(jobs) > 1:
        raise NmfaudioError(f"{args.save_profile}: each input has a profile of its own: give one input at a time")
    check_output(args.save_profile, overwrite=args.overwrite, inputs=_inputs(jobs))


def _single(args: argparse.Namespace) -> Job:
    if len(args.paths) != 2:
        raise NmfaudioError(f"{args.paths[0]}: where to? Give one input and one output, or --out-dir FOLDER")
    source, target = args.paths
    if Path(source).is_dir():
        raise NmfaudioError(f"{source}: is a folder: give --out-dir FOLDER for what comes out of it")
    if Path(target).is_dir() and source != "-":
        target = str(Path(target, _renamed(Path(Path(source).name), args.format)))
    return Job(source, target, args.residual)


def _mirrored(args: argparse.Namespace) -> Iterator[Job]:
    outputs = [Path(folder) for folder in (args.out_dir, args.residual) if folder is not None]
    for path in args.paths:
        for source, name in _found(Path(path), outputs):
            name = _renamed(name, args.format)
            residual = None if args.residual is None else str(Path(args.residual, name))
            yield Job(str(source), str(Path(args.out_dir, name)), residual)


def _found(path: Path, outputs: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield the sound files that a path stands for, each with its name below the output folder.

    Folders that are written to are passed over, and so are pipes, which might wait for ever.
    """
    if str(path) == "-":
        raise NmfaudioError("standard input has no name to use in --out-dir: give an output file")
    if not path.is_dir():
        yield path, Path(path.name)
        return
    empty = True
    for folder, folders, names in os.walk(path):
        written = [f for f in folders if any(_same(Path(folder, f), output) for output in outputs)]
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in written)
        for name in sorted(names):
            sound = Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
            if sound and not is_device(Path(folder, name)):
                empty = False
                yield Path(folder, name), Path(folder, name).relative_to(path)
    if empty:
        raise AudioError(f"{path}: no sound files in this folder")


def _same(a: Path, b: Path) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)


def _renamed(name: Path, format: str | None) -> Path:
    if format is None or format.upper() in FORMATS_OF_SUFFIX.get(name.suffix.lower(), ()):
        return name
    return name.with_suffix(f".{format.lower()}")


def _each(jobs: list[Job], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    options = Options(
        denoiser_options(args),
        {"start_s": args.start, "stop_s": args.end, **format_options(args)},
        make_folders=args.out_dir is not None,
        skip_existing=args.skip_existing,
        overwrite=args.overwrite,
        verbose=args.verbose,
    )
    cleaner = Cleaner(options)  # here even for many processes: an option that cannot be used is one error, not many
    if args.scheduler is not None or (args.jobs > 1 and len(jobs) > 1):
        with progress_bar(f"{len(jobs)} files", shown=not args.quiet) as progress:
            for n_done, result in enumerate(_elsewhere(jobs, options, args.jobs, args.scheduler), 1):
                yield result
                progress(n_done / len(jobs))
    else:
        yield from _one_by_one(jobs, args, cleaner)
    if args.save_profile is not None and cleaner.denoiser.noise is not None:  # none if its only input was bad
        cleaner.denoiser.noise.save(args.save_profile)


def _one_by_one(jobs: list[Job], args: argparse.Namespace, cleaner: Cleaner) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(jobs, 1):
        label = job.source if len(jobs) == 1 else f"{number}/{len(jobs)}  {job.source}"
        with progress_bar(label, shown=not args.quiet) as progress:
            result = cleaner.attempt(job, progress)
        if args.report and is_page(args.report) and result["status"] == "done":
            command, start_s, stop_s = args.command_line, args.start, args.end
            report_file(job.source, args.report, cleaner.denoiser, command=command, start_s=start_s, stop_s=stop_s)
        yield result


def _elsewhere(jobs: list[Job], options: Options, n_jobs: int, scheduler: str | None) -> Iterator[dict[str, Any]]:
    """Clean in other processes, here or on a cluster."""
    n_workers = min(n_jobs, len(jobs))
    there = jobs
    if scheduler is not None:
        there = [Job(*(path and os.path.abspath(path) for path in astuple(job))) for job in jobs]
        sound = {**options.sound, **{name: absolute(options.sound[name]) for name in ("dictionary", "noise")}}
        options = replace(options, sound=sound)
    n_threads = max(1, (os.cpu_count() or 1) // n_workers)
    left = list(jobs)
    try:
        with workers(n_workers, scheduler, n_threads=n_threads) as each:
            for result in each(partial(_attempt, options), there):
                job = left.pop(0)
                yield {**result, "input": job.source, "output": job.target}
    except NmfaudioError as error:  # workers died
        yield from (failed(job, f"{job.source}: {error}") for job in left)


_there = threading.local()  # a worker may have threads, and a cleaner works on one file at a time


def _attempt(options: Options, job: Job) -> dict[str, Any]:
    if getattr(_there, "options", None) != options:
        _there.options, _there.cleaner = options, Cleaner(options)
    return _there.cleaner.attempt(job)


def _line(result: dict[str, Any]) -> str:
    if result["status"] == "skipped":
        return f"{result['input']}: skipped, {result['output']} exists"
    speed = result["duration_s"] / max(result["elapsed_s"], 1e-3)
    clipped = f", {result['clipped_samples']} samples clipped" if result["clipped_samples"] else ""
    return (
        f"{result['input']} -> {result['output']}: {result['duration_s']:.1f} s, {result['sr']} Hz, "
        f"{result['channels']} channel{'s' * (result['channels'] > 1)} in {result['elapsed_s']:.1f} s "
        f"({speed:.0f} x real time){clipped}"
    )


def _write_report(path: Path, args: argparse.Namespace, results: Iterable[dict[str, Any]]) -> None:
    report = {"nmfaudio": __version__, "options": vars(args), "files": list(results)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
