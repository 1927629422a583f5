"""Noise profiles: spectra of the noise that the user can give, and what they say about the estimates of a dictionary.

A profile is a :class:`nmfaudio.Dictionary` of kind "profile": a few atoms, and the front end that they were heard
behind. It is saved and loaded like any other.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..dictionary import Dictionary
from ..errors import AudioError, DictionaryError
from .gain import power_mask

LONGEST_S = 60.0
"""Seconds of a recording of noise that a profile is learnt from; what comes later is not heard."""

_ATOMS = 8  # measured: 4 are a little worse, 16 no better
_FRAMES_AN_ATOM = 8  # an atom of less would be one moment's noise
_FAINTEST = np.float32(1e-3)  # of the loudest value; a bin that stays below it is outside of the recording's band
_ITERATIONS = 10
_SHARE = np.float32(0.5)  # of the estimated noise that the profile explains to begin with
_LEAST_FACTOR, _LARGEST_FACTOR = np.float32(0.3), np.float32(10)
_TINY = np.float32(1e-9)


def noise_profile(y: np.ndarray, sr: float, dictionary: Any = "speech") -> Dictionary:
    """Learn the spectra of a noise from a recording that holds nothing else.

    The compressed magnitude of the first minute is factorised under the Kullback-Leibler divergence into 8 atoms, or
    fewer where the recording is shorter than a second. The level of the noise does not enter the profile.

    Parameters
    ----------
    y : ndarray, shape (samples,) or (channels, samples)
        Noise; float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz; any.
    dictionary : str, path or Dictionary
        What the profile will be used with: the shipped dictionaries share their front end, and so their profiles.

    Returns
    -------
    Dictionary
        Of kind "profile".

    Raises
    ------
    NmfaudioError
        If there is no sound in the recording, or it is shorter than a frame.

    Examples
    --------
    >>> import numpy as np
    >>> import nmfaudio
    >>> hiss = np.random.default_rng(0).standard_normal(32000) * 0.01
    >>> profile = nmfaudio.noise_profile(hiss, sr=16000)
    >>> profile.arrays["noise"].shape
    (257, 8)
    >>> cleaned = nmfaudio.denoise(hiss, 16000, noise=profile)
    """
    from ..audio import as_signal
    from ..factorize import sparse_nmf
    from ..spectra.stft import STFT
    from .denoiser import Spectra, compressed, powers

    front_end = Dictionary.load(dictionary).front_end
    stft = STFT.for_rate(sr, front_end.window_s, front_end.hop_s, front_end.window)
    y = np.atleast_2d(as_signal(y))[:, : int(LONGEST_S * sr)].astype(np.float32, copy=False)
    parts = [compressed(powers(Y, "linked")[0], front_end) for Y, _ in Spectra(stft, [y])]
    reach = stft.n_frames(1) - 1  # frames that begin before the sound, or end after it
    V = np.concatenate(parts, axis=1)[:, reach:-reach] if parts else np.empty((front_end.n_bins, 0), np.float32)
    if V.shape[1] == 0:
        raise AudioError(f"noise of {y.shape[-1] / sr:.3f} s is too short for a profile: give a second or more")
    loudest = V.max()
    if loudest == 0:
        raise AudioError("the noise is silence: give a recording of the noise, or do without a profile")
    n_atoms = min(_ATOMS, 1 + V.shape[1] // _FRAMES_AN_ATOM)
    W = sparse_nmf(V, n_atoms, max_iter=60, random_state=0).W
    W[V.max(axis=1) < _FAINTEST * loudest] = 0
    return Dictionary(
        "profile", {"noise": W / np.linalg.norm(W, axis=0)}, front_end, record={"seconds": len(y[0]) / sr}
    )


def profile_for(dictionary: Dictionary, noise: Any) -> Dictionary:
    """Noise profile that fits a dictionary: one that is given, one in an ``.npz`` file, or that of a sound file.

    Raises
    ------
    NmfaudioError
        If the file cannot be used, or the profile is for another front end.
    """
    if not isinstance(noise, Dictionary) and Path(noise).suffix != ".npz":
        from .. import audio

        y, sr = audio.read(noise, stop_s=LONGEST_S)
        try:
            return noise_profile(y, sr, dictionary)
        except AudioError as error:
            raise AudioError(f"{noise}: {error}") from None
    profile = Dictionary.load(noise)
    if profile.kind != "profile":
        raise DictionaryError(f"noise {profile.name!r}: a dictionary of kind {profile.kind!r}, not a noise profile")
    if profile.front_end != dictionary.front_end:
        raise DictionaryError(f"noise {profile.name!r}: learnt for dictionaries of another front end; learn it anew")
    return profile


def refined(V: np.ndarray, S: np.ndarray, N: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates in the light of a noise profile, frame by frame.

    First the profile competes: with the shares ``m = S / (S + N)``, multiplicative updates (Lee and Seung 2001, eq. 5)
    of scales s and n and of activations a fit ``s m V + n (1 - m) V + W a`` to V, and speech keeps the share of the
    first part. Then the profile, fitted to the noise that is left, tells how loud the noise is in each bin: the odds of
    speech are multiplied by the root of ``(V / W a - 1) / 2``, kept between 0.3 and 10. No level matters.

    Parameters
    ----------
    V : ndarray, shape (F, N)
        Compressed magnitude.
    S, N : ndarray, shape (F, N)
        Estimates of speech and noise, on one scale in each frame.
    W : ndarray, shape (F, K)
        Atoms of the profile; a row of zeros is a bin that the profile knows nothing of.

    Returns
    -------
    S, N : ndarray, shape (F, N)
        Estimates on a scale of their own.
    """
    V = V / np.maximum(V.mean(axis=0), np.finfo(np.float32).tiny)
    S = V * power_mask(S, N)
    N = V - S
    S_sum, N_sum = (np.maximum(X.sum(axis=0), _TINY) for X in (S, N))
    W_sum = W.sum(axis=0)[:, None]
    s, n, a = np.float32(1), 1 - _SHARE, np.tile(_SHARE * N_sum / W.sum(), (len(W_sum), 1))
    for _ in range(_ITERATIONS):
        Q = V / (s * S + n * N + W @ a + _TINY)
        s = s * (S * Q).sum(axis=0) / S_sum
        n = n * (N * Q).sum(axis=0) / N_sum
        a = a * (W.T @ Q) / W_sum
    speech = power_mask(s * S, n * N + W @ a)
    N = V * (1 - speech)
    for _ in range(_ITERATIONS):
        a = a * (W.T @ (N / (W @ a + _TINY))) / W_sum
    factor = np.sqrt(np.clip((V / (W @ a + _TINY) - 1) / 2, _LEAST_FACTOR, _LARGEST_FACTOR))
    factor[~W.any(axis=1)] = 1
    return speech * factor, 1 - speech
