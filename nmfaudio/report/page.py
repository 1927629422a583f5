"""Make one HTML page to hear, see and check a recording before and after denoising; it needs no network."""

from __future__ import annotations

import html
import io
import json
import re
import time
from base64 import b64encode
from importlib import resources
from pathlib import PurePath

import numpy as np
import soundfile as sf
from numpy.typing import ArrayLike, NDArray

from .. import __version__
from ..arguments import check_count, check_rate, checked
from ..audio import as_signal, resample
from ..denoising.denoiser import Denoiser
from ..denoising.music import MusicMeter, is_harmed
from ..display import brightest_db, frames_a_column, pooled
from ..errors import AudioError
from ..spectra.front_end import powers
from ..spectra.stft import STFT
from .atoms import atoms
from .numbers import loudness_lufs, numbers, sentence, summary
from .pictures import RANGE_DB, mel_rows, png

__all__ = ["page", "seconds_shown", "static"]

_SAMPLES = 3_000_000  # of all channels; before and after take 12 MB at most, and 16 MB in base64
_LEAST_SR = 16000  # at a lower rate as many samples would last too long to be explained in little memory
_PLAYED_SR = 8000, 96000  # what browsers play
SCRIPTS = ("wavesurfer.min.js", "regions.min.js", "player.js", "view.js", "listen.js")
"""Files of `static` that a page to listen to needs, in order."""


def static(name: str) -> str:
    """Return a file of the page: its look, its code, or the part to listen to."""
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


@checked
def seconds_shown(sr: float, channels: int) -> float:
    """Return the duration in seconds of the longest recording that a page holds, so that it stays below 20 MB.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    channels : int
        Channels of the recording.

    Examples
    --------
    >>> seconds_shown(8000, 1), seconds_shown(16000, 1), seconds_shown(48000, 2)
    (187.5, 187.5, 31.25)
    """
    check_rate(sr)
    check_count("channels", channels)
    return _SAMPLES / (max(sr, _LEAST_SR) * min(channels, 2))


@checked
def page(
    y: ArrayLike,
    sr: float,
    denoiser: Denoiser | None = None,
    *,
    title: str = "Recording",
    command: str = "",
    start_s: float = 0.0,
    whole_s: float | None = None,
) -> str:
    """Denoise a recording and make a page of it: players, spectrograms, the most active atoms, the numbers.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Signal; float, or integers that are scaled to full scale 1. At most `seconds_shown` of it is denoised and
        shown; more than two channels are averaged.
    sr : float
        Sampling rate in Hz.
    denoiser : Denoiser, optional
        By default ``Denoiser()``.
    title : str
        Name of the recording.
    command : str
        Command that repeats it.
    start_s, whole_s : float
        Start of `y` in the whole recording and duration of that, in seconds, if `y` is a part of it.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    NmfaudioError
        If the signal is empty or not finite, or the denoiser cannot use it.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(0).standard_normal(16000) * 0.01
    >>> html = page(y, 16000, title="Hiss")
    >>> "<title>Hiss" in html, len(html) < 500_000
    (True, True)
    """
    check_rate(sr)
    before = np.atleast_2d(as_signal(y)).astype(np.float32)
    if before.size == 0:
        raise AudioError(f"{title}: has no sound to report on")
    if len(before) > 2:
        before = before.mean(axis=0, keepdims=True)
    whole_s = start_s + before.shape[1] / sr if whole_s is None else whole_s
    before = before[:, : int(seconds_shown(sr, len(before)) * sr)]
    denoiser = Denoiser() if denoiser is None else denoiser
    denoiser(before[:, : int(sr)], sr)  # what is loaded and compiled once is not counted
    began = time.perf_counter()
    after = denoiser(before, sr)
    elapsed_s = time.perf_counter() - began

    stft = STFT.for_rate(sr)
    sounds = {"before": before, "after": after, "removed": before - after}
    power = {name: powers(stft(sound), "linked")[0] for name, sound in sounds.items()}
    shown_s = before.shape[1] / sr
    level = float(np.square(before, dtype=np.float64).mean())
    facts = summary(power["before"], power["after"], denoiser.gain_rule, level, elapsed_s / shown_s)
    parts = {
        "title": title,
        "stem": PurePath(title).stem,
        "about": _about(before, sr, start_s, shown_s, whole_s),
        "sentence": _advice(before, after, sr) or sentence(facts, denoiser.gain_rule),
        "command": command,
        "dictionary": denoiser.dictionary.name,
        "sha256": denoiser.dictionary.sha256,
        "version": __version__,
    }
    parts = {name: html.escape(text) for name, text in parts.items()}
    parts |= _sounds(before, after, sr) | _pictures(power, sr, stft, before.shape[1])
    parts |= {
        "data": _data(sounds, power, sr, stft),
        "numbers": _numbers(numbers(facts)),
        "atoms": atoms(denoiser, power["before"]),
        "listen": static("listen.html"),
        "style": static("listen.css"),
        "scripts": "\n".join(f"<script>{static(name)}</script>" for name in (*SCRIPTS, "report.js")),
    }
    return re.sub(r"{{(\w+)}}", lambda match: parts[match[1]], static("report.html"))


