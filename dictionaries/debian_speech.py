"""More sentences of a few voices from Debian's free packages, to train dictionaries on.

Telephone prompts in English, Spanish, French and Russian (CC BY 3.0, CC BY-SA 3.0) and the dialogues of a game in Czech
(GPL 2), for `--speech`; the Italian prompts are left out, since their voice serves to measure with::

    apt-get download asterisk-core-sounds-{en,es,fr,ru}-g722 fillets-ng-data-cs
    for package in *.deb; do dpkg-deb --extract $package unpacked; done
    python debian_speech.py unpacked speech/

Needs ffmpeg, which reads G.722.
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile as sf

from nmfaudio import audio

SR = 16000
SHORTEST_S = 1.0
QUIETEST_DB = 30  # below the loud frames: what the pauses of a clean recording must reach
FISH = {"-m-": "cs_m", "-v-": "cs_v"}  # the small one and the big one, by file name


def voices(root: Path) -> dict[Path, str]:
    """Sound files below the unpacked packages, each with its speaker."""
    found = {path: path.parts[path.parts.index("sounds") + 1] for path in sorted(root.rglob("*.g722"))}
    for path in sorted((root / "usr/share/games/fillets-ng/sound").rglob("cs/*.ogg")):
        for mark, speaker in FISH.items():
            if mark in path.name:
                found[path] = speaker
    return found


def is_clean(y: np.ndarray) -> bool:
    """Whether a recording is long enough and its pauses are quiet."""
    hop = SR // 50
    if len(y) < SHORTEST_S * SR:
        return False
    power = np.mean(y[: len(y) // hop * hop].reshape(-1, hop) ** 2, axis=1) + 1e-12
    quiet, loud = np.percentile(power, [5, 90])
    return bool(10 * np.log10(loud / quiet) >= QUIETEST_DB)


def main() -> None:
    """Convert what is clean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("unpacked", type=Path, help="folder that the packages were unpacked to")
    parser.add_argument("output", type=Path, help="folder for the recordings, one folder below it for each speaker")
    args = parser.parse_args()
    found = voices(args.unpacked)
    if not found:
        parser.error(f"{args.unpacked}: no voices found below usr/share; unpack the packages there first")
    for path, speaker in found.items():
        y, sr = audio.read(path)
        y = audio.resample(y.mean(axis=0), sr, SR)
        if is_clean(y):
            target = args.output / speaker / f"{path.parent.name}_{path.stem}.flac"
            target.parent.mkdir(parents=True, exist_ok=True)
            sf.write(target, y, SR)


if __name__ == "__main__":
    main()
