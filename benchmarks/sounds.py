"""What the benchmarks of denoising share: recordings in one channel."""

from nmfaudio import audio


def mono(path, sr=None, **part):
    """Mean of the channels of a recording, or of a part of it as for `audio.read`, and its rate: `sr`, or its own."""
    y, own = audio.read(path, **part)
    sr = sr or own
    return audio.resample(y.mean(axis=0), own, sr), sr