def _advice(before: NDArray[np.floating], after: NDArray[np.floating], sr: float) -> str:
    """Say what to do instead of denoising; nothing if that was right."""
    meter = MusicMeter(sr)
    meter.push(before)
    energy, left = (float(np.square(y, dtype=np.float64).sum()) for y in (before, after))
    if not is_harmed(meter.share, 10 * np.log10(energy / left) if energy and left else None):
        return ""
    return (
        "This is mostly music, which is taken for noise here: nmfaudio separate takes songs apart, "
        "--preset gentle removes less."
    )


def _numbers(named: dict[str, tuple[str, str]]) -> str:
    return "\n".join(
        f"<div><dt>{name}</dt><dd>{value}</dd><dd class=quiet>{meaning}</dd></div>"
        for name, (value, meaning) in named.items()
    )


def _about(y: NDArray[np.floating], sr: float, start_s: float, shown_s: float, whole_s: float) -> str:
    channels = "mono" if len(y) == 1 else "stereo"
    what = f"{sr:g} Hz, {channels}, {_clock(whole_s)} long" + ("" if y.any() else ", silent")
    if start_s == 0 and whole_s - shown_s < 0.5 / sr:
        return what
    part = f"{_clock(start_s)} to {_clock(start_s + shown_s)}"
    return f"{what}; this page shows {part} (choose another part with --start and --end)"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def hop_peaks(y: NDArray[np.floating], hop: int) -> NDArray[np.float32]:
    """Return the largest magnitude of each hop over all channels of a signal, shape (channels, samples)."""
    peaks: NDArray[np.float32] = np.maximum.reduceat(np.abs(y).max(axis=0), np.arange(0, y.shape[1], hop))
    return peaks.astype(np.float32)


def _data(
    sounds: dict[str, NDArray[np.floating]], power: dict[str, NDArray[np.floating]], sr: float, stft: STFT
) -> str:
    """Facts for the code of the page, as JSON."""
    before = sounds["before"]
    unit = np.float32(2 / (stft.n_fft * np.square(stft.analysis_window).sum()))  # to the mean square of the samples
    data = {
        "duration": before.shape[1] / sr,
        "sr": _played(sr),
        "channels": len(before),
        "nyquist": sr / 2,
        "peaks": {name: b64encode(hop_peaks(y, stft.hop_length).tobytes()).decode() for name, y in sounds.items()},
        "loudness": {name: loudness_lufs(unit * power[name], sr, len(before)) for name in ("before", "after")},
    }
    return json.dumps(data)


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"


def _played(sr: float) -> int:
    return int(np.clip(round(sr), *_PLAYED_SR))


def _sounds(before: NDArray[np.floating], after: NDArray[np.floating], sr: float) -> dict[str, str]:
    played_sr = _played(sr)
    loudest = max(1.0, float(np.abs(before).max()), float(np.abs(after).max()))
    sounds = {}
    for name, y in (("before", before), ("after", after)):
        file = io.BytesIO()
        y = y if round(sr) == played_sr else resample(y, round(sr), played_sr)
        sf.write(file, (y / loudest).T, played_sr, format="FLAC", subtype="PCM_16")
        sounds[f"{name}_sound"] = _data_uri(file.getvalue(), "audio/flac")
    return sounds


def _pictures(power: dict[str, NDArray[np.floating]], sr: float, stft: STFT, n_samples: int) -> dict[str, str]:
    """Draw spectrograms in the same colours, the loudest level before as the brightest, and place them."""
    width = frames_a_column(power["before"].shape[1])
    levels = {name: mel_rows(pooled(P, width), sr / 2) for name, P in power.items()}
    top_db = brightest_db(levels["before"], RANGE_DB)
    span = levels["before"].shape[1] * width * stft.hop_length  # samples; frame t is centred on t * hop_length
    pictures = {"picture_box": f"left: {-50 * stft.hop_length / n_samples:.4f}%; width: {100 * span / n_samples:.4f}%"}
    return pictures | {f"{name}_picture": _data_uri(png(level, top_db), "image/png") for name, level in levels.items()}
