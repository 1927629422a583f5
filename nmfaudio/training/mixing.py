"""Noisy speech made on the fly: mixture number i of a seed is always the same, whoever computes it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..stft import STFT
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
_LATEST = 800  # tracks of each kind that a mixture is drawn from: fewer are learnt by heart


@dataclass(frozen=True)
class Mixture:
    """Spectra of a mixture and of the speech in it, complex, shape (F, N)."""

    mixture: np.ndarray
    speech: np.ndarray


class Mixer:
    """Draws mixtures of speech and noise with everything varied that varies outside the laboratory.

    Tracks of speech and of noise are made at a slower pace than mixtures, each of which combines some of the latest
    in a new way: what a dictionary learns from is the number of different mixtures, not of frames.

    Parameters
    ----------
    speech, noise : Corpus
        Where the voices and the noises come from; some noises are synthesised besides.
    stft : STFT
        Front end of the dictionary that is trained.
    seed : int
        Mixture `i` depends on `seed` and `i` alone.
    seconds : float
        Duration of a mixture.
    """

    def __init__(self, speech: Corpus, noise: Corpus, stft: STFT, seed: int = 0, seconds: float = 6.0):
        self.speech, self.noise, self.stft, self.seed = speech, noise, stft, seed
        self.sr = speech.sr
        self.n = int(seconds * self.sr)
        self._tracks = lru_cache(3 * _LATEST)(self._track)

    def __call__(self, index: int) -> Mixture:
        """Mixture number `index`."""
        rng = np.random.default_rng([self.seed, index])
        kind = rng.random()
        S = np.zeros(self._shape, np.complex64) if kind < 0.06 else self._latest(rng, index, "speech")
        N = self._noise(rng, index)
        if S.any():
            snr_db = rng.uniform(-8, 5 if kind < 0.3 else 20) if kind < 0.96 else rng.uniform(30, 60)
            N = N * np.float32(10 ** (-snr_db / 20))
        # equalisers act on spectra: the same smooth gain on every frame of speech and mixture
        channel = equaliser(rng, self.stft.n_bins, rng.uniform(0, 9))
        if rng.random() < 0.15:
            channel = channel * low_pass(rng, self.stft.n_bins, self.sr)
        S = S * channel[:, None]
        return Mixture(S + N * channel[:, None], S)

    @property
    def _shape(self) -> tuple[int, int]:
        return self.stft.n_bins, self.stft.n_frames(self.n)

    def _latest(self, rng: np.random.Generator, index: int, kind: str) -> np.ndarray:
        number = index // _MIXTURES_PER_TRACK + int(rng.integers(_LATEST))
        return self._tracks(kind, number)

    def _track(self, kind: str, number: int) -> np.ndarray:
        """Spectrum of a track of speech at an active level of 1, or of a noise of root mean square 1."""
        rng = np.random.default_rng([self.seed, number, kind == "noise"])
        y = self._speech_track(rng) if kind == "speech" else self._noise_track(rng)
        level = active_rms(y, self.sr) if kind == "speech" else float(np.sqrt(np.mean(y**2)))
        track = self.stft.analysis((y / np.float32(max(level, 1e-6))).astype(np.float32))
        return another_voice(rng, track) if kind == "speech" and rng.random() < 0.3 else track

    def _noise(self, rng: np.random.Generator, index: int) -> np.ndarray:
        """One to three noises, each with a colour of its own, of root mean square 1 in all."""
        N = np.zeros(self._shape, np.complex64)
        for _ in range(rng.choice([1, 2, 3], p=[0.45, 0.4, 0.15])):
            track = self._latest(rng, index, "noise")
            if rng.random() < 0.7:
                track = warp(rng, track)
            else:
                track = np.roll(track, int(rng.integers(N.shape[1])), axis=1)
            gain = equaliser(rng, self.stft.n_bins, rng.uniform(0, 10)) * np.float32(10 ** (rng.uniform(-10, 0) / 20))
            N += track * gain[:, None]
        power = np.mean(np.abs(N) ** 2) / np.sum(self.stft.analysis_window**2)
        return N / np.float32(max(np.sqrt(power), 1e-9))

    def _speech_track(self, rng: np.random.Generator) -> np.ndarray:
        track = np.zeros(self.n, np.float32)
        files = self.speech.draw_group(rng)
        speed = rng.uniform(0.83, 1.19) if rng.random() < 0.6 else 1.0
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
        return reverberate(rng, track, self.sr) if level > 0 and rng.random() < 0.4 else track

    def _noise_track(self, rng: np.random.Generator) -> np.ndarray:
        kind = rng.random()
        if kind < 0.66:
            n = self._recorded_noise(rng)
        elif kind < 0.76:
            n = self._babble(rng)
        else:
            n = synthetic_noise(rng, self.n, self.sr)
        return n * swell(rng, self.n, self.sr) if rng.random() < 0.3 else n

    def _recorded_noise(self, rng: np.random.Generator) -> np.ndarray:
        speed = 2 ** rng.uniform(-0.6, 0.6) if rng.random() < 0.6 else 1.0
        seconds = self.n / self.sr * speed + 0.1
        y = vary_speed(self.noise.piece(int(rng.choice(self.noise.draw_group(rng))), rng, seconds), speed)
        if rng.random() < 0.15:
            y = y[::-1]
        if rng.random() < 0.2:
            return shuffle_grains(rng, y, self.n, self.sr)
        y = loop(y, self.n)
        return reverberate(rng, y, self.sr) if rng.random() < 0.15 else y

    def _babble(self, rng: np.random.Generator) -> np.ndarray:
        track = np.zeros(self.n, np.float32)
        for _ in range(rng.integers(4, 12)):
            y = self.speech.piece(int(rng.choice(self.speech.draw_group(rng))), rng, self.n / self.sr)
            y = y[:: rng.choice([1, -1])]
            rms = max(active_rms(y, self.sr), 1e-6)
            y = np.resize(y, self.n) * np.float32(10 ** (rng.normal(0, 4) / 20) / rms)
            track += np.roll(y, int(rng.integers(self.n)))
        return reverberate(rng, track, self.sr)
