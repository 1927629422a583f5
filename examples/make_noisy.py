"""Rebuild noisy.wav, clean.flac and noisy_48k.ogg from two Debian packages: a voice in a recorded thunderstorm.

Run on Debian or Ubuntu: python examples/make_noisy.py (downloads 125 MB; LICENSES.md says what is taken from where).
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

HERE = Path(__file__).parent
VOICE = "usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-{}.wav"
RAIN = "usr/share/games/flare/mods/empyrean_campaign/soundfx/environment/rain.ogg"
SNR_DB = 5.0


def unpack(package: str, folder: Path) -> None:
    """Fetch a Debian package and unpack its files into the folder."""
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
    subprocess.run(["dpkg-deb", "-x", next(folder.glob(f"{package}_*.deb")), folder], check=True)


def read(path: Path, sr: int) -> np.ndarray:
    """Read a mono sound file at the rate `sr`."""
    y, sr_in = sf.read(path)
    return soxr.resample(y, sr_in, sr)


def mix(speech: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mix speech and noise at SNR_DB with a peak of -3 dB; return the mixture and its speech."""
    gain = np.sqrt((speech**2).mean() / (noise**2).mean()) / 10 ** (SNR_DB / 20)
    noisy = speech + gain * noise
    level = 10 ** (-3 / 20) / np.abs(noisy).max()
    return noisy * level, speech * level


def main() -> None:
    """Write the files beside this script."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack("pocketsphinx-testdata", folder)
        unpack("flare-game", folder)

        speech, rain = read(folder / VOICE.format("0870"), 16000), read(folder / RAIN, 16000)
        start = int(39.5 * 16000)  # thunder follows 2.5 s later
        noisy, clean = mix(speech, rain[start : start + len(speech)])
        sf.write(HERE / "noisy.wav", noisy, 16000, subtype="PCM_16")
        sf.write(HERE / "clean.flac", clean, 16000, subtype="PCM_16")

        speech, rain = read(folder / VOICE.format("0930"), 48000), read(folder / RAIN, 48000)
        ears = np.stack([rain[i * 48000 :][: len(speech)] for i in (10, 20)])  # other rain on each side, voice left
        noisy, _ = mix(np.outer([1.0, 0.6], speech), ears)
        sf.write(HERE / "noisy_48k.ogg", noisy.T, 48000, format="OGG", subtype="VORBIS")


if __name__ == "__main__":
    main()
