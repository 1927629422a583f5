"""Make one HTML page to hear, see and check a recording before and after denoising; it needs no network."""

from __future__ import annotations

import html
import io
import math
import re
import struct
import time
import zlib
from base64 import b64encode
from dataclasses import dataclass
from importlib import resources

import numpy as np
import soundfile as sf
from numpy.typing import ArrayLike, NDArray

from .. import __version__
from ..arguments import check_rate, checked
from ..audio import as_signal, resample
from ..denoising.atom_usage import AtomUsage, atom_usage
from ..denoising.decomposition import decomposition_for
from ..denoising.denoiser import Denoiser
from ..denoising.gain import GainRule, sharpened
from ..display import brightest_db, frames_a_column, pooled, power_db
from ..errors import AudioError
from ..spectra.front_end import powers
from ..spectra.stft import STFT

__all__ = ["page", "seconds_shown"]

_SAMPLES = 3_000_000  # of all channels; before and after take 12 MB at most, and 16 MB in base64
_LEAST_SR = 16000  # at a lower rate as many samples would last too long to be explained in little memory
_PLAYED_SR = 8000, 96000  # what browsers play
_RANGE_DB = 70.0
_COLOURS = 64
_MAGMA = ("000004", "1c1044", "4f127b", "812581", "b5367a", "e55964", "fb8861", "fec287", "fcfdbf")
_ATOMS = 8  # drawn of speech, and of noise
_AT_FLOOR = 1.2  # a gain of up to this many times the floor stands for no speech at all


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
    return _SAMPLES / (max(sr, _LEAST_SR) * min(channels, 2))


@dataclass(frozen=True)
class Summary:
    """Effect of denoising in numbers; None if undefined, as for silence.

    The clean speech is not known, so these are estimates from the gain g: speech is taken to have the share
    ``g^2 / (g^2 + (1 - g)^2)`` of a bin's power, as in `sharpened`.

    Parameters
    ----------
    noise_db, noise_after_db : float or None
        Estimated level of the noise, in dB below full scale (RMS 1).
    snr_db, snr_after_db : float or None
        Estimated ratio of speech to noise.
    attenuation_db : float or None
        Mean attenuation over time and frequency, in dB.
    real_time_factor : float
        Seconds of work for a second of sound.
    """

    noise_db: float | None
    noise_after_db: float | None
    snr_db: float | None
    snr_after_db: float | None
    attenuation_db: float | None
    real_time_factor: float


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
    Y, Z = stft(before), stft(after)
    shown_s = before.shape[1] / sr
    power = float(np.square(before, dtype=np.float64).mean())
    parts = {
        "title": title,
        "about": _about(before, sr, start_s, shown_s, whole_s),
        "duration": f"{shown_s:.6f}",
        "nyquist": f"{sr / 2:g}",
        "command": command,
        "dictionary": denoiser.dictionary.name,
        "sha256": denoiser.dictionary.sha256,
        "version": __version__,
        "range": f"{_RANGE_DB:g}",
    }
    parts = {name: html.escape(text) for name, text in parts.items()}
    parts |= _sounds(before, after, sr) | _pictures({"before": Y, "after": Z, "removed": Y - Z}, stft, before.shape[1])
    parts |= {
        "numbers": _numbers(summary(Y, Z, denoiser.gain_rule, power, elapsed_s / shown_s)),
        "atoms": _atoms(denoiser, Y),
    }
    template = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    return re.sub(r"{{(\w+)}}", lambda match: parts[match[1]], template)


def summary(
    Y: NDArray[np.complexfloating],
    Z: NDArray[np.complexfloating],
    rule: GainRule,
    power: float,
    real_time_factor: float,
) -> Summary:
    """Summarise what denoising did.

    Parameters
    ----------
    Y, Z : ndarray of complex, shape (channels, F, N)
        Spectra before and after.
    rule : GainRule
        Rule that made the gain.
    power : float
        Mean power of the recording before.
    real_time_factor : float
        Seconds of work for a second of sound.
    """
    P, Q = (powers(X, "linked")[0].astype(np.float64) for X in (Y, Z))
    gain = np.sqrt(np.minimum(Q / np.maximum(P, 1e-20), 1))
    floor = 10 ** (-rule.attenuation_limit_db / 20)
    share = gain if rule.changes_nothing else np.where(gain > _AT_FLOOR * floor, gain, 0) ** (1 / rule.strength)
    share = sharpened(share, 2)
    total = P.sum()
    noise, noise_after = ((1 - share) * P).sum(), ((1 - share) * Q).sum()
    audible = gain[P > 0]
    return Summary(
        noise_db=_db(power * noise, total),
        noise_after_db=_db(power * noise_after, total),
        snr_db=_db((share * P).sum(), noise),
        snr_after_db=_db((share * Q).sum(), noise_after),
        attenuation_db=float(-20 * np.log10(np.maximum(audible, floor)).mean()) if audible.size else None,
        real_time_factor=real_time_factor,
    )


def _db(numerator: float, denominator: float) -> float | None:
    return 10 * math.log10(numerator / denominator) if numerator > 0 and denominator > 0 else None


