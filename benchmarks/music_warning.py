"""Count the recordings that `denoise` warns of as mostly music: see docs/files.md.

python benchmarks/music_warning.py FOLDER...
"""

import argparse
from pathlib import Path

from nmfaudio import audio
from nmfaudio.denoising.music import MOSTLY, MusicMeter


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    for folder in parser.parse_args(argv).folders:
        paths = audio.list_files(folder)
        musical = [path for path in paths if share(path) >= MOSTLY]
        print(f"{folder.name}: {len(musical)} of {len(paths)}", *(path.name for path in musical[:9]))


def share(path: Path) -> float:
    """Share of music in a file."""
    meter = MusicMeter(audio.info(path).sr)
    for block in audio.blocks(path):
        meter.push(block)
    return meter.share


if __name__ == "__main__":
    main()
