"""How close an estimate is to its reference.

SNR and SI-SDR are here; PESQ and STOI are measured by libraries of the extra `eval`, BSS Eval by those of `stems`.
"""

import warnings
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import NmfaudioError

__all__ = ["bss_eval", "bss_eval_frames", "estoi", "pesq", "si_sdr", "snr", "stoi"]

_PESQ_SR = 16000


def snr(reference: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Signal-to-noise ratio in dB, where all that differs from the reference is noise.

    ``10 log10(|r|^2 / |e - r|^2)``: a change of level or a delay counts as noise.

    Parameters
    ----------
    reference, estimate
        Signals of equal shape (..., samples).

    Returns
    -------
    NDArray
        Shape (...): infinite where the two are equal.

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


def si_sdr(reference: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Scale-invariant signal-to-distortion ratio in dB.

    With both means removed and ``a = <e, r> / |r|^2``: ``10 log10(|a r|^2 / |e - a r|^2)``.
    Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?" (ICASSP 2019), equations 3 to 5.

    Parameters
    ----------
    reference, estimate
        Signals of equal shape (..., samples).

    Returns
    -------
    NDArray
        Shape (...): up to rounding, infinite for a scaled reference and minus infinity for what has nothing of it.

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


def pesq(reference: ArrayLike, estimate: ArrayLike, sr: int) -> float:
    """Perceptual evaluation of speech quality, wide-band (ITU-T P.862.2): from 1.04 to 4.64, higher is better.

    Parameters
    ----------
    reference, estimate
        Signals of equal shape (samples,), with at least a quarter of a second of speech.
    sr
        Sampling rate in Hz; other rates than 16 kHz are resampled to it.

    Raises
    ------
    NmfaudioError
        As for `snr`; also if the library is missing, finds no speech in a signal, or the estimate is silent.
    """
    module = library("pesq")
    r, e = _pair(reference, estimate, one_channel=True)
    if sr != _PESQ_SR:
        from .audio import resample

        r, e = resample(r, sr, _PESQ_SR), resample(e, sr, _PESQ_SR)
    if not e.any():
        raise NmfaudioError("PESQ: the estimate is silent")
    try:
        return float(module.pesq(_PESQ_SR, r.astype(np.float32), e.astype(np.float32), "wb"))
    except (module.NoUtterancesError, module.BufferTooShortError):
        raise NmfaudioError("PESQ: found no speech in one of the signals, or less than 0.25 s") from None


def stoi(reference: ArrayLike, estimate: ArrayLike, sr: int) -> float:
    """Short-time objective intelligibility, from 0 to 1, of Taal et al. (2011).

    Parameters
    ----------
    reference, estimate
        Signals of equal shape (samples,), with at least 0.4 s of speech.
    sr
        Sampling rate in Hz.

    Raises
    ------
    NmfaudioError
        As for `snr`; also if the library is missing or the speech is too short.
    """
    return _stoi(reference, estimate, sr, extended=False)


def estoi(reference: ArrayLike, estimate: ArrayLike, sr: int) -> float:
    """Short-time objective intelligibility, extended to noise that comes and goes by Jensen and Taal (2016).

    Range, parameters and errors are those of `stoi`.
    """
    return _stoi(reference, estimate, sr, extended=True)


def bss_eval(references: ArrayLike, estimates: ArrayLike) -> dict[str, NDArray]:
    """SDR, SIR and SAR of separated sources in dB, with filters of 512 samples (BSS Eval, version 3).

    An estimate is split into what a filter makes of its source, what filters make of the other sources, and the rest:
    SIR says how much of the others is left, SAR how many artefacts, SDR both. Vincent, Gribonval and Févotte,
    "Performance measurement in blind audio source separation" (2006), as computed by fast_bss_eval.

    Parameters
    ----------
    references, estimates
        Signals of equal shape (sources, samples), in any order.

    Returns
    -------
    dict of str to NDArray
        "sdr", "sir" and "sar", and "order", which estimate belongs to each reference: the order of the best SIR. Each
        is of shape (sources,).

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
    with np.errstate(divide="ignore"):
        scores = library("fast_bss_eval", "stems").bss_eval_sources(r, e)
    return dict(zip(("sdr", "sir", "sar", "order"), map(np.asarray, scores), strict=True))


def bss_eval_frames(
    references: ArrayLike, estimates: ArrayLike, sr: int, frame_s: float = 1.0
) -> dict[str, NDArray[np.float64]]:
    """Median over frames of the SDR, ISR, SIR and SAR of stems in dB, as music separation is scored (BSS Eval 4).

    Filters are those of the whole signals, which all channels share (Stöter, Liutkus and Ito, "The 2018 signal
    separation evaluation campaign"), as computed by museval. Frames in which a source is silent do not count.

    Parameters
    ----------
    references, estimates
        Signals of equal shape (sources, samples) or (sources, channels, samples), in the same order.
    sr
        Sampling rate in Hz.
    frame_s
        Seconds in a frame.

    Returns
    -------
    dict of str to NDArray
        "sdr", "isr", "sir" and "sar", each of shape (sources,).

    Raises
    ------
    NmfaudioError
        As for `snr`; also if the library is missing.
    """
    r, e = (x.reshape(len(x), -1, x.shape[-1]).swapaxes(1, 2) for x in _stems(references, estimates))
    n = max(1, min(round(frame_s * sr), r.shape[1]))
    scores = library("museval", "stems").metrics.bss_eval(r, e, window=n, hop=n)[:4]
    return {name: np.nanmedian(score, axis=1) for name, score in zip(("sdr", "isr", "sir", "sar"), scores, strict=True)}


def _stems(references: ArrayLike, estimates: ArrayLike) -> tuple[NDArray, NDArray]:
    r, e = _pair(references, estimates)
    if r.ndim not in (2, 3):
        raise NmfaudioError(f"stems must be of shape (sources, samples) or (sources, channels, samples), not {r.shape}")
    return r, e


def library(name: str, extra: str = "eval") -> ModuleType:
    """Import a library of an extra, or say how to get it."""
    try:
        return import_module(name)
    except ImportError:
        raise NmfaudioError(f"{name} is not installed: pip install 'nmfaudio[{extra}]'") from None


def _stoi(reference: ArrayLike, estimate: ArrayLike, sr: int, extended: bool) -> float:
    module = library("pystoi")
    r, e = _pair(reference, estimate, one_channel=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(module.stoi(r, e, sr, extended=extended))
        except RuntimeWarning:
            raise NmfaudioError("STOI: less than 0.4 s of speech in the reference") from None


def _pair(reference: ArrayLike, estimate: ArrayLike, one_channel: bool = False) -> tuple[NDArray, NDArray]:
    """Both signals as float64, or what is wrong with them."""
    r, e = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    if r.shape != e.shape or r.ndim == 0 or (one_channel and r.ndim > 1):
        wanted = "(samples,)" if one_channel else "(..., samples)"
        raise NmfaudioError(f"reference and estimate must be of one shape {wanted}, not {r.shape} and {e.shape}")
    if r.size == 0:
        raise NmfaudioError(f"reference and estimate are empty: shape {r.shape}")
    if not (np.isfinite(r).all() and np.isfinite(e).all()):
        raise NmfaudioError("reference or estimate holds NaN or infinity")
    if (np.ptp(r, axis=-1) == 0).any():
        raise NmfaudioError("the reference is silent: there is nothing to compare with")
    return r, e


def _ratio_db(signal: NDArray, distortion: NDArray) -> NDArray[np.float64]:
    wanted, unwanted = (signal**2).sum(axis=-1), (distortion**2).sum(axis=-1)
    with np.errstate(divide="ignore"):
        return 10 * (np.log10(wanted) - np.log10(np.where(wanted > 0, unwanted, 1)))  # 0 / 0 is -inf
