"""Effect of denoising in numbers and in words, from powers and gains alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..audio.loudness import k_weights
from ..denoising.gain import GainRule

__all__ = ["Summary", "loudness_lufs", "numbers", "sentence", "summary"]

_AT_FLOOR = 1.2  # a gain of up to this many times the floor stands for no speech at all
_CLEAN_DB = 35.0  # estimated SNR from which a recording is clean
_NO_SPEECH_DB = -12.0  # and to which there is hardly any speech in it
_HARM_DB = 3.0  # that the voice may lose before it is mentioned


@dataclass(frozen=True)
class Summary:
    """Effect of denoising in numbers; None if undefined, as for silence.

    The clean speech is not known, so these are estimates from the gain g: speech is taken to have the share g of a
    bin's power, as for Wiener's filter.

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


def summary(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    rule: GainRule,
    power: float,
    real_time_factor: float,
) -> Summary:
    """Summarise what denoising did.

    Parameters
    ----------
    before, after : ndarray, shape (F, N)
        Power of each bin before and after, averaged over channels.
    rule : GainRule
        Rule that made the gain.
    power : float
        Mean power of the recording before.
    real_time_factor : float
        Seconds of work for a second of sound.
    """
    P, Q = before.astype(np.float64), after.astype(np.float64)
    gain = np.sqrt(np.minimum(Q / np.maximum(P, 1e-20), 1))
    floor = rule.least
    share = gain if rule.changes_nothing else np.where(gain > _AT_FLOOR * floor, gain, 0) ** (1 / rule.strength)
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


def sentence(found: Summary, rule: GainRule) -> str:
    """Say in a sentence what denoising did, as far as its gain shows."""
    if found.attenuation_db is None:
        return "There is no sound in this recording."
    if rule.changes_nothing:
        return "With these settings nothing is removed."
    if None in (found.noise_db, found.noise_after_db):
        return "No noise was found: next to nothing was removed."
    assert found.noise_db is not None and found.noise_after_db is not None
    quieter_db = found.noise_db - found.noise_after_db
    if found.snr_db is None or found.snr_after_db is None or found.snr_db < _NO_SPEECH_DB:
        return f"Hardly any speech was found, and all else was lowered by {quieter_db:.0f} dB. Is there a voice in it?"
    if found.snr_db > _CLEAN_DB:
        return f"This recording was clean already; what little noise there was is {quieter_db:.0f} dB lower."
    lost_db = found.snr_db + quieter_db - found.snr_after_db
    voice = "keeps its level" if lost_db < _HARM_DB else f"lost {lost_db:.0f} dB, too: take a lower strength"
    return f"The noise is {quieter_db:.0f} dB lower, {_as_loud(quieter_db)}; the voice {voice}."


def _as_loud(quieter_db: float) -> str:
    """Name the loudness that is left, which halves every 10 dB."""
    if quieter_db < 5:
        return "a little softer than before"
    names = {1: "half", 2: "a quarter", 3: "an eighth", 4: "a sixteenth"}
    return f"about {names.get(round(quieter_db / 10), 'a thirtieth')} as loud as before"


def numbers(found: Summary) -> dict[str, tuple[str, str]]:
    """Name the numbers, each with a value and an explanation."""
    speed = 1 / found.real_time_factor if found.real_time_factor > 0 else 0
    return {
        "Background noise": (
            f"{_text(found.noise_db)} → {_text(found.noise_after_db)}",
            "its level before and after; the loudest sound that a file can hold has 0 dB",
        ),
        "Voice above the noise": (
            f"{_text(found.snr_db)} → {_text(found.snr_after_db)}",
            "below 10 dB is hard to listen to, above 30 dB sounds clean",
        ),
        "Lowered on average": (_text(found.attenuation_db), "over all times and all frequencies"),
        "Speed": (f"{speed:.3g} ×", "seconds of sound that are cleaned in a second on this computer"),
    }


def _text(value_db: float | None) -> str:
    return "–" if value_db is None else f"{value_db:.1f} dB".replace("-", "−")


def loudness_lufs(power: NDArray[np.floating], sr: float, n_channels: int) -> float | None:
    """Estimate the loudness from powers of frames; None for silence.

    The weighting and the gates are those of ITU-R BS.1770-4, but for frames instead of blocks of 400 ms.

    Parameters
    ----------
    power : ndarray, shape (F, N)
        Mean square of a channel's samples in each bin, from 0 Hz to half the rate; `N` frames.
    sr : float
        Sampling rate in Hz.
    n_channels : int
        Channels that the power is the mean of.
    """
    loud = n_channels * (k_weights(np.linspace(0, sr / 2, len(power)), sr)[:, None] * power).sum(
        axis=0, dtype=np.float64
    )
    loud = loud[loud > 10 ** ((-70 + 0.691) / 10)]
    if not loud.size:
        return None
    return float(-0.691 + 10 * np.log10(loud[loud > loud.mean() / 10].mean()))
