"""Noisy speech, mixed on the fly. Mixture i of a random state is the same in every process."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...spectra.stft import STFT
from .augment import (
    active_rms,
    another_voice,
    equaliser,
    loop,
    low_pass,
    reverberate,
    shuffle_grains,
    swell,
    synthetic_noise,
    vary_speed,
    warp,
)
from .corpus import Corpus

_MIXTURES_PER_TRACK = 3
_LATEST = 800  # tracks of each kind that a mixture is drawn from; fewer make training overfit


@dataclass(frozen=True)
class Mixture:
    """Spectra of a mixture and of the speech in it.

    Attributes
    ----------
    mixture, speech : ndarray, shape (F, T), complex64
    """

    mixture: np.ndarray
    speech: np.ndarray


@dataclass(frozen=True)
class Variation:
    """Changes to sounds before they are mixed; all but the last three are shares of tracks or mixtures.

    Parameters
    ----------
    speeds : float
        Tracks that are played faster or slower.
    rooms : float
        Speech in a room.
    voices : float
        Speech with formants moved, see :func:`nmfaudio.training.data.augment.another_voice`.
    synthetic, babble : float
        Noises that are synthesised, or made of many voices; all others are recorded.
    reordered : float
        Recorded noises that are reversed, and as many that are put into a room; a third more are shuffled.
    swells : float
        Noises with a gain that rises and falls.
    warps : float
        Noises of a mixture with pace and frequencies changed, see :func:`nmfaudio.training.data.augment.warp`.
    low_passes : float
        Mixtures with nothing above a random frequency.
    n_noises : tuple of float
        Shares of mixtures with one noise, with two and with three at once.
    noise_db, channel_db : float
        Largest deviation of the equaliser of each noise, and of the microphone.
    """

    speeds: float = 0
    rooms: float = 0
    voices: float = 0
    synthetic: float = 0
    babble: float = 0
    reordered: float = 0
    swells: float = 0
    warps: float = 0
    low_passes: float = 0
    n_noises: tuple[float, float, float] = (1, 0, 0)
    noise_db: float = 0
    channel_db: float = 0


ADDED = Variation()  # a voice and a noise, nothing else
NATURAL = Variation(
    speeds=0.25,
    rooms=0.15,
    synthetic=0.06,
    babble=0.06,
    low_passes=0.05,
    n_noises=(0.75, 0.25, 0),
    noise_db=4,
    channel_db=4,
)
WILD = Variation(
    speeds=0.6,
    rooms=0.4,
    voices=0.3,
    synthetic=0.24,
    babble=0.1,
    reordered=0.15,
    swells=0.3,
    warps=0.7,
    low_passes=0.15,
    n_noises=(0.45, 0.4, 0.15),
    noise_db=10,
    channel_db=9,
)
MOSTLY_NATURAL = {NATURAL: 0.85, WILD: 0.15}


class Mixer:
    """Mix speech and noise.

    Most mixtures are of sounds as they are, because unusual mixtures teach the mask to stay near 0.5: a burst of high
    frequencies is a consonant in most recordings, but hardly ever among warped and shuffled noises. The other mixtures
    vary speed, room, voice, noise and microphone.

    There are fewer tracks of speech and of noise than mixtures. Each mixture combines some of the latest tracks in a
    new way: a dictionary learns from the number of different mixtures, not of frames.

    Parameters
    ----------
    speech, noise : Corpus
        Sources of the voices and of the recorded noises.
    stft : STFT
        Transform of the front end that the dictionary is for.
    random_state : int
        Mixture `i` depends on `random_state` and `i` alone.
    seconds : float
        Duration of a mixture.
    variations : dict of Variation to float
        Kinds of mixtures, and the share of each; the shares sum to one.
    """

    def __init__(
        self,
        speech: Corpus,
        noise: Corpus,
        stft: STFT,
        random_state: int = 0,
        seconds: float = 6.0,
        variations: Mapping[Variation, float] = MOSTLY_NATURAL,
    ) -> None:
        self.speech, self.noise, self.stft, self.random_state = speech, noise, stft, random_state
        self._variations = variations
        self.sr = speech.sr
        self.n = int(seconds * self.sr)
        self._tracks = lru_cache(3 * _LATEST)(self._track)

    def __call__(self, index: int) -> Mixture:
        """Make mixture number `index`."""
        rng = np.random.default_rng([self.random_state, index])
        variation = rng.choice(np.array(list(self._variations)), p=list(self._variations.values()))
        kind = rng.random()
        S = np.zeros(self._shape, np.complex64) if kind < 0.06 else self._latest(rng, index, "speech", variation)
        N = self._noise(rng, index, variation)
        if S.any():
            snr_db = rng.uniform(-8, 5 if kind < 0.3 else 20) if kind < 0.96 else rng.uniform(30, 60)
            N = N * np.float32(10 ** (-snr_db / 20))
        # equalisers act on spectra: the same smooth gain on every frame of speech and mixture
        channel = equaliser(rng, self.stft.n_bins, rng.uniform(0, variation.channel_db))
        if rng.random() < variation.low_passes:
            channel = channel * low_pass(rng, self.stft.n_bins, self.sr)
        S = S * channel[:, None]
        return Mixture(S + N * channel[:, None], S)

    @property
    def _shape(self) -> tuple[int, int]:
        return self.stft.n_bins, self.stft.n_frames(self.n)

    def _latest(self, rng: np.random.Generator, index: int, kind: str, variation: Variation) -> np.ndarray:
        number = index // _MIXTURES_PER_TRACK + int(rng.integers(_LATEST))
        return self._tracks(kind, variation, number)

    def _track(self, kind: str, variation: Variation, number: int) -> np.ndarray:
        """Make the spectrum of a track of speech at an active level of 1, or of a noise of root mean square 1."""
        rng = np.random.default_rng([self.random_state, number, kind == "noise"])
        y = self._speech_track(rng, variation) if kind == "speech" else self._noise_track(rng, variation)
        level = active_rms(y, self.sr) if kind == "speech" else float(np.sqrt(np.mean(y**2)))
        track = self.stft.analysis((y / np.float32(max(level, 1e-6))).astype(np.float32))
        return another_voice(rng, track) if kind == "speech" and rng.random() < variation.voices else track

    def _noise(self, rng: np.random.Generator, index: int, variation: Variation) -> np.ndarray:
        """Mix one to three noises, each with an equaliser of its own, to a root mean square of 1."""
        N = np.zeros(self._shape, np.complex64)
        for _ in range(rng.choice([1, 2, 3], p=variation.n_noises)):
            track = self._latest(rng, index, "noise", variation)
            if rng.random() < variation.warps:
                track = warp(rng, track)
            else:
                track = np.roll(track, int(rng.integers(N.shape[1])), axis=1)
            colour = equaliser(rng, self.stft.n_bins, rng.uniform(0, variation.noise_db))
            N += track * colour[:, None] * np.float32(10 ** (rng.uniform(-10, 0) / 20))
        power = np.mean(np.abs(N) ** 2) / np.sum(self.stft.analysis_window**2)
        return N / np.float32(max(np.sqrt(power), 1e-9))

    def _speech_track(self, rng: np.random.Generator, variation: Variation) -> np.ndarray:
        track = np.zeros(self.n, np.float32)
        files = self.speech.draw_group(rng)
        speed = rng.uniform(0.83, 1.19) if rng.random() < variation.speeds else 1.0
        mid_speech = rng.random() < 0.6  # recordings begin anywhere
        at = 0 if mid_speech else int(rng.exponential(0.3) * self.sr)
        level = 0.0
        while at < self.n:
            y = vary_speed(self.speech.piece(int(rng.choice(files)), rng, (self.n - at) / self.sr + 1), speed)
            if at == 0 and mid_speech:
                y = y[int(rng.integers(len(y) // 2 + 1)) :]
            rms = active_rms(y, self.sr)
            if rms == 0:
                break
            y = y[: self.n - at] * np.float32(10 ** (rng.normal(0, 2) / 20) / rms)
            track[at : at + len(y)] = y
            level += rms
            at += len(y) + int(rng.exponential(0.5) * self.sr)
        return reverberate(rng, track, self.sr) if level > 0 and rng.random() < variation.rooms else track

    def _noise_track(self, rng: np.random.Generator, variation: Variation) -> np.ndarray:
        kind = rng.random()
        if kind < variation.synthetic:
            n = synthetic_noise(rng, self.n, self.sr)
        elif kind < variation.synthetic + variation.babble:
            n = self._babble(rng)
        else:
            n = self._recorded_noise(rng, variation)
        return n * swell(rng, self.n, self.sr) if rng.random() < variation.swells else n

    def _recorded_noise(self, rng: np.random.Generator, variation: Variation) -> np.ndarray:
        speed = 2 ** rng.uniform(-0.6, 0.6) if rng.random() < variation.speeds else 1.0
        seconds = self.n / self.sr * speed + 0.1
        y = vary_speed(self.noise.piece(int(rng.choice(self.noise.draw_group(rng))), rng, seconds), speed)
        if rng.random() < variation.reordered:
            y = y[::-1]
        if rng.random() < variation.reordered * 4 / 3:
            return shuffle_grains(rng, y, self.n, self.sr)
        y = loop(y, self.n)
        return reverberate(rng, y, self.sr) if rng.random() < variation.reordered else y

    def _babble(self, rng: np.random.Generator) -> np.ndarray:
        track = np.zeros(self.n, np.float32)
        for _ in range(rng.integers(4, 12)):
            y = self.speech.piece(int(rng.choice(self.speech.draw_group(rng))), rng, self.n / self.sr)
            y = y[:: rng.choice([1, -1])]
            rms = max(active_rms(y, self.sr), 1e-6)
            y = np.resize(y, self.n) * np.float32(10 ** (rng.normal(0, 4) / 20) / rms)
            track += np.roll(y, int(rng.integers(self.n)))
        return reverberate(rng, track, self.sr)
