"""Recordings of the app: what is done to them, and the files that come of it, all in one temporary folder."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from .. import audio
from ..denoising.denoiser import Denoiser
from ..denoising.files import check_noise_part, noise_of_part, process_file
from ..denoising.gain import GainRule
from ..dictionary import Dictionary, DictionaryLike
from ..errors import AudioError, NmfaudioError
from ..files import is_full, replacing
from ..repair import repair_file
from ..report import report_file
from .preview import Preview, Stopped
from .stems import Stems


@dataclass
class Job:
    """Work in the background."""

    kind: str
    part: float = 0.0
    done: bool = False  # set last, and read before the error: what is done without one has worked
    error: str | None = None
    wish: Any = None  # what it is to bring: settings, and options of what is saved


@dataclass(frozen=True)
class Settings:
    """Options of the cleaning of a recording: arguments of :func:`nmfaudio.denoise_file`, and damage to repair first.

    Parameters
    ----------
    noise : (float, float), optional
        Where the noise is alone, in seconds.
    damage : tuple of str
        Damage to repair, as for :func:`nmfaudio.repair_file`.
    channels : {"linked", "independent"}
        One gain for all channels, or one for each.
    """

    noise: tuple[float, float] | None = None
    damage: tuple[str, ...] = ()
    channels: str = "linked"


@dataclass(frozen=True)
class Prepared:
    """Sound to clean, and noise in it, as settings ask for them.

    Parameters
    ----------
    settings : Settings
        The settings.
    path : path
        The recording, repaired where that was asked for.
    repairs : tuple of str
        Repairs that were made.
    noise : Dictionary, optional
        Noise that was learnt.
    """

    settings: Settings
    path: Path
    repairs: tuple[str, ...] = ()
    noise: Dictionary | None = None


class Recording:
    """A sound file that was given to the app.

    Parameters
    ----------
    path : path
        The file, in a folder of its own for what comes of it.
    dictionary : Dictionary
        Dictionary for cleaning.
    """

    def __init__(self, path: Path, dictionary: Dictionary) -> None:
        self.header = audio.info(path)
        if not self.header.frames:
            raise AudioError(f"{path}: has no sound in it")
        self.path = path
        self.suffix = path.suffix  # of what is saved
        self.reason = ""  # why it is saved in another format than its own
        try:
            self.saved_as = self.header.written_to(path)
        except AudioError:
            self.suffix, self.reason = ".flac", "the format of the recording can only be read"
            self.saved_as = self.header.written_to(path.with_suffix(".flac"))
        if not self.reason and self.saved_as.format != self.header.format:
            too_large = self.saved_as.format == "RF64" and self.suffix.lower() != ".rf64"
            self.reason = "WAV ends at 4 GB" if too_large else f"its name ends in {self.suffix}"
        self.folder = path.parent
        self.prepared = Prepared(Settings(), path)
        self.preview: Preview | None = None
        self.heard = self.prepared  # which the preview is of
        self.version = 0  # of the preview
        self.stems: Stems | None = None
        self.jobs: dict[str, Job] = {}
        self.files: dict[str, Path] = {}
        self._dictionary = dictionary
        self._repaired: dict[tuple[str, ...], tuple[Path, tuple[str, ...]]] = {(): (path, ())}
        self._preparing = threading.Lock()

    def clean(self, settings: Settings, progress: Callable[[float], None]) -> None:
        """Compute the masks with these settings, for `preview`."""
        prepared = self._prepare(settings, progress)
        progress(0.0)  # another recording may be wanted by now
        folder = self.folder / f"masks-{secrets.token_hex(4)}"
        folder.mkdir()
        preview = Preview(prepared.path, self._denoiser(prepared), folder)
        former, self.preview = self.preview, preview
        self.heard = prepared
        self.version += 1
        if former:
            former.stop()
            shutil.rmtree(former.folder, ignore_errors=True)
        preview.run(progress)

    def _prepare(self, settings: Settings, progress: Callable[[float], None]) -> Prepared:
        """Repair the recording and learn its noise, where these settings ask for another way than the last ones."""
        with self._preparing:
            last = self.prepared
            if settings.damage != last.settings.damage:
                last = Prepared(Settings(damage=settings.damage), *self._repair(settings.damage, progress))
                self.prepared = last  # should the noise fail
            noise = last.noise
            if settings.noise != last.settings.noise:
                noise = noise_of_part(last.path, settings.noise, self._dictionary) if settings.noise else None
            self.prepared = replace(last, settings=settings, noise=noise)
            return self.prepared

    def _repair(self, damage: tuple[str, ...], progress: Callable[[float], None]) -> tuple[Path, tuple[str, ...]]:
        """Repair damage, each kind of it once, into a file that stays: the other thread may be reading it."""
        if damage not in self._repaired:
            ending = self.suffix if self.header.bit_rate is None else ".flac"
            target = self._place(f".repaired{len(self._repaired)}", ending)
            report = repair_file(self.path, target, damage=damage, overwrite=True, progress=lambda part: progress(0.0))
            self._repaired[damage] = target, report.repairs
        return self._repaired[damage]

    def _denoiser(self, prepared: Prepared, **options: Any) -> Denoiser:
        """Make the denoiser of the settings, with a strength and a limit."""
        return Denoiser(self._dictionary, noise=prepared.noise, channels=prepared.settings.channels, **options)

    def save(
        self, what: str, settings: Settings, options: Mapping[str, Any], progress: Callable[[float], None]
    ) -> Path:
        """Write "cleaned", "removed", "report", or with stems "mix" or the name of one, and return the file."""
        if what in ("report", "cleaned", "removed"):
            prepared = self._prepare(settings, progress)
            rule = {name: options[name] for name in ("strength", "attenuation_limit_db")}
            denoiser = self._denoiser(prepared, **rule)
        target = self._place(".saved", ".html" if what == "report" else f"_{what}{self.suffix}")
        if what == "report":
            report_file(prepared.path, target, denoiser, command=self._command(settings, rule), overwrite=True)
        elif what in ("cleaned", "removed"):
            kept: dict[str, Any] = {}
            if prepared.path != self.path:
                like = self.saved_as
                kept = {"format": like.format, "subtype": like.subtype, "bit_rate": self.header.bit_rate}
            if options.get("loudness_lufs") is not None and what == "cleaned":
                kept["loudness_lufs"] = options["loudness_lufs"]
            residual = target if what == "removed" else None
            cleaned = target.with_name(f".cleaned{target.suffix}") if residual else target
            process_file(denoiser, prepared.path, cleaned, residual=residual, overwrite=True, progress=progress, **kept)
        else:
            assert self.stems is not None
            levels = options if what == "mix" else {what: 1.0}
            self.stems.write(target, self.saved_as, levels)
        self.files = {**self.files, what: target}  # readers keep the former one
        return target

    def separate(self, progress: Callable[[float], None]) -> None:
        """Separate the recording into stems."""
        self.stems = Stems(self.path, self.folder / ".stems", progress)

    def _place(self, folder: str, ending: str) -> Path:
        """Place of a file that comes of the recording, in a folder whose dot no recording's name begins with."""
        (self.folder / folder).mkdir(exist_ok=True)
        return self.folder / folder / f"{self.path.stem}{ending}"

    def _command(self, settings: Settings, options: Mapping[str, Any]) -> str:
        name, before = self.path.name, ""
        if settings.damage:
            repaired = f"{self.path.stem}_repaired{self.suffix}"
            kinds = [f"--{kind}" for kind in settings.damage]
            before = shlex.join(["nmfaudio", "repair", name, repaired, *kinds]) + " && "
            name = repaired
        words = ["nmfaudio", "report", name, "--strength", f"{options['strength']:g}"]
        words += ["--attenuation-limit", f"{options['attenuation_limit_db']:g}"]
        if settings.noise:
            words += ["--noise", "{:g}-{:g}".format(*settings.noise)]
        if settings.channels != Settings.channels:
            words += ["--channels", settings.channels]
        return before + shlex.join(words)


