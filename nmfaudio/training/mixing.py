"""Noisy speech made on the fly: mixture number i of a seed is always the same, whoever computes it."""

from dataclasses import dataclass

import numpy as np

from ..stft import STFT
from .augment import active_rms, equaliser, low_pass, reverberate, synthetic_noise, vary_speed
from .corpus import Corpus


@dataclass(frozen=True)
class Mixture:
    """Spectra of a mixture and of the speech in it, complex, shape (F, N)."""

    mixture: np.ndarray
    speech: np.ndarray


class Mixer:
    """Draws mixtures of speech and noise with everything varied that varies outside the laboratory.

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

    def __call__(self, index: int) -> Mixture:
        """Mixture number `index`."""
        rng = np.random.default_rng([self.seed, index])
        kind = rng.random()
        s = np.zeros(self.n, np.float32) if kind < 0.06 else self._speech_track(rng)
        n = self._noise_track(rng)
        snr_db = rng.uniform(-6, 20) if kind < 0.96 else rng.uniform(30, 60)
        level = active_rms(s, self.sr)
        if level > 0:
            noise_rms = float(np.sqrt(np.mean(n**2)))
            n *= level / max(noise_rms, 1e-9) * 10 ** (-snr_db / 20)
        # equalisers act on spectra: the same smooth gain on every frame of speech and mixture
        n_bins = self.stft.n_fft // 2 + 1
        channel = equaliser(rng, n_bins, rng.uniform(0, 9))
        if rng.random() < 0.15:
            channel = channel * low_pass(rng, n_bins, self.sr)
        S = self.stft.analysis(s) * channel[:, None]
        N = self.stft.analysis(n) * (channel * equaliser(rng, n_bins, rng.uniform(0, 9)))[:, None]
        return Mixture(S + N, S)

    def _speech_track(self, rng: np.random.Generator) -> np.ndarray:
        track = np.zeros(self.n, np.float32)
        files = self.speech.draw_group(rng)
        speed = rng.uniform(0.87, 1.15) if rng.random() < 0.6 else 1.0
        mid_speech = rng.random() < 0.4  # recordings begin anywhere
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
        track = np.zeros(self.n, np.float32)
        for _ in range(1 + (rng.random() < 0.5)):
            kind = rng.random()
            if kind < 0.68:
                n = self._recorded_noise(rng)
            elif kind < 0.76:
                n = self._babble(rng)
            else:
                n = synthetic_noise(rng, self.n, self.sr)
            rms = float(np.sqrt(np.mean(n**2)))
            track += n * np.float32(10 ** (rng.uniform(-8, 0) / 20) / max(rms, 1e-6))
        return track

    def _recorded_noise(self, rng: np.random.Generator) -> np.ndarray:
        speed = rng.uniform(0.75, 1.35) if rng.random() < 0.6 else 1.0
        seconds = self.n / self.sr * speed + 0.1
        y = vary_speed(self.noise.piece(int(rng.choice(self.noise.draw_group(rng))), rng, seconds), speed)
        if rng.random() < 0.15:
            y = y[::-1]
        fade = min(800, len(y) // 4)
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        while len(y) < self.n:  # a short recording is looped with a cross-fade
            joint = y[-fade:] * (1 - ramp) + y[:fade] * ramp
            y = np.concatenate([y[:-fade], joint, y[fade:]])
        y = y[: self.n]
        return reverberate(rng, y, self.sr) if rng.random() < 0.15 else y

    def _babble(self, rng: np.random.Generator) -> np.ndarray:
        track = np.zeros(self.n, np.float32)
        for _ in range(rng.integers(4, 12)):
            y = self.speech.piece(int(rng.choice(self.speech.draw_group(rng))), rng, self.n / self.sr)
            rms = max(active_rms(y, self.sr), 1e-6)
            y = np.resize(y, self.n) * np.float32(10 ** (rng.normal(0, 4) / 20) / rms)
            track += np.roll(y, int(rng.integers(self.n)))
        return reverberate(rng, track, self.sr)
