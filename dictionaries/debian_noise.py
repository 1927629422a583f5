"""Interfering sounds from Debian's free packages, to train dictionaries on: music, drums, effects.

Recordings of rain, streets and machines are many, those of music and of single events few. This makes tracks of 20 s
from packages of games and of music programs (CC0, CC-BY-SA, GPL; each package's copyright file says), for `--noise`::

    apt-get download sonic-pi-samples hydrogen-drumkits colobot-common-sounds freedroidrpg-data \
        unknown-horizons wesnoth-1.16-data lincity-ng-data endless-sky-data \
        widelands-data supertuxkart-data minetest-data pingus-data extremetuxracer-data flightgear-data-base torcs-data
    for package in *.deb; do dpkg-deb --extract $package unpacked; done
    python debian_noise.py unpacked noise/
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile as sf

from nmfaudio import audio
from nmfaudio.errors import AudioError

SR = 16000
TRACK_S = 20
FOLDERS = {
    "music": [
        "games/colobot/music",
        "freedroidrpg/data/sound/music",
        "unknown-horizons/content/audio/music",
        "games/widelands/data/music",
        "games/supertuxkart/data/music",
        "games/etr/music",
    ],
    "drums": ["hydrogen/data/drumkits"],
    "loops": ["sonic-pi/samples"],
    "engines": ["games/flightgear/Sounds", "games/flightgear/Aircraft/c172p/Sounds", "games/torcs/data/sound"],
    "effects": [
        "games/wesnoth/1.16/data/core/sounds",
        "games/lincity-ng/sounds",
        "games/endless-sky/sounds",
        "games/colobot/sounds",
        "unknown-horizons/content/audio/sounds",
        "games/widelands/data/sound",
        "games/supertuxkart/data/sfx",
        "games/minetest/games/minetest_game/mods/default/sounds",
        "games/pingus/data/sounds",
        "games/etr/sounds",
    ],
}
N_TRACKS = {"music": 70, "drums": 20, "loops": 16, "engines": 24, "effects": 60}
# speech is what must not count as noise
VOICES = ("voice", "human", "vocal", "misc_burp", "speech", "tavern", "mk-viii", "tcas")


def sounds(root: Path, folders: list[str]) -> list[Path]:
    """Sound files below some folders of the unpacked packages, without voices."""
    found = [p for folder in folders for p in sorted((root / "usr/share" / folder).rglob("*"))]
    sounding = [p for p in found if p.suffix in audio.SUFFIXES and not any(v in str(p).lower() for v in VOICES)]
    return [p for p in sounding if opens(p)]


def opens(path: Path) -> bool:
    """Whether a file is what its name says; some packages have empty ones."""
    try:
        return audio.info(path).duration_s > 0
    except AudioError:
        return False


def read(path: Path, seconds: float, start_s: float | None = None) -> np.ndarray:
    """A part of a file in one channel at 16 kHz, peak at one."""
    stop_s = None if start_s is None else start_s + seconds
    y, sr = audio.read(path, start_s=start_s, stop_s=stop_s)
    y = audio.resample(y.mean(axis=0), sr, SR)[: int(seconds * SR)]
    return y / max(float(np.abs(y).max(initial=0)), 1e-6)


def rhythm(files: list[Path], rng: np.random.Generator) -> np.ndarray:
    """Hits of a few sounds in a repeated random pattern."""
    track = np.zeros(TRACK_S * SR, np.float32)
    step = int(SR * rng.uniform(0.1, 0.3))
    for path in rng.choice(np.array(files), int(rng.integers(3, 7))):
        hit = read(path, 2.0) * rng.uniform(0.2, 1)
        pattern = np.flatnonzero(rng.random(16) < rng.uniform(0.1, 0.5))
        for bar in range(0, len(track), 16 * step):
            for at in bar + pattern * step:
                part = hit[: max(0, len(track) - at)]
                track[at : at + len(part)] += part
    return track


def sequence(files: list[Path], rng: np.random.Generator) -> np.ndarray:
    """Sounds one after the other, some overlapping, some with pauses."""
    track, at = np.zeros(TRACK_S * SR, np.float32), 0
    while at < len(track):
        part = read(files[int(rng.integers(len(files)))], 6.0)[: len(track) - at] * rng.uniform(0.2, 1)
        track[at : at + len(part)] += part
        at += max(SR // 20, int(len(part) * rng.uniform(0.3, 1.2)))
    return track


def main() -> None:
    """Make the tracks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("unpacked", type=Path, help="folder that the packages were unpacked to")
    parser.add_argument("output", type=Path, help="folder for the tracks, one folder below it for each kind")
    args = parser.parse_args()
    for kind, folders in FOLDERS.items():
        rng = np.random.default_rng(0)
        files = sounds(args.unpacked, folders)
        if not files:
            parser.error(f"{args.unpacked}: no {kind} found below usr/share; unpack the packages there first")
        (args.output / kind).mkdir(parents=True, exist_ok=True)
        if kind == "music":
            files = [files[i] for i in sorted(rng.permutation(len(files))[: N_TRACKS[kind]])]
            starts_s = [rng.uniform(0, max(0.0, audio.info(path).duration_s - TRACK_S)) for path in files]
            tracks = (read(path, TRACK_S, start_s) for path, start_s in zip(files, starts_s, strict=True))
        else:
            make = rhythm if kind == "drums" else sequence
            tracks = (make(files, rng) for _ in range(N_TRACKS[kind]))
        for i, track in enumerate(tracks):
            track = 0.5 * track / max(float(np.abs(track).max(initial=0)), 1e-6)
            sf.write(args.output / kind / f"{i:03}.flac", track, SR)


if __name__ == "__main__":
    main()