class Recordings:
    """All recordings, and the two threads that work on them: one for what is heard now, one for what is saved.

    Parameters
    ----------
    folder : path
        Temporary folder.
    dictionary : str, path or Dictionary
        Dictionary for cleaning.
    """

    def __init__(self, folder: Path, dictionary: DictionaryLike = "speech") -> None:
        self.folder = folder
        self.ready = False
        self._all: dict[str, Recording] = {}
        self._lock = threading.Lock()
        self._hearing, self._saving = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._wanted: Job | None = None  # of what is heard: all others end
        self._dictionary = Dictionary.load(dictionary)
        self.limit_db = Denoiser(self._dictionary).gain_rule.attenuation_limit_db
        self._hearing.submit(self._warm_up)
        self.all_job: Job | None = None
        self._closed = False

    def _warm_up(self) -> None:
        """Compile what the first recording needs."""
        noise = np.random.default_rng(0).standard_normal((1, 16000)).astype(np.float32)
        Denoiser(self._dictionary)(noise, 16000)
        self.ready = True

    def place(self, name: str) -> Path:
        """Make a folder for a new recording, and a path in it that has the recording's name as far as is safe."""
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir()
        safe = re.sub(r"[^\w.,()+ -]", "_", os.path.basename(name.replace("\\", "/")))
        short = safe.encode()[-120:].decode(errors="ignore")  # bytes, as file systems count
        return folder / (short.lstrip(". -") or "recording")

    def add(self, path: Path) -> str:
        """Take in the file at a path from `place`; return its name in the app."""
        recording = Recording(path, self._dictionary)
        with self._lock:
            self._all[path.parent.name] = recording
        return path.parent.name

    def __getitem__(self, name: str) -> Recording:
        """Return a recording by its name in the app."""
        with self._lock:
            return self._all[name]

    def items(self) -> list[tuple[str, Recording]]:
        """Return all recordings with their names."""
        with self._lock:
            return list(self._all.items())

    def remove(self, name: str) -> None:
        """Forget a recording, and delete its files."""
        with self._lock:
            recording = self._all.pop(name)
        if recording.preview:
            recording.preview.stop()
        shutil.rmtree(recording.folder, ignore_errors=True)

    def clean(self, name: str, settings: Settings) -> None:
        """Compute the masks of a recording, in place of those of others that are not done."""
        recording = self[name]
        if settings.noise:
            check_noise_part(recording.path, settings.noise)  # before the work on others is given up for it
        last = recording.jobs.get("clean")
        if last is self._wanted and _brings(last, settings):
            return
        job = self._wanted = _new_job(recording, "clean", settings)
        for _, other in self.items():
            if other.preview and other.preview.n_samples is None:
                other.preview.stop()
        self._hearing.submit(self._run, job, lambda progress: recording.clean(settings, progress))

    def save(self, name: str, what: str, settings: Settings, options: Mapping[str, Any]) -> None:
        """Write a file of a recording."""
        recording, kind, wish = self[name], f"save {what}", (settings, options)
        if not _brings(recording.jobs.get(kind), wish):
            job = _new_job(recording, kind, wish)
            self._saving.submit(self._run, job, lambda progress: recording.save(what, *wish, progress))

    def separate(self, name: str) -> None:
        """Separate a recording into stems, once."""
        recording = self[name]
        if not (recording.stems or _brings(recording.jobs.get("separate"))):
            self._saving.submit(self._run, _new_job(recording, "separate"), recording.separate)

    def save_all(self, wishes: Mapping[str, tuple[Settings, Mapping[str, Any]]]) -> None:
        """Clean several recordings, each with its own settings and options, into one zip file."""
        if not _brings(self.all_job, wishes):
            job = self.all_job = Job("save all", wish=wishes)
            self._saving.submit(self._run, job, lambda progress: self._zip(wishes, progress))

    @property
    def zip_path(self) -> Path:
        """File of `save_all`."""
        return self.folder / "cleaned.zip"

    def _zip(self, wishes: Mapping[str, tuple[Settings, Mapping[str, Any]]], progress: Callable[[float], None]) -> None:
        taken: set[str] = set()
        with replacing(self.zip_path) as temporary, ZipFile(temporary, "w", ZIP_STORED) as archive:
            for i, (name, wish) in enumerate(wishes.items()):
                try:
                    path = self[name].save("cleaned", *wish, lambda part, i=i: progress((i + part) / len(wishes)))  # type: ignore[misc]
                    entry = path.name if path.name not in taken else f"{i + 1} {path.name}"
                    archive.write(path, entry)
                except Exception:
                    if name in dict(self.items()):
                        raise
                    raise NmfaudioError("one of the recordings was removed meanwhile: save the others again") from None
                taken.add(entry)

    def _run(self, job: Job, work: Callable[[Callable[[float], None]], Any]) -> None:
        def progress(part: float) -> None:
            if self._closed or (job.kind == "clean" and job is not self._wanted):
                raise Stopped
            job.part = part

        try:
            progress(0.0)
            work(progress)
            job.part = 1.0
        except Stopped:
            job.error = "stopped"
        except Exception as error:
            job.error = self.line(error)
        job.done = True

    def line(self, error: Exception) -> str:
        """Say an error in one line that names files as the user does."""
        if isinstance(error, NmfaudioError):
            text = str(error)
        elif isinstance(error, MemoryError):
            text = "not enough memory: give less sound at a time, or smaller numbers"
        elif isinstance(error, OSError):
            place = f"{error.filename}: " if error.filename else ""
            remedy = ": make room in the folder for temporary files" if is_full(error) else ""
            text = f"{place}{error.strerror or error}{remedy}"
        else:
            text = f"unexpected {type(error).__name__}: {error}"
        folders = re.escape(str(self.folder)) + r"[\\/]\w+[\\/](?:\.(?:saved|stems|repaired\d+)[\\/])?"
        return " ".join(re.sub(folders, "", text).split())

    def close(self) -> None:
        """Stop all work, at its next sign of progress."""
        self._closed = True
        for _, recording in self.items():
            if recording.preview:
                recording.preview.stop()
        for pool in (self._hearing, self._saving):
            pool.shutdown(wait=False, cancel_futures=True)


def _new_job(recording: Recording, kind: str, wish: Any = None) -> Job:
    job = Job(kind, wish=wish)
    recording.jobs = {**recording.jobs, kind: job}  # readers keep the former one
    return job


def _brings(job: Job | None, wish: Any = None) -> bool:
    """Tell whether work that goes on brings what is asked for, so that it need not be begun again."""
    return job is not None and not job.done and job.wish == wish


def gain_rule(options: Mapping[str, str]) -> GainRule:
    """Gain rule of a strength and a limit, as they come in an address."""
    try:
        strength, limit_db = float(options["strength"]), float(options["attenuation_limit_db"])
    except (KeyError, ValueError):
        raise NmfaudioError("give a strength and an attenuation_limit_db as numbers") from None
    return GainRule(strength, limit_db)


def settings_of(values: Any) -> Settings:
    """Settings as they come as JSON."""
    try:
        noise, damage = values.get("noise"), tuple(map(str, values.get("damage", ())))
        span = (float(noise[0]), float(noise[1])) if noise else None
        return Settings(span, damage, str(values.get("channels", "linked")))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise NmfaudioError("give settings with noise, damage and channels") from None
