"""Scores of an estimate against its reference.

SNR and SI-SDR are computed here, PESQ and STOI by libraries of the extra `eval`, BSS Eval by those of `stems`.
"""

import warnings
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import check_number, check_rate, checked
from .audio import resample, to_float
from .audio.signal import check_sound
from .errors import NmfaudioError

__all__ = ["MEASURES", "bss_eval", "bss_eval_frames", "estoi", "pesq", "si_sdr", "snr", "stoi"]

_PESQ_SR = 16000
_STOI_S = 0.4  # 30 frames
_MOST_CHANNELS = 16  # that an array is taken for which has its axes swapped


@checked
def snr(reference: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Compute the signal-to-noise ratio in dB; every difference from the reference is noise.

    ``10 log10(|r|^2 / |e - r|^2)``, so a change of level or a delay counts as noise.

    Parameters
    ----------
    reference, estimate : array_like, shape (..., samples)
        Signals of equal shape.

    Returns
    -------
    ndarray, shape (...)
        Infinite where the two are equal.

    Raises
    ------
    NmfaudioError
        If shapes differ, a signal is empty or not finite, or the reference is silent.

    Examples
    --------
    >>> print(snr([1.0, -1.0], [1.1, -1.1]).round(6))
    20.0
    """
    r, e = _pair(reference, estimate)
    return _ratio_db(r, e - r)


@checked
def si_sdr(reference: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Compute the scale-invariant signal-to-distortion ratio in dB.

    With both means removed and ``a = <e, r> / |r|^2``: ``10 log10(|a r|^2 / |e - a r|^2)``.
    Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?" (ICASSP 2019), equations 3 to 5.

    Parameters
    ----------
    reference, estimate : array_like, shape (..., samples)
        Signals of equal shape.

    Returns
    -------
    ndarray, shape (...)
        Up to rounding, infinite for a scaled reference and minus infinity if orthogonal to the reference.

    Raises
    ------
    NmfaudioError
        If shapes differ, a signal is empty or not finite, or the reference is silent.

    Examples
    --------
    >>> print(si_sdr([1.0, -1.0, 1.0, -1.0], [2.0, -2.0, 2.2, -2.2]).round(2))
    26.44
    """
    r, e = (x - x.mean(axis=-1, keepdims=True) for x in _pair(reference, estimate))
    target = r * ((e * r).sum(axis=-1, keepdims=True) / (r**2).sum(axis=-1, keepdims=True))
    return _ratio_db(target, e - target)


@checked
def pesq(reference: ArrayLike, estimate: ArrayLike, sr: int) -> float:
    """Compute wide-band PESQ, perceptual evaluation of speech quality (ITU-T P.862.2): 1.04 to 4.64, higher is better.

    Parameters
    ----------
    reference, estimate : array_like, shape (samples,)
        Signals of equal length with at least a quarter of a second of speech.
    sr : int
        Sampling rate in Hz; signals at other rates are resampled to 16 kHz.

    Returns
    -------
    float

    Raises
    ------
    NmfaudioError
        As for `snr`; also if the library is missing, finds no speech in a signal, or the estimate is silent.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> clean = rng.standard_normal(16000) * (1 + np.sin(2 * np.pi * 4 * np.arange(16000) / 16000))
    >>> round(pesq(clean, clean, 16000), 2), round(pesq(clean, clean + 0.5 * rng.standard_normal(16000), 16000), 1)
    (4.64, 2.2)
    """
    module = library("pesq")
    check_rate(sr)
    r, e = _pair(reference, estimate, one_channel=True)
    if sr != _PESQ_SR:
        r, e = (resample(x, sr, _PESQ_SR).astype(np.float64, copy=False) for x in (r, e))
    if np.abs(e).max() < np.finfo(np.float32).tiny ** 0.5:  # the library computes powers in float32
        raise NmfaudioError("PESQ: the estimate is silent")
    try:
        return float(module.pesq(_PESQ_SR, r.astype(np.float32), e.astype(np.float32), "wb"))
    except (module.NoUtterancesError, module.BufferTooShortError):
        raise NmfaudioError("PESQ: found no speech in one of the signals, or less than 0.25 s") from None


@checked
def stoi(reference: ArrayLike, estimate: ArrayLike, sr: int) -> float:
    """Compute STOI, short-time objective intelligibility, from 0 to 1 (Taal et al. 2011).

    Parameters
    ----------
    reference, estimate : array_like, shape (samples,)
        Signals of equal length with at least 0.4 s of speech.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    float

    Raises
    ------
    NmfaudioError
        As for `snr`; also if the library is missing or the speech is too short.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> clean = rng.standard_normal(16000) * (1 + np.sin(2 * np.pi * 4 * np.arange(16000) / 16000))
    >>> round(stoi(clean, clean + 0.5 * rng.standard_normal(16000), 16000), 2)
    0.96
    """
    return _stoi(reference, estimate, sr, extended=False)


@checked
def estoi(reference: ArrayLike, estimate: ArrayLike, sr: int) -> float:
    """Compute ESTOI, which extends STOI to fluctuating noise (Jensen and Taal 2016).

    Parameters
    ----------
    reference, estimate : array_like, shape (samples,)
        Signals of equal length with at least 0.4 s of speech.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    float
        From 0 to 1, higher is better.

    Raises
    ------
    NmfaudioError
        As for `stoi`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> clean = rng.standard_normal(16000) * (1 + np.sin(2 * np.pi * 4 * np.arange(16000) / 16000))
    >>> round(estoi(clean, clean + 0.5 * rng.standard_normal(16000), 16000), 2)
    0.73
    """
    return _stoi(reference, estimate, sr, extended=True)


@checked
def bss_eval(references: ArrayLike, estimates: ArrayLike) -> dict[str, NDArray[np.generic]]:
    """Compute SDR, SIR and SAR of separated sources in dB with filters of 512 samples (BSS Eval, version 3).

    An estimate is the sum of three parts: its source after a filter, the other sources after filters, and artefacts.
    SIR measures the second, SAR the third, SDR both. Vincent, Gribonval and Févotte,
    "Performance measurement in blind audio source separation" (2006), as computed by fast_bss_eval.

    Parameters
    ----------
    references, estimates : array_like, shape (sources, samples)
        Signals of equal shape, in any order.

    Returns
    -------
    dict of str to ndarray, shape (sources,)
        "sdr", "sir" and "sar"; and "order", the index of the estimate of each reference, by the best SIR.

    Raises
    ------
    NmfaudioError
        As for `snr`; also if the library is missing.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> sources = rng.standard_normal((2, 8000))
    >>> scores = bss_eval(sources, sources[::-1] + 0.1 * sources)
    >>> scores["sir"].round().astype(int).tolist(), scores["order"].tolist()
    ([20, 20], [1, 0])
    """
    r, e = _stems(references, estimates)
    if r.ndim != 2:
        raise NmfaudioError(f"sources and estimates must be of one channel (sources, samples), not of shape {r.shape}")
    module = library("fast_bss_eval", "stems")
    try:
        with np.errstate(divide="ignore"):
            scores = module.bss_eval_sources(r, e)
    except ValueError as error:  # NumPy's LinAlgError among them
        raise NmfaudioError(f"BSS Eval: the sources are too short or too much alike to tell apart ({error})") from None
    return dict(zip(("sdr", "sir", "sar", "order"), map(np.asarray, scores), strict=True))


@checked
def bss_eval_frames(
    references: ArrayLike, estimates: ArrayLike, sr: int, frame_s: float = 1.0
) -> dict[str, NDArray[np.float64]]:
    """Compute medians over frames of the SDR, ISR, SIR and SAR of stems in dB, as for music (BSS Eval, version 4).

    One set of filters serves the whole signal and all channels (Stöter, Liutkus and Ito, "The 2018 signal separation
    evaluation campaign"), as computed by museval. Frames with a silent source do not count.

    Parameters
    ----------
    references, estimates : array_like, shape (sources, samples) or (sources, channels, samples)
        Signals of equal shape, in the same order.
    sr : int
        Sampling rate in Hz.
    frame_s : float
        Seconds in a frame.

    Returns
    -------
    dict of str to ndarray, shape (sources,)
        "sdr", "isr", "sir" and "sar".

    Raises
    ------
    NmfaudioError
        As for `snr`; also if the library is missing.

    Examples
    --------
    >>> import numpy as np
    >>> sources = np.random.default_rng(0).standard_normal((2, 16000))
    >>> bss_eval_frames(sources, sources + 0.1 * sources[::-1], 16000)["sir"].round().tolist()
    [20.0, 20.0]
    """
    r, e = (x.reshape(len(x), -1, x.shape[-1]).swapaxes(1, 2) for x in _stems(references, estimates))
    check_rate(sr)
    check_number("frame_s", frame_s, 0)
    n = max(1, min(round(frame_s * sr), r.shape[1]))
    scores = library("museval", "stems").metrics.bss_eval(r, e, window=n, hop=n)[:4]
    return {name: np.nanmedian(score, axis=1) for name, score in zip(("sdr", "isr", "sir", "sar"), scores, strict=True)}


def _stems(references: ArrayLike, estimates: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r, e = _pair(references, estimates)
    if r.ndim not in (2, 3):
        raise NmfaudioError(f"stems must be of shape (sources, samples) or (sources, channels, samples), not {r.shape}")
    return r, e


MEASURES: dict[str, Callable[[ArrayLike, ArrayLike, int], float]] = {
    "PESQ": pesq,
    "ESTOI": estoi,
    "SI-SDR": lambda reference, estimate, sr: float(si_sdr(reference, estimate)),
}
"""Measures that denoisers are compared by, each called with (reference, estimate, sr)."""


def library(name: str, extra: str = "eval") -> ModuleType:
    """Import a library of an extra.

    Raises
    ------
    NmfaudioError
        If it is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError:
        raise NmfaudioError(f"{name} is not installed: pip install 'nmfaudio[{extra}]'") from None


def _stoi(reference: ArrayLike, estimate: ArrayLike, sr: int, extended: bool) -> float:
    module = library("pystoi")
    check_rate(sr)
    r, e = _pair(reference, estimate, one_channel=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            if len(r) >= _STOI_S * sr:  # with fewer, the package may fail in other ways
                return float(module.stoi(r, e, sr, extended=extended))
        except RuntimeWarning:  # too few of them are not silent
            pass
    raise NmfaudioError(f"STOI: less than {_STOI_S} s of speech in the reference")


def _pair(
    reference: ArrayLike, estimate: ArrayLike, one_channel: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert both signals to float64, or say why they cannot be compared."""
    shape, other = np.shape(reference), np.shape(estimate)
    if shape != other or not shape or (one_channel and len(shape) > 1):
        wanted = "(samples,)" if one_channel else "(..., samples)"
        raise NmfaudioError(f"reference and estimate must be of one shape {wanted}, not {shape} and {other}")
    if 0 in shape:
        raise NmfaudioError(f"reference and estimate are empty: shape {shape}")
    if len(shape) == 2 and shape[-1] <= _MOST_CHANNELS < shape[0]:
        raise NmfaudioError(f"shape {shape} looks like (samples, channels): give (channels, samples), as y.T")
    r, e = (to_float(y).astype(np.float64) for y in (reference, estimate))
    check_sound(r)
    check_sound(e)
    if (np.ptp(r, axis=-1) == 0).any():
        raise NmfaudioError("the reference is silent: there is nothing to compare with")
    return r, e


def _ratio_db(signal: NDArray[np.float64], distortion: NDArray[np.float64]) -> NDArray[np.float64]:
    wanted, unwanted = (signal**2).sum(axis=-1), (distortion**2).sum(axis=-1)
    with np.errstate(divide="ignore"):
        ratio_db = 10 * (np.log10(wanted) - np.log10(np.where(wanted > 0, unwanted, 1)))  # 0 / 0 is -inf
    return np.asarray(ratio_db, np.float64)[()]  # a number, not an array, for two signals
