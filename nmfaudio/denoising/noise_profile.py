"""Learn a noise profile: spectra of one noise, given by the user.

A profile is a :class:`nmfaudio.Dictionary` of kind "profile": a few atoms and their front end. It is saved and loaded
like any other dictionary.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .. import audio
from ..arguments import checked
from ..audio import as_signal
from ..dictionary import Dictionary, DictionaryLike
from ..errors import AudioError, DictionaryError
from ..nmf.sparse_nmf import sparse_nmf
from ..spectra.blocks import BlockSpectra
from ..spectra.front_end import powers
from .low_end import LowEnd

LONGEST_S = 60.0
"""Seconds of noise that a profile is learnt from; later sound is ignored."""

_ATOMS = 8  # measured: 4 are a little worse, 16 no better
_FRAMES_AN_ATOM = 8  # an atom of less would be one moment's noise
_FAINTEST = np.float32(1e-3)  # of the loudest value; a bin that stays below it is outside of the recording's band


@checked
def noise_profile(y: ArrayLike, sr: float, dictionary: DictionaryLike = "speech") -> Dictionary:
    """Learn the spectra of a noise from a recording of the noise alone.

    The compressed magnitude of the first minute is factorised under the Kullback-Leibler divergence into 8 atoms, or
    fewer where the recording is shorter than a second. The level of the noise does not enter the profile.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Noise; float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz, 63 or more for the shipped dictionaries.
    dictionary : str, path or Dictionary
        Dictionary to use the profile with; the shipped ones share their front end, and so their profiles.

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
    front_end = Dictionary.load(dictionary).front_end.bins_alone()
    stft = front_end.stft(sr)
    y = np.atleast_2d(as_signal(y))[:, : int(LONGEST_S * sr)].astype(np.float32, copy=False)
    _, analysed = LowEnd(sr, len(y), stft.hop_length).push(y)
    parts = [front_end.compressed(powers(Y, "linked")[0]) for Y in BlockSpectra(stft, [analysed])]
    reach = stft.n_frames(1) - 1  # frames that begin before the sound, or end after it
    V = np.concatenate(parts, axis=1) if parts else np.empty((front_end.n_bins, 0), np.float32)
    V = V[:, reach : V.shape[1] - reach]
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


def profile_for(dictionary: Dictionary, noise: DictionaryLike) -> Dictionary:
    """Return the noise profile for a dictionary: the given one, one from an ``.npz`` file, or that of a sound file.

    Raises
    ------
    NmfaudioError
        If the file cannot be used, or the profile is for another front end.
    """
    if isinstance(noise, (str, os.PathLike)) and Path(noise).suffix != ".npz":
        y, sr = audio.read(noise, stop_s=LONGEST_S)
        try:
            return noise_profile(y, sr, dictionary)
        except AudioError as error:
            raise AudioError(f"{noise}: {error}") from None
    if not isinstance(noise, (str, os.PathLike, Dictionary)):
        raise DictionaryError(f"noise is a file or a profile, not {type(noise).__name__}: see nmfaudio.noise_profile")
    profile = Dictionary.load(noise)
    if profile.kind != "profile":
        raise DictionaryError(f"noise {profile.name!r}: a dictionary of kind {profile.kind!r}, not a noise profile")
    if profile.front_end != dictionary.front_end.bins_alone():
        raise DictionaryError(f"noise {profile.name!r}: learnt for dictionaries of another front end; learn it anew")
    return profile
