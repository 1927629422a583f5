"""Adaptation of a dictionary to a minute of the user's own sound."""

from dataclasses import replace

import numpy as np

from ..arguments import check_seed, checked
from ..denoising.decomposition import decomposition_for
from ..denoising.noise_profile import LONGEST_S, noise_profile
from ..dictionary import Dictionary
from ..errors import NmfaudioError
from .data.corpus import Corpus
from .data.corpus_blocks import corpus_batches
from .sparse import train_atoms
from .unfolded.build import mixers, retrain_unfolded
from .unfolded.stage import Schedule

# no averaging: the mean over so few steps would stay close to where they began
_SCHEDULE = Schedule(steps=150, rate=0.002, warm_up=10, pool_items=60, new_items=1, check_every=150, averaged=1)
_N_DEV = 2
_VOICE_ATOMS = 64  # measured: 128 bring half as much
_VOICE_S = 600.0  # a minute is repeated ten times


@checked
def adapt(dictionary: Dictionary, speech: Corpus | None, noise: Corpus | None, random_state: int = 0) -> Dictionary:
    """Fit a dictionary to the user's voice, noise or both, in the way that helps its kind most.

    A sparse dictionary gets atoms of the voice (:func:`with_voice`) and a profile of the noise (:func:`with_noise`). An
    unfolded one is trained further if there is speech and noise (:func:`trained_on`); with noise alone it gets a
    profile.

    Parameters
    ----------
    dictionary : Dictionary
    speech, noise : Corpus or None
        At least one of the two.
    random_state : int
        Seed of all random choices.

    Returns
    -------
    Dictionary

    Raises
    ------
    NmfaudioError
        If there is no sound, speech alone for a kind that needs noise too, or a dictionary that does not denoise.

    Examples
    --------
    >>> from nmfaudio import Dictionary
    >>> def fitted(fan):
    ...     return adapt(Dictionary.load("speech"), None, Corpus(fan, 16000))
    """
    check_seed(random_state)
    decomposition_for(dictionary)  # refuses what does not denoise
    fitted = dictionary
    if dictionary.kind == "sparse" and speech is not None:
        fitted = with_voice(fitted, speech, random_state)
    elif speech is not None and noise is not None:
        fitted = trained_on(fitted, speech, noise, random_state)
    elif noise is None:
        raise NmfaudioError(f"dictionary {dictionary.name!r} learns from mixtures: give --noise beside --speech")
    if noise is not None and (dictionary.kind == "sparse" or speech is None):
        fitted = with_noise(fitted, noise, random_state)
    story = {"adapted_from": dictionary.name, "sha256_of_it": dictionary.sha256}
    if "note" in dictionary.record:
        story["note_of_it"] = dictionary.record["note"]
    return replace(fitted, record=story)


@checked
def trained_on(dictionary: Dictionary, speech: Corpus, noise: Corpus, random_state: int = 0) -> Dictionary:
    """Train the last stage of an unfolded dictionary further, on mixtures of the user's voice and noise.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind "unfolded".
    speech, noise : Corpus
        A minute of each is enough.
    random_state : int
        Seed of all random choices.

    Returns
    -------
    Dictionary

    Examples
    --------
    >>> from nmfaudio import Dictionary
    >>> def fitted(voice, fan):
    ...     return trained_on(Dictionary.load("speech"), Corpus(voice, 16000), Corpus(fan, 16000))
    """
    check_seed(random_state)
    mixer, dev_mixer = mixers(speech, noise, speech, noise, dictionary.front_end, random_state)
    return retrain_unfolded(dictionary, mixer, dev_mixer, schedule=_SCHEDULE, n_dev=_N_DEV, random_state=random_state)


@checked
def with_voice(dictionary: Dictionary, speech: Corpus, random_state: int = 0) -> Dictionary:
    """Replace the speech atoms of a sparse dictionary by those of one voice, in its room and through its microphone.

    Atoms of one voice fit it more closely than atoms of many voices do, and explain less of the noise. Added to the
    shipped atoms instead, they would change nothing or make the result worse.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind "sparse".
    speech : Corpus
        The voice, as clean as can be had; a minute is enough.
    random_state : int
        Seed of all random choices.

    Returns
    -------
    Dictionary

    Examples
    --------
    >>> from nmfaudio import Dictionary
    >>> def fitted(voice):
    ...     return with_voice(Dictionary.load("speech-sparse"), Corpus(voice, 16000))
    """
    check_seed(random_state)
    if dictionary.kind != "sparse":
        raise NmfaudioError(f"dictionary {dictionary.name!r}: of kind {dictionary.kind!r}, not sparse")
    batches = corpus_batches(speech, dictionary.front_end, random_state, max(speech.hours * 3600, _VOICE_S))
    atoms = train_atoms("speech", batches, _VOICE_ATOMS, rng=np.random.default_rng(random_state))
    return replace(dictionary, arrays={**dictionary.arrays, "speech": atoms})


@checked
def with_noise(dictionary: Dictionary, noise: Corpus, random_state: int = 0) -> Dictionary:
    """Add the profile of a noise to a dictionary, which then denoises as with ``noise=`` each time.

    Parameters
    ----------
    dictionary : Dictionary
        Any that denoises.
    noise : Corpus
        The noise alone. Random pieces of up to a minute in all are used, each brought to one level.
    random_state : int
        Seed of all random choices.

    Returns
    -------
    Dictionary

    Raises
    ------
    NmfaudioError
        If there is no sound, or too little.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import soundfile as sf
    >>> from nmfaudio import Dictionary
    >>> with TemporaryDirectory() as folder:
    ...     sf.write(f"{folder}/fan.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 32000), 16000)
    ...     "profile" in with_noise(Dictionary.load("speech-sparse"), Corpus(folder, 16000)).arrays
    True
    """
    check_seed(random_state)
    sounding: list[np.ndarray] = []
    left = int(LONGEST_S * noise.sr)
    for piece in noise.pieces(np.random.default_rng(random_state)):
        y = piece.read(noise.sr)[:left]
        level = np.sqrt(np.mean(y**2)) if len(y) else 0.0
        if level > 0:
            sounding.append(y / level)
            left -= len(y)
        if left <= 0:
            break
    if not sounding:
        raise NmfaudioError(f"{noise.source}: the noise is silence")
    profile = noise_profile(np.concatenate(sounding), noise.sr, dictionary)
    return replace(dictionary, arrays={**dictionary.arrays, "profile": profile.arrays["noise"]})
