"""Noisy speech, mixed on the fly. Mixture i of a random state is the same in every process."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...spectra.front_end import FrontEnd
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
    mixture, speech : ndarray, shape (B, T), complex64
    top_hz : float
        Frequency that the content of both, of speech and of noise, reaches.
    """

    mixture: np.ndarray
    speech: np.ndarray
    top_hz: float


class Track(NamedTuple):
    """Spectrum (B, T) of speech or noise, and the frequency that its content reaches."""

    spectrum: np.ndarray
    top_hz: float


class _KeptTrack(NamedTuple):
    """Track in half of the memory: its level is near 1, so float16 holds it with errors at -70 dB."""

    halves: np.ndarray
    top_hz: float

    @classmethod
    def of(cls, track: Track) -> "_KeptTrack":
        return cls(np.stack([track.spectrum.real, track.spectrum.imag]).astype(np.float16), track.top_hz)

    def whole(self) -> Track:
        real, imaginary = self.halves.astype(np.float32)
        return Track(real + 1j * imaginary, self.top_hz)


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
        silence = Track(np.zeros(self._shape, np.complex64), np.inf)
        S, speech_hz = silence if kind < 0.06 else self._latest(rng, index, "speech", variation)
        N, noise_hz = self._noise(rng, index, variation)
        if S.any():
            snr_db = rng.uniform(-8, 5 if kind < 0.3 else 20) if kind < 0.96 else rng.uniform(30, 60)
            N = N * np.float32(10 ** (-snr_db / 20))
        # equalisers act on spectra: the same smooth gain on every frame of speech and mixture
        channel = equaliser(rng, self.stft.n_bins, rng.uniform(0, variation.channel_db))
        if rng.random() < variation.low_passes:
            channel = channel * low_pass(rng, self.stft.n_bins, self.sr)
        S = S * channel[:, None]
        return Mixture(S + N * channel[:, None], S, min(speech_hz, noise_hz, self.sr / 2))

    @property
    def _shape(self) -> tuple[int, int]:
        return self.stft.n_bins, self.stft.n_frames(self.n)

    def _latest(self, rng: np.random.Generator, index: int, kind: str, variation: Variation) -> Track:
        number = index // _MIXTURES_PER_TRACK + int(rng.integers(_LATEST))
        return self._tracks(kind, variation, number).whole()

    def _track(self, kind: str, variation: Variation, number: int) -> _KeptTrack:
        """Make a track of speech at an active level of 1, or of noise of root mean square 1."""
        rng = np.random.default_rng([self.random_state, number, kind == "noise"])
        y, top_hz = self._speech_track(rng, variation) if kind == "speech" else self._noise_track(rng, variation)
        level = active_rms(y, self.sr) if kind == "speech" else float(np.sqrt(np.mean(y**2)))
        track = self.stft.analysis((y / np.float32(max(level, 1e-6))).astype(np.float32))
        if kind == "speech" and rng.random() < variation.voices:
            track = another_voice(rng, track)
        return _KeptTrack.of(Track(track, top_hz))

    def _noise(self, rng: np.random.Generator, index: int, variation: Variation) -> Track:
        """Mix one to three noises, each with an equaliser of its own, to a root mean square of 1."""
        N, top_hz = np.zeros(self._shape, np.complex64), np.inf
        for _ in range(rng.choice([1, 2, 3], p=variation.n_noises)):
            track, track_hz = self._latest(rng, index, "noise", variation)
            top_hz = min(top_hz, track_hz)
            if rng.random() < variation.warps:
                track = warp(rng, track)
            else:
                track = np.roll(track, int(rng.integers(N.shape[1])), axis=1)
            colour = equaliser(rng, self.stft.n_bins, rng.uniform(0, variation.noise_db))
            N += track * colour[:, None] * np.float32(10 ** (rng.uniform(-10, 0) / 20))
        power = np.mean(np.abs(N) ** 2) / np.sum(self.stft.analysis_window**2)
        return Track(N / np.float32(max(np.sqrt(power), 1e-9)), top_hz)

    def _speech_track(self, rng: np.random.Generator, variation: Variation) -> tuple[np.ndarray, float]:
        track = np.zeros(self.n, np.float32)
        files = self.speech.draw_group(rng)
        speed = rng.uniform(0.83, 1.19) if rng.random() < variation.speeds else 1.0
        mid_speech = rng.random() < 0.6  # recordings begin anywhere
        at = 0 if mid_speech else int(rng.exponential(0.3) * self.sr)
        level, top_hz = 0.0, np.inf
        while at < self.n:
            index = int(rng.choice(files))
            y = vary_speed(self.speech.piece(index, rng, (self.n - at) / self.sr + 1), speed)
            top_hz = min(top_hz, self._reach_hz(self.speech, index, speed))
            if at == 0 and mid_speech:
                y = y[int(rng.integers(len(y) // 2 + 1)) :]
            rms = active_rms(y, self.sr)
            if rms == 0:
                break
            y = y[: self.n - at] * np.float32(10 ** (rng.normal(0, 2) / 20) / rms)
            track[at : at + len(y)] = y
            level += rms
            at += len(y) + int(rng.exponential(0.5) * self.sr)
        if level > 0 and rng.random() < variation.rooms:
            track = reverberate(rng, track, self.sr)
        return track, top_hz

    def _noise_track(self, rng: np.random.Generator, variation: Variation) -> tuple[np.ndarray, float]:
        kind = rng.random()
        if kind < variation.synthetic:
            n, top_hz = synthetic_noise(rng, self.n, self.sr), np.inf
        elif kind < variation.synthetic + variation.babble:
            n, top_hz = self._babble(rng)
        else:
            n, top_hz = self._recorded_noise(rng, variation)
        return n * swell(rng, self.n, self.sr) if rng.random() < variation.swells else n, top_hz

    def _recorded_noise(self, rng: np.random.Generator, variation: Variation) -> tuple[np.ndarray, float]:
        speed = 2 ** rng.uniform(-0.6, 0.6) if rng.random() < variation.speeds else 1.0
        seconds = self.n / self.sr * speed + 0.1
        index = int(rng.choice(self.noise.draw_group(rng)))
        y, top_hz = vary_speed(self.noise.piece(index, rng, seconds), speed), self._reach_hz(self.noise, index, speed)
        if rng.random() < variation.reordered:
            y = y[::-1]
        if rng.random() < variation.reordered * 4 / 3:
            return shuffle_grains(rng, y, self.n, self.sr), top_hz
        y = loop(y, self.n)
        return reverberate(rng, y, self.sr) if rng.random() < variation.reordered else y, top_hz

    def _babble(self, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        track, top_hz = np.zeros(self.n, np.float32), np.inf
        for _ in range(rng.integers(4, 12)):
            index = int(rng.choice(self.speech.draw_group(rng)))
            y = self.speech.piece(index, rng, self.n / self.sr)
            top_hz = min(top_hz, self._reach_hz(self.speech, index))
            y = y[:: rng.choice([1, -1])]
            rms = max(active_rms(y, self.sr), 1e-6)
            y = np.resize(y, self.n) * np.float32(10 ** (rng.normal(0, 4) / 20) / rms)
            track += np.roll(y, int(rng.integers(self.n)))
        return reverberate(rng, track, self.sr), top_hz

    def _reach_hz(self, corpus: Corpus, index: int, speed: float = 1.0) -> float:
        """Return the frequency that the content of a file reaches, which is resampled, then played at a speed."""
        return min(float(corpus.bandwidths_hz[index]), self.sr / 2) * speed


@dataclass(frozen=True)
class FullBandMixer:
    """Mixtures for a full-band dictionary: in turn of all sounds at a low rate, and of full-band ones at a high rate.

    Speech at a low rate, of which there is most, teaches the rows that it has.

    Parameters
    ----------
    low, high : Mixer
    """

    low: Mixer
    high: Mixer

    @property
    def random_state(self) -> int:
        """Seed of the mixtures."""
        return self.low.random_state

    def __call__(self, index: int) -> Mixture:
        """Make mixture number `index`."""
        return (self.high if index % 2 else self.low)(index // 2)


AnyMixer = Mixer | FullBandMixer


def mixer_of(
    speech: Corpus,
    noise: Corpus,
    front_end: FrontEnd,
    random_state: int,
    variations: Mapping[Variation, float] = MOSTLY_NATURAL,
) -> AnyMixer:
    """Return the mixer for a front end: with bands above the bins it takes both rates, if any sound reaches there."""
    sr = front_end.bins_alone().sr
    low = Mixer(speech.at(sr), noise.at(sr), front_end.stft(sr), random_state, variations=variations)
    if not front_end.n_high:
        return low
    top_hz = front_end.high_edges[min(4, front_end.n_high)] / front_end.window_s
    wide = speech.wider_than(top_hz), noise.wider_than(top_hz)
    if wide[0] is None or wide[1] is None:
        return low
    plain = {replace(variation, warps=0): share for variation, share in variations.items()}  # warps move the top
    high = Mixer(wide[0], wide[1], front_end.stft(speech.sr), random_state, variations=plain)
    return FullBandMixer(low, high)