def _numbers(found: Summary) -> str:
    rows = {
        "Noise level": f"{_text(found.noise_db, 'dBFS')} → {_text(found.noise_after_db, 'dBFS')}",
        "Estimated SNR": f"{_text(found.snr_db)} → {_text(found.snr_after_db)}",
        "Mean attenuation": _text(found.attenuation_db),
        "Real-time factor": f"{found.real_time_factor:.3f} (seconds for a second of sound)",
    }
    return "\n".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in rows.items())


def _text(value_db: float | None, unit: str = "dB") -> str:
    return "–" if value_db is None else f"{value_db:.1f} {unit}".replace("-", "−")


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


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"


def _sounds(before: NDArray[np.floating], after: NDArray[np.floating], sr: float) -> dict[str, str]:
    played_sr = int(np.clip(round(sr), *_PLAYED_SR))
    loudest = max(1.0, float(np.abs(before).max()), float(np.abs(after).max()))
    sounds = {}
    for name, y in (("before", before), ("after", after)):
        file = io.BytesIO()
        y = y if round(sr) == played_sr else resample(y, round(sr), played_sr)
        sf.write(file, (y / loudest).T, played_sr, format="FLAC", subtype="PCM_16")
        sounds[f"{name}_sound"] = _data_uri(file.getvalue(), "audio/flac")
    return sounds


def _pictures(spectra: dict[str, NDArray[np.complexfloating]], stft: STFT, n_samples: int) -> dict[str, str]:
    """Draw spectrograms in the same colours, the loudest bin before as the brightest, and place them."""
    width = frames_a_column(spectra["before"].shape[-1])
    levels = {name: power_db(pooled(powers(Y, "linked")[0], width)) for name, Y in spectra.items()}
    top = brightest_db(levels["before"], _RANGE_DB)
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _MAGMA])
    at = np.linspace(0, len(anchors) - 1, _COLOURS)
    palette = np.stack([np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T], axis=1)
    span = levels["before"].shape[1] * width * stft.hop_length  # samples; frame t is centred on t * hop_length
    pictures = {"picture_box": f"left: {-50 * stft.hop_length / n_samples:.4f}%; width: {100 * span / n_samples:.4f}%"}
    for name, level in levels.items():
        pixels = np.clip((level - top) / _RANGE_DB + 1, 0, 1) * (_COLOURS - 1)
        pictures[f"{name}_picture"] = _data_uri(_png(np.rint(pixels[::-1]), palette), "image/png")
    return pictures


def _png(pixels: NDArray[np.floating], palette: NDArray[np.floating]) -> bytes:
    """Encode a picture of palette entries, shape (rows, columns)."""
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # a row begins with its filter, 0 for none
    rows[:, 1:] = pixels
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": palette.astype(np.uint8).tobytes(),
        b"IDAT": zlib.compress(rows.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


def _atoms(denoiser: Denoiser, Y: NDArray[np.complexfloating]) -> str:
    front_end = denoiser.dictionary.front_end
    decomposition = decomposition_for(denoiser.dictionary, denoiser.noise)
    usage = atom_usage(decomposition, front_end.compressed(powers(Y, "linked")[0]))
    hz = np.arange(front_end.n_bins) / front_end.window_s
    return "\n".join(_most_active(source, found, hz) for source, found in usage.items())


def _most_active(source: str, found: AtomUsage, hz: NDArray[np.floating]) -> str:
    shares = found.shares
    order = [k for k in np.argsort(shares)[::-1][:_ATOMS] if shares[k] > 0]
    total = 100 * shares.sum()
    these = 100 * shares[order].sum()
    text = f"{source.capitalize()}: these {len(order)} make up {these:.0f} % of it"
    text += f", {len(shares) - len(order)} others {total - these:.0f} %"
    if total < 99.5 and order:
        text += f", spectra taken from the recording itself {100 - total:.0f} %"
    if not order:
        text = f"{source.capitalize()}: none active"
    pictures = "\n".join(_atom(found.atoms[:, k], found.parts[k], shares[k], hz) for k in order)
    return f'<h3>{text}</h3>\n<div class="atoms">\n{pictures}\n</div>'


def _atom(atom: NDArray[np.floating], parts: NDArray[np.floating], share: float, hz: NDArray[np.floating]) -> str:
    """Picture of an atom: its spectrum, and its activity over time below."""
    centroid = (hz * atom).sum() / atom.sum()
    spectrum = _area(_peaks(atom, 128), 0, 36)
    activity = _area(_peaks(parts, 128), 40, 54)
    caption = f"{100 * share:.1f} %, {centroid / 1000:.1f} kHz"
    return (
        f'<figure><svg viewBox="0 0 128 54" preserveAspectRatio="none" role="img" aria-label="{caption}">'
        f'<path class="spectrum" d="{spectrum}"/><path class="activity" d="{activity}"/></svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _peaks(values: NDArray[np.floating], n: int) -> NDArray[np.floating]:
    """Largest of each of at most n groups of neighbours."""
    n = min(n, len(values))
    return np.maximum.reduceat(values, np.arange(n) * len(values) // n)


def _area(values: NDArray[np.floating], top: float, bottom: float) -> str:
    """SVG path of the area under values that fill the width of 128."""
    heights = bottom - (bottom - top) * values / max(float(values.max()), 1e-20)
    x = np.linspace(0, 128, len(values) + 1)
    steps = " ".join(f"V{height:.3g} H{right:.4g}" for height, right in zip(heights, x[1:], strict=True))
    return f"M0 {bottom} {steps} V{bottom} Z"
