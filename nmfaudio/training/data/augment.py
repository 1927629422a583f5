"""Random changes to sound (speed, room, microphone, voice), and synthetic noises."""

import numpy as np

_FORMANT_COEFFICIENTS = 30  # of a cosine transform over 8 kHz: detail finer than 0.5 kHz belongs to the harmonics
_MOST_MOVED = 2.3  # of a logarithm: 20 dB


def active_rms(y: np.ndarray, sr: int) -> float:
    """Compute the root mean square over the 20 ms frames within 35 dB of the loud ones; 0 for silence."""
    hop = int(0.02 * sr)
    frames = y[: len(y) // hop * hop].reshape(-1, hop)
    if not len(frames):
        return 0.0
    power = np.mean(frames**2, axis=1)
    loud = np.percentile(power, 95)
    if loud <= 1e-12:
        loud = power.max(initial=0.0)
    active = power[power > loud * 10**-3.5]
    return float(np.sqrt(active.mean())) if len(active) else 0.0


def vary_speed(y: np.ndarray, speed: float) -> np.ndarray:
    """Play a signal faster (speed > 1) or slower, which moves pitch and formants too."""
    import soxr

    return y if speed == 1.0 else soxr.resample(y, speed, 1.0, quality="LQ")


def reverberate(rng: np.random.Generator, y: np.ndarray, sr: int) -> np.ndarray:
    """Put a signal into a random room: direct sound and exponentially decaying noise."""
    from scipy.signal import oaconvolve

    t60_s, direct_to_reverberant_db = rng.uniform(0.12, 0.7), rng.uniform(-2, 14)
    t = np.arange(int(t60_s * sr)) / sr
    tail = rng.standard_normal(len(t)) * np.exp(-6.9 * t / t60_s) * (t > rng.uniform(0.001, 0.01))
    if rng.random() < 0.7:  # rooms absorb high frequencies
        tail = tail + np.concatenate([[0.0], tail[:-1]])
    h = tail * 10 ** (-direct_to_reverberant_db / 20) / np.sqrt(np.sum(tail**2))
    h[0] = 1.0
    return oaconvolve(y, h.astype(np.float32))[: len(y)].astype(np.float32)


def loop(y: np.ndarray, n: int) -> np.ndarray:
    """Return the first `n` samples; a shorter sound is repeated with a cross-fade, an empty one gives silence."""
    if not len(y):
        return np.zeros(n, y.dtype)
    fade = min(800, len(y) // 4)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    while len(y) < n:
        joint = y[len(y) - fade :] * (1 - ramp) + y[:fade] * ramp
        y = np.concatenate([y[: len(y) - fade], joint, y[fade:]])
    return y[:n]


def shuffle_grains(rng: np.random.Generator, y: np.ndarray, n: int, sr: int) -> np.ndarray:
    """Make `n` samples of short pieces of a sound in random order: the same timbre with another rhythm."""
    half = min(int(10 ** rng.uniform(-1.3, 0.0) * sr), len(y)) // 2
    if half == 0:
        return loop(y, n)
    window = np.hanning(2 * half + 1)[:-1].astype(np.float32)
    out = np.zeros(n + 2 * half, np.float32)
    for at in range(0, n + half, half):
        start = int(rng.integers(len(y) - 2 * half + 1))
        out[at : at + 2 * half] += (y[start : start + 2 * half] * window)[: len(out) - at]
    return out[half : half + n]


def swell(rng: np.random.Generator, n: int, sr: int) -> np.ndarray:
    """Make a gain that rises and falls, or goes on and off, shape (n,)."""
    course = _slow_curve(rng, n, sr, 10 ** rng.uniform(-0.7, 0.7))
    if rng.random() < 0.3:  # on and off, within some hundredths of a second
        course = np.tanh(course * 10 ** rng.uniform(0.3, 1.0)) - 1
    return (10 ** (rng.uniform(2, 12) * course / 20)).astype(np.float32)


def equaliser(rng: np.random.Generator, n_bins: int, deviation_db: float) -> np.ndarray:
    """Make a smooth random gain for each bin, shape (n_bins,): a few cosines along a logarithmic frequency axis."""
    x = np.log2(1 + np.arange(n_bins) / 8) / np.log2(1 + n_bins / 8)
    curve_db = sum(rng.normal(0, deviation_db / (k + 1)) * np.cos(np.pi * (k * x + rng.random())) for k in range(1, 6))
    return (10 ** (curve_db / 20)).astype(np.float32)


def warp(rng: np.random.Generator, X: np.ndarray) -> np.ndarray:
    """Make another noise of the same character: play the frames of a spectrum (F, T) faster or slower, move its bins.

    The phases of neighbouring frames no longer fit, which does not matter: the loss knows the phase between speech and
    mixture within a frame, and none from frame to frame.
    """
    n_bins, n_frames = X.shape
    pace = 2 ** rng.uniform(-0.8, 0.8)
    frames = (np.arange(n_frames) * pace + rng.integers(n_frames)).astype(int) % n_frames
    if rng.random() < 0.3:
        frames = frames[::-1]
    f = np.linspace(0, 1, n_bins) ** (2 ** rng.uniform(-0.4, 0.4)) * 2 ** rng.uniform(-0.5, 0.5)
    at = np.minimum(f, 2 - f) * (n_bins - 1)  # a bin that moves beyond the band comes back from its end
    return X[np.clip(np.rint(at), 0, n_bins - 1).astype(int)[:, None], frames]


def another_voice(rng: np.random.Generator, X: np.ndarray) -> np.ndarray:
    """Make another speaker of the same sentence: move the formants of a spectrum (F, T), play it faster or slower.

    The formants are the smooth part of the logarithm of a frame: the first coefficients of its cosine transform. The
    harmonics stay; :func:`vary_speed` moves both together.
    """
    from scipy.fft import dct, idct

    n_bins, n_frames = X.shape
    magnitude = np.abs(X)
    log = np.log(magnitude + 1e-3 * magnitude.mean() + 1e-12)
    envelope = idct(dct(log, axis=0)[:_FORMANT_COEFFICIENTS], n=n_bins, axis=0)
    at = np.arange(n_bins) * 2 ** rng.uniform(-0.2, 0.2)
    moved = envelope[np.minimum(np.rint(at).astype(int), n_bins - 1)]
    Y = X * np.exp(np.clip(moved - envelope, -_MOST_MOVED, _MOST_MOVED)).astype(np.float32)
    pace = 2 ** rng.uniform(-0.35, 0.35) if rng.random() < 0.5 else 1.0
    return Y[:, (np.arange(n_frames) * pace).astype(int) % n_frames]


def low_pass(rng: np.random.Generator, n_bins: int, sr: int) -> np.ndarray:
    """Make the gain of a telephone, a codec or an old recording: nothing above a random frequency, shape (n_bins,)."""
    hz = np.arange(n_bins) * sr / 2 / (n_bins - 1)
    cut_hz = rng.choice([3400.0, 4000.0, 5500.0, 7000.0]) * rng.uniform(0.95, 1.05)
    return np.where(hz > cut_hz, 10 ** rng.uniform(-5, -2.5), 1.0).astype(np.float32)


def synthetic_noise(rng: np.random.Generator, n: int, sr: int) -> np.ndarray:
    """Make coloured, modulated, harmonic, impulsive or musical noise, shape (n,), float32."""
    return _SYNTHETIC[rng.integers(len(_SYNTHETIC))](rng, n, sr).astype(np.float32)


def _coloured(rng: np.random.Generator, n: int, sr: int) -> np.ndarray:
    """Noise whose power falls with a random power of frequency, with bumps."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.arange(len(spectrum)) * sr / n
    gain = np.maximum(hz, 30.0) ** -rng.uniform(-0.25, 1.0)
    x = np.log2(1 + hz / 100)
    bumps_db = sum(rng.normal(0, 6 / (k + 1)) * np.cos(k * x + rng.uniform(0, 6.28)) for k in range(1, 6))
    return np.fft.irfft(spectrum * gain * 10 ** (bumps_db / 20), n)


def _slow_curve(rng: np.random.Generator, n: int, sr: int, rate_hz: float) -> np.ndarray:
    knots = max(2, int(n / sr * rate_hz) + 2)
    return np.interp(np.linspace(0, knots - 1, n), np.arange(knots), rng.standard_normal(knots))


def _modulated(rng: np.random.Generator, n: int, sr: int) -> np.ndarray:
    depth = rng.uniform(0.3, 1.5)
    return _coloured(rng, n, sr) * np.exp(depth * _slow_curve(rng, n, sr, 10 ** rng.uniform(-0.3, 1.2)))


def _notes(rng: np.random.Generator, n: int, sr: int) -> np.ndarray:
    """Instruments: decaying or held tones with harmonics, in chords and on the beat."""
    y = np.zeros(n, np.float32)
    beat = sr * rng.uniform(0.12, 0.6)
    base_hz, decay_s, brightness = 10 ** rng.uniform(1.8, 2.7), 10 ** rng.uniform(-1.0, 0.0), rng.uniform(0.6, 2.5)
    t = np.arange(min(n, int(3 * decay_s * sr)), dtype=np.float32) / sr
    envelope = np.exp(-t / decay_s) * np.minimum(1, t / 0.01)
    tones = []
    for semitones in rng.choice(25, 6, replace=False):
        hz = base_hz * 2 ** (semitones / 12)
        partials = np.arange(1, 1 + max(1, min(8, int(0.45 * sr / hz))))
        amplitude = partials**-brightness * rng.exponential(size=len(partials))
        tones.append(
            sum(a * np.sin(np.float32(2 * np.pi * hz * k) * t) for a, k in zip(amplitude, partials, strict=True))
        )
    for at in np.arange(0, n, beat).astype(int):
        for i in rng.integers(len(tones), size=rng.poisson(1.2)):
            y[at : at + len(t)] += (tones[i] * envelope)[: n - at]
    return y + 10 ** rng.uniform(-3, -1) * (y.std() + 1e-6) * rng.standard_normal(n)


def _harmonic(rng: np.random.Generator, n: int, sr: int) -> np.ndarray:
    """Hum, whine, engine or siren: harmonics of a slowly moving fundamental over some coloured noise."""
    f0_hz = 10 ** rng.uniform(1.6, 3.2) * np.exp(rng.uniform(0, 0.15) * _slow_curve(rng, n, sr, rng.uniform(0.2, 3)))
    phase = 2 * np.pi * np.cumsum(f0_hz) / sr
    decay = rng.uniform(0.3, 2)
    y = np.zeros(n)
    for k in range(1, int(min(25, 0.45 * sr / f0_hz.max())) + 1):
        y += rng.exponential() * k**-decay * np.sin(k * phase + rng.uniform(0, 6.28))
    noise = _coloured(rng, n, sr)
    return y / (y.std() + 1e-9) + 10 ** (rng.uniform(-30, 0) / 20) * noise / (noise.std() + 1e-9)


def _impulsive(rng: np.random.Generator, n: int, sr: int) -> np.ndarray:
    """Keys, clicks, knocks, drops: short decaying bursts at random times."""
    from scipy.signal import oaconvolve

    times = np.zeros(n)
    at = rng.integers(0, n, rng.poisson(n / sr * 10 ** rng.uniform(-0.2, 1.3)) + 1)
    times[at] = rng.exponential(size=len(at)) * rng.choice([-1, 1], len(at))
    decay_s = 10 ** rng.uniform(-2.7, -0.9)
    burst = _coloured(rng, max(64, int(6 * decay_s * sr)), sr)
    burst *= np.exp(-np.arange(len(burst)) / (decay_s * sr))
    if rng.random() < 0.4:  # a ringing body
        burst *= np.sin(2 * np.pi * rng.uniform(200, 5000) * np.arange(len(burst)) / sr)
    y = oaconvolve(times, burst)[:n]
    floor = _coloured(rng, n, sr)
    return y / (y.std() + 1e-9) + 10 ** (rng.uniform(-40, -10) / 20) * floor / (floor.std() + 1e-9)


_SYNTHETIC = (_coloured, _coloured, _modulated, _harmonic, _impulsive, _notes)
