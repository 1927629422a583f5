"""Many files for `denoise`: list them, clean them one after the other or side by side, and report."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate
from os.path import abspath
from pathlib import Path
from typing import Any

from .. import __version__
from ..arguments import check_part
from ..audio import SUFFIXES
from ..compute.processes import workers
from ..denoising.music import is_harmed
from ..errors import AudioError, NmfaudioError
from ..files import check_output, identity, is_device, is_same, replacing, state_of
from ..folders import not_left_empty, walk
from ..report import report_file
from .cleaning import Cleaner, Job, Options, failed
from .console import BAD_INPUT, OK, SOME_FAILED, compilation_bar, progress_bar, say
from .options import absolute, denoiser_options, format_options, is_page
from .targets import check_quotes, has_outputs, mark_below, renamed, target_of


def run_batch(args: argparse.Namespace) -> int:
    """Clean all files; return the exit code."""
    with not_left_empty(_out_dirs(args)):
        jobs = plan(args)
        with not_left_empty({Path(path).parent for job in jobs for path in job.targets}):
            return _run(jobs, args)


def _run(jobs: list[Job], args: argparse.Namespace) -> int:
    prog = "nmfaudio denoise" if "command" in args else "denoise"
    results, unmarked = [], _out_dirs(args)  # a folder is marked once something is in it
    with compilation_bar(not args.quiet) as compilation:
        for result in _each(jobs, args):
            results.append(result)
            while unmarked and result["status"] == "done":
                mark_below(unmarked.pop(), args.paths)
            if result["status"] == "failed":
                say(f"{prog}: error: {result['error']}")
            elif args.verbose or (sys.stderr.isatty() and not args.quiet):
                say(_line(result, compilation.seconds if len(results) == 1 else 0.0))
            if not args.quiet and _harms_music(result):
                say(
                    f"warning: {result['input']}: is mostly music, of which {result['lowered_db']:.0f} dB were taken "
                    "off as noise: nmfaudio separate takes songs apart, --preset gentle removes less"
                )
    counts = {status: sum(r["status"] == status for r in results) for status in ("done", "skipped", "failed")}
    if len(jobs) > 1 and not args.quiet:
        say(f"{len(jobs)} files: " + ", ".join(f"{n} {status}" for status, n in counts.items() if n))
    if len(args.paths) == 1 and args.out_dir is None and counts["done"] and not args.quiet:
        print(jobs[0].target)
    if args.report and not is_page(args.report):
        _write_report(Path(args.report), args, results)
    if counts["skipped"] and not args.quiet:
        for path in _by_cleaning(args):
            say(f"warning: {path}: not made, as {jobs[0].source} was skipped: give --overwrite instead")
    if not counts["failed"]:
        return OK
    return BAD_INPUT if counts["failed"] == len(jobs) else SOME_FAILED


def plan(args: argparse.Namespace) -> list[Job]:
    """List the files to read and write."""
    if args.scheduler is not None and "-" in args.paths:
        raise NmfaudioError("standard input and output are not on the machines of a cluster: give files")
    if args.scheduler is not None and (here := _by_cleaning(args)):
        raise NmfaudioError(f"{here[0]}: is made where the file is cleaned, not on a cluster: leave out --scheduler")
    check_part(args.start, args.end)
    jobs = [_single(args)] if args.out_dir is None else list(dict.fromkeys(_mirrored(args)))
    if args.save_profile is not None:
        _check_profile(args, jobs)
    if args.report and is_page(args.report) and (len(jobs) > 1 or jobs[0].source == "-"):
        raise NmfaudioError(f"{args.report}: a page shows one sound file: give one, or a report that ends in .json")
    if args.in_place and args.report and is_page(args.report):
        raise NmfaudioError(f"{args.report}: a page needs the sound as it was: leave out --in-place")
    _check_places(jobs, args)
    for folder in _out_dirs(args):
        if not os.path.isdir(folder) and (os.path.exists(folder) or Path(folder).suffix.lower() in SUFFIXES):
            raise NmfaudioError(f"{folder}: names a file: give a folder for what comes out, or leave out -o")
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise NmfaudioError(f"{folder}: cannot be made ({error.strerror}): choose another place") from None
    if args.report:
        check_output(args.report, overwrite=_replaces(args))
    if args.in_place:
        jobs = [replace(job, state=state_of(job.source)) if is_same(job.source, job.target) else job for job in jobs]
    return jobs


def _out_dirs(args: argparse.Namespace) -> list[str]:
    """List the folders that files are written into."""
    return [] if args.out_dir is None else [folder for folder in (args.out_dir, args.residual) if folder]


def _by_cleaning(args: argparse.Namespace) -> list[str]:
    """List the files that come of the cleaning of the only input: a page, and a profile of a part of it."""
    page = args.report and is_page(args.report)
    profile = args.save_profile and isinstance(args.noise, tuple)
    return [path for path, asked in ((args.report, page), (args.save_profile, profile)) if asked]


def _replaces(args: argparse.Namespace) -> bool:
    """Tell whether a report and a profile replace those of the last run, as they must where what is done is skipped."""
    return args.overwrite or args.skip_existing


def _check_places(jobs: list[Job], args: argparse.Namespace) -> None:
    """Refuse outputs that would replace an input or each other."""
    others = [path for path in (args.noise, args.dictionary) if isinstance(path, str) and os.path.isfile(path)]
    inputs = {identity(path): path for path in [*others, *(job.source for job in jobs)]}
    places = [("output", job.target, job) for job in jobs if not job.error]
    places += [("residual", job.residual, job) for job in jobs if job.residual]
    places += [
        (kind, path, jobs[0]) for kind, path in (("profile", args.save_profile), ("report", args.report)) if path
    ]
    outputs: dict[Any, tuple[str, Job]] = {}
    for kind, path, job in places:
        if path == "-" or is_device(path):
            continue
        place = identity(path)
        if kind == "output" and place == identity(job.source):
            if not args.in_place:
                raise NmfaudioError(f"{path}: is the input itself: give --in-place to replace it")
        elif place in inputs:
            raise NmfaudioError(f"{path}: is also the input {inputs[place]}, which would be lost: choose another name")
        former, other = outputs.setdefault(place, (kind, job))
        if former != kind:
            raise NmfaudioError(f"{path}: the {former} and the {kind} need different places")
        if other is not job:
            raise NmfaudioError(f"{other.source} and {job.source} would both become {path}: rename one")


def _check_profile(args: argparse.Namespace, jobs: list[Job]) -> None:
    if args.noise is None:
        raise NmfaudioError(f"{args.save_profile}: nothing to learn a profile from: give --noise")
    if isinstance(args.noise, tuple) and len(jobs) > 1:
        raise NmfaudioError(f"{args.save_profile}: each input has a profile of its own: give one input at a time")
    check_output(args.save_profile, overwrite=_replaces(args))


def _single(args: argparse.Namespace) -> Job:
    source = args.paths[0]
    if not os.path.exists(source):
        check_quotes(source, args.paths)
    if len(args.paths) > 2:
        raise NmfaudioError(f"{source} and {len(args.paths) - 1} more: give -o FOLDER for what comes out of several")
    if Path(source).is_dir():
        raise NmfaudioError(f"{source}: is a folder: give -o FOLDER for what comes out of it")
    given = args.paths[1] if len(args.paths) > 1 else None
    if source == "-":
        if given is None:
            raise NmfaudioError("standard input: where to? Give an output file, or - for standard output")
        return Job(source, given, args.residual)
    target = target_of(source, given, "_cleaned", format=args.format, in_place=args.in_place, folders=True)
    return Job(source, target, args.residual)


def _mirrored(args: argparse.Namespace) -> Iterator[Job]:
    for path in args.paths:
        if path == "-":
            raise NmfaudioError("standard input has no name to use in a folder: give an output file")
        if Path(path).is_dir():
            yield from _jobs_below(path, args)
        else:
            yield _job(path, Path(Path(path).name), args)


def _jobs_below(top: str, args: argparse.Namespace) -> Iterator[Job]:
    """Make jobs of the sound files in a folder, and failed ones of what cannot be read."""
    empty = True
    troubles: list[Job] = []
    for path in walk(
        top,
        skip=lambda folder: has_outputs(folder, _out_dirs(args), args.quiet),
        trouble=lambda path, reason: troubles.append(Job(str(path), "", error=reason)),
    ):
        if path.suffix.lower() not in SUFFIXES:
            continue
        empty = False
        if is_device(path):
            troubles.append(Job(str(path), "", error="is a pipe or a device: give it by name, or remove it"))
        else:
            yield _job(str(path), path.relative_to(top), args)
    yield from troubles
    if empty and not troubles:
        raise AudioError(f"{top}: no sound files in this folder")


def _job(source: str, name: Path, args: argparse.Namespace) -> Job:
    name = renamed(name, args.format)
    residual = None if args.residual is None else str(Path(args.residual, name))
    return Job(source, str(Path(args.out_dir, name)), residual)


def _each(jobs: list[Job], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    options = Options(
        denoiser_options(args),
        {"start_s": args.start, "stop_s": args.end, "loudness_lufs": args.loudness_lufs, **format_options(args)},
        make_folders=args.out_dir is not None,
        skip_existing=args.skip_existing,
        overwrite=args.overwrite,
        in_place=args.in_place,
        verbose=args.verbose,
    )
    cleaner = Cleaner(options)  # here even for many processes: an option that cannot be used is one error, not many
    with progress_bar(shown=not args.quiet) as progress:
        if args.scheduler is not None or (args.jobs > 1 and len(jobs) > 1):
            if args.scheduler is None:
                cleaner.compile()  # here, once, and not in each process
            yield from _side_by_side(jobs, options, args, progress)
        else:
            yield from _one_by_one(jobs, args, cleaner, progress)
    if args.save_profile is not None and cleaner.denoiser.noise is not None:  # none without a file to learn from
        cleaner.denoiser.noise.save(args.save_profile, overwrite=_replaces(args))


def _one_by_one(
    jobs: list[Job], args: argparse.Namespace, cleaner: Cleaner, progress: Callable[..., None]
) -> Iterator[dict[str, Any]]:
    ends = _ends(jobs)
    for number, (job, start, end) in enumerate(zip(jobs, [0.0, *ends], ends, strict=False), 1):
        label = job.source if len(jobs) == 1 else f"{number}/{len(jobs)}  {job.source}"
        progress(start, label)
        result = cleaner.attempt(job, partial(_advance, progress, start, end))
        if args.report and is_page(args.report) and result["status"] == "done":
            part = {"start_s": args.start, "stop_s": args.end}
            options = {"command": args.command_line, "overwrite": _replaces(args), **part}
            report_file(job.source, args.report, cleaner.denoiser, **options)
        yield result


def _advance(progress: Callable[..., None], start: float, end: float, part: float) -> None:
    progress(start + part * (end - start))


def _side_by_side(
    jobs: list[Job], options: Options, args: argparse.Namespace, progress: Callable[..., None]
) -> Iterator[dict[str, Any]]:
    progress(0.0, f"0/{len(jobs)}")
    results = _elsewhere(jobs, options, args.jobs, args.scheduler)
    for number, (result, end) in enumerate(zip(results, _ends(jobs), strict=True), 1):
        yield result
        progress(end, f"{number}/{len(jobs)}")


def _ends(jobs: list[Job]) -> list[float]:
    """Part of all the work that is done at the end of each job, by the sizes of the files."""
    sizes = [os.path.getsize(job.source) if os.path.isfile(job.source) else 0 for job in jobs]
    return [done / max(1, sum(sizes)) for done in accumulate(sizes)]


def _elsewhere(jobs: list[Job], options: Options, n_jobs: int, scheduler: str | None) -> Iterator[dict[str, Any]]:
    """Clean in other processes, here or on a cluster."""
    n_workers = min(n_jobs, len(jobs))
    there = jobs
    if scheduler is not None:
        there = [
            replace(
                job,
                source=abspath(job.source),
                target=abspath(job.target),
                residual=job.residual and abspath(job.residual),
            )
            for job in jobs
        ]
        sound = {**options.sound, **{name: absolute(options.sound[name]) for name in ("dictionary", "noise")}}
        options = replace(options, sound=sound)
    n_threads = max(1, (os.cpu_count() or 1) // n_workers)
    left = list(jobs)
    try:
        with workers(n_workers, scheduler, n_threads=n_threads, lost=_lost) as each:
            for result in each(partial(_attempt, options), there):
                job = left.pop(0)
                yield {**result, "input": job.source, "output": job.target}
    except NmfaudioError as error:  # the cluster is gone
        yield from (_lost(job, error) for job in left)


def _lost(job: Job, error: NmfaudioError) -> dict[str, Any]:
    return failed(job, f"{job.source}: {error}")


_there = threading.local()  # a worker may have threads, and a cleaner works on one file at a time


def _attempt(options: Options, job: Job) -> dict[str, Any]:
    if getattr(_there, "options", None) != options:
        _there.options, _there.cleaner = options, Cleaner(options)
    return _there.cleaner.attempt(job)


def _harms_music(result: dict[str, Any]) -> bool:
    return result["status"] == "done" and is_harmed(result["music_share"], result["lowered_db"])


def _line(result: dict[str, Any], compiling_s: float = 0.0) -> str:
    if result["status"] == "skipped":
        return f"{result['input']}: skipped, {result['output']} exists"
    speed = result["duration_s"] / max(result["elapsed_s"] - compiling_s, 1e-3)
    compiling = f" and {compiling_s:.1f} s of compiling" if compiling_s else ""
    n_clipped = result["clipped_samples"]
    clipped = f", {n_clipped} sample{'s' * (n_clipped > 1)} clipped" if n_clipped else ""
    return (
        f"{result['input']} -> {result['output']}: {result['duration_s']:.1f} s, {result['sr']} Hz, "
        f"{result['channels']} channel{'s' * (result['channels'] > 1)} in {result['elapsed_s'] - compiling_s:.1f} s "
        f"({speed:.{1 if speed < 10 else 0}f} x real time){compiling}{clipped}"
    )


def _write_report(path: Path, args: argparse.Namespace, results: Iterable[dict[str, Any]]) -> None:
    report = {"nmfaudio": __version__, "options": vars(args), "files": list(results)}
    with replacing(path, overwrite=_replaces(args)) as temporary:
        temporary.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
