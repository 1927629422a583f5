"""Many files for `denoise`: what to read and write, one after the other or side by side, and what came of it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..audio import FORMATS_OF_SUFFIX, SUFFIXES
from ..compute.processes import workers
from ..errors import AudioError, NmfaudioError
from ..files import replacing
from .cleaning import Cleaner, Job, failed
from .console import BAD_INPUT, INTERRUPTED, OK, SOME_FAILED, Progress, say, seen_elsewhere, spare
from .report import is_page, write_page


def run_batch(args: argparse.Namespace) -> int:
    """Clean all files; return the exit code."""
    jobs = plan(args)
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
    """List what to read and write."""
    if args.scheduler is not None and "-" in args.paths:
        raise NmfaudioError("standard input and output are not on the machines of a cluster: give files")
    if args.end is not None and (args.start or 0.0) >= args.end:
        raise NmfaudioError(f"--start {args.start or 0:g} s is not before --end {args.end:g} s")
    jobs = [_single(args)] if args.out_dir is None else list(dict.fromkeys(_mirrored(args)))
    if args.save_profile is not None:
        _check_profile(args, len(jobs))
    if args.report and is_page(args.report) and (len(jobs) > 1 or jobs[0].source == "-"):
        raise NmfaudioError(f"{args.report}: a page shows one sound file: give one, or a report that ends in .json")
    sources: dict[str, str] = {}
    for job in jobs:
        for target in job.targets:
            other = sources.setdefault(os.path.realpath(target), job.source)
            if other != job.source:
                raise NmfaudioError(f"{other} and {job.source} would both become {target}: rename one")
        if len({os.path.realpath(target) for target in job.targets}) < len(job.targets):
            raise NmfaudioError(f"{job.target}: the output and the residual need different places")
    if args.report:
        if os.path.realpath(args.report) in sources:
            raise NmfaudioError(f"{args.report}: the report and the sound need different places")
        spare(args.report, args.overwrite)
    return jobs


def _check_profile(args: argparse.Namespace, n_jobs: int) -> None:
    if args.noise is None:
        raise NmfaudioError(f"{args.save_profile}: nothing to learn a profile from: give --noise")
    if isinstance(args.noise, tuple) and n_jobs > 1:
        raise NmfaudioError(f"{args.save_profile}: each input has a profile of its own: give one input at a time")
    spare(args.save_profile, args.overwrite)


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
    for path in args.paths:
        for source, name in _found(Path(path), Path(args.out_dir)):
            name = _renamed(name, args.format)
            residual = None if args.residual is None else str(Path(args.residual, name))
            yield Job(str(source), str(Path(args.out_dir, name)), residual)


def _found(path: Path, out_dir: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the sound files that a path stands for, each with its name below the output folder."""
    if str(path) == "-":
        raise NmfaudioError("standard input has no name to use in --out-dir: give an output file")
    if not path.is_dir():
        yield path, Path(path.name)
        return
    empty = True
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not _same(Path(folder, f), out_dir))
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
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
    cleaner = Cleaner(args)  # here even for many processes: an option that cannot be used is one error, not many
    if args.scheduler is not None:
        yield from _on_cluster(jobs, args)
    elif args.jobs > 1 and len(jobs) > 1:
        yield from _side_by_side(jobs, args)
    else:
        yield from _one_by_one(jobs, args, cleaner)
    if args.save_profile is not None and cleaner.denoiser.noise is not None:  # none if its only input was bad
        cleaner.denoiser.noise.save(args.save_profile)


def _one_by_one(jobs: list[Job], args: argparse.Namespace, cleaner: Cleaner) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(jobs, 1):
        label = job.source if len(jobs) == 1 else f"{number}/{len(jobs)}  {job.source}"
        with Progress(label, shown=not args.quiet) as progress:
            result = cleaner.attempt(job, progress)
        if args.report and is_page(args.report) and result["status"] == "done":
            write_page(Path(args.report), job.source, cleaner.denoiser, args)
        yield result


def _side_by_side(jobs: list[Job], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    n_workers = min(args.jobs, len(jobs))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):  # the workers share the cores
        os.environ.setdefault(name, str(max(1, (os.cpu_count() or 1) // n_workers)))
    with ProcessPoolExecutor(n_workers, get_context("spawn"), _start_worker, (args,)) as pool:
        futures = {pool.submit(_work, job): job for job in jobs}
        try:
            with Progress(f"{len(jobs)} files", shown=not args.quiet) as progress:
                for n_done, future in enumerate(as_completed(futures), 1):
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        job = futures[future]
                        yield failed(
                            job, f"{job.source}: its process died, perhaps for want of memory: try fewer --jobs"
                        )
                    progress(n_done / len(jobs))
        except BaseException:  # interrupted: the workers remove what they have begun
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in active_children():
                worker.terminate()
            raise


def _on_cluster(jobs: list[Job], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    there = [Job(*(path and os.path.abspath(path) for path in astuple(job))) for job in jobs]
    options = {"dictionary": seen_elsewhere(args.dictionary), "noise": seen_elsewhere(args.noise)}
    work = partial(_work_for, argparse.Namespace(**{**vars(args), **options}))
    with workers(scheduler=args.scheduler) as each, Progress(f"{len(jobs)} files", shown=not args.quiet) as progress:
        for n_done, (job, result) in enumerate(zip(jobs, each(work, there), strict=True), 1):
            yield {**result, "input": job.source, "output": job.target}
            progress(n_done / len(jobs))


_there = threading.local()  # a worker may have threads, and a cleaner works on one file at a time


def _work_for(args: argparse.Namespace, job: Job) -> dict[str, Any]:
    if getattr(_there, "args", None) != args:
        _there.args, _there.cleaner = args, Cleaner(args)
    return _there.cleaner.attempt(job)


_worker: Cleaner | None = None


def _start_worker(args: argparse.Namespace) -> None:
    for name in ("SIGINT", "SIGHUP"):  # these reach the whole group; the parent decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop_worker)
    global _worker
    _worker = Cleaner(args)


def _stop_worker(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: cleaning up must not be interrupted
    global _worker
    _worker = None
    sys.exit(INTERRUPTED)


def _work(job: Job) -> dict[str, Any]:
    if _worker is None:
        return failed(job, f"{job.source}: interrupted")
    return _worker.attempt(job)


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
