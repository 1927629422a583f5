"""Interfering sounds from Debian's free packages, to train dictionaries on: music, drums, effects, weather, machines.

Recordings of rain, streets and machines are many, those of music and of single events few. This makes tracks of 20 s
from packages of games and of music programs (CC0, CC-BY-SA, GPL; each package's copyright file says), for `--noise`::

    apt-get download sonic-pi-samples hydrogen-drumkits colobot-common-sounds freedroidrpg-data \
        unknown-horizons wesnoth-1.16-data lincity-ng-data endless-sky-data \
        widelands-data supertuxkart-data minetest-data pingus-data extremetuxracer-data flightgear-data-base \
        torcs-data 0ad-data redeclipse-data nexuiz-data openarena-data ufoai-sound warzone2100-data \
        trigger-rally-data megaglest-data hedgewars-data warmux-data lugaru-data simutrans-pak64 flare-game \
        scorched3d-data cube2-data foobillardplus-data supertux-data scratch \
        tuxpaint-stamps-default bucklespring-data openttd-opensfx gcompris-qt-data \
        xmoto-data lomiri-sounds
    for package in *.deb; do dpkg-deb --extract $package unpacked; done
    for zip in $(find unpacked -name '*.pk3' -o -name 'base.wz' -o -name 'data.zip' -o -name 'public.zip'); do
        unzip -nq $zip -d ${zip%.*}; done
    python debian_noise.py unpacked noise/
    python debian_noise.py unpacked full_band_noise/ --sr 44100

Kinds whose packages are missing are left out. The second command takes recordings at that rate or a higher one alone.
"""

import argparse
import hashlib
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import soundfile as sf

from nmfaudio import audio
from nmfaudio.errors import AudioError

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
N_TRACKS = {"music": 70, "drums": 20, "loops": 16, "engines": 24, "effects": 60, "music2": 90}
# speech is what must not count as noise
VOICES = ("voice", "human", "vocal", "misc_burp", "speech", "tavern", "mk-viii", "tcas")
# what the sounds of these folders are, the first that fits a path; what must not count as noise and beeps are left out
MORE = [
    "games/0ad/mods/public/public/audio/actor",
    "games/0ad/mods/public/public/audio/ambient",
    "games/0ad/mods/public/public/audio/attack",
    "games/0ad/mods/public/public/audio/interface/complete/building",
    "games/0ad/mods/public/public/audio/interface/select",
    "games/0ad/mods/public/public/audio/resource",
    "games/redeclipse/data/sounds",
    "games/nexuiz/data/data/sound",
    "games/openarena/baseoa/pak0/sound",
    "games/ufoai/base/0snd/sound",
    "games/warzone2100/base/audio/sfx",
    "games/trigger-rally/data/sounds",
    "games/megaglest/tilesets",
    "games/megaglest/data/core/water_sounds",
    "games/megaglest/techs/megapack",
    "games/hedgewars/Data/Sounds",
    "games/warmux/sound/default",
    "games/lugaru/Sounds",
    "games/simutrans/pak/sound",
    "games/flare/mods",
    "games/scorched3d/data/globalmods",
    "games/cube2/packages/sounds",
    "games/foobillardplus",
    "games/supertux2/sounds",
    "scratch/Media/Sounds",
    "tuxpaint/stamps",
    "buckle/wav",
    "games/openttd/baseset/opensfx",
    "gcompris-qt/rcc/explore_farm_animals",
    "gcompris-qt/rcc/memory-sound",
]
KINDS = {
    "spoken": r"_desc|/(voices?|vocals|announcer|player/(?!foot)|coms|tutorial|npcs|enemies|soldiers|civilians|aliens)"
    r"|/(codriver|memressp)|human/death|megapack/.*_(attack|summon|heal)",
    "synthetic": r"music|electronic|geoscape|/(ctf|kh|ui|interface/ui|interfce|items|symbols|instruments|seasonal)"
    r"|/(roadsigns|percussion|string|wind/|hobbies|military|clothes|food|flags)",
    "animals": r"animal|fauna|insect|(bird|dog|cow|pig|sheep|chicken|bull|elephant|horse|camel|eagle)s?\d*[_.]|bark"
    r"|growl|snarl|wolf|owl|rooster|raven|crow\b|bees?\d?\b|cricket|frog|gull|bats\d|hawk|rabbit|moo\b|chirp|buzz(?!saw)",
    "cries": r"_(ack|die|select)\d|die\b|scream|laugh|pain|grunt|taunt|death|affirm|yessir|movout|ohgod|radio|tv_"
    r"|tarconf|selected_|hell|hog|yoohoo|kiss|help|talk|singing|gasp|cough|sneeze|slurp|babycry|announce|ooh|hurt"
    r"|moan|warcry|_sel\d|_prod\d|minarett|sherif|newcomer|ok\.",
    "signals": r"menu|beep|laser|tele|power(up|off)|item|count|respawn|jump|health|shield|magic|morph|/\d[a-g]\.|jingle"
    r"|victory|valkyries|disco|beatbox|chat|intro|portal|invis|coin|quad|tada|lifeup|grow|upgrade|welldone|savebell"
    r"|level_up|no_mana|theme|original",
    "footsteps": r"step|walk|movement|rustle|gallop|stairs|fs_",
    "typing": r"buckle|typing|click|camera|switch|key",
    "weather": r"(?<!t)rain|thunder|storm|wind|lightning|arctic",
    "water": r"water|river|creek|ocean|wave|splash|lake|fountain|drip|drop|bubble|ripple|plunge|swim|toilet|pipe",
    "weapons": r"weapon|attack|gun|explo|expl_|shot|cannon|rocket|battle_|miss_|-fire|blast|bomb|missile|impact|sword"
    r"|grenade|knife|ricoche|bullet|firework|hit|mortar|bow|arrow|rifle|pistol|launcher",
    "fire": r"fire(?!truck)|burn|flame|torch|lava|molotov|sizzle",
    "vehicles": r"engine|vehicle|ship|jet|plane|cessna|copter|car\b|cars\b|carpassing|motor|truck|bus\b|diesel|hover"
    r"|tank|unitsound|hev|tread|vtol|orni|catapult|opensfx|boat|rally|flyby|train|crossing|cart\b|emergency",
    "machines": r"machine|fan|generator|pump|drone|hum|steam|factory|saw|drill|hammer|transformer|ventil|anvil|mine"
    r"|building|construct|mining|lumber|build|tools|sewing|vacuum|elevator|door|gate|metal|electric|spark|lights|energy|pneumatic",
    "crowd": r"applause|cheer|party|crowd",
    "ambience": r"ambien|day|night|city|forest|tropic|desert|cave",
    "foley": "",
}
LEFT_OUT = ("spoken", "synthetic", "cries", "signals")
CONTAINERS = ["games/openttd/baseset/opensfx/opensfx.cat"]
CONTAINERS += [f"gcompris-qt/rcc/{name}.rcc" for name in ("explore_farm_animals", "memory-sound")]
SHORTEST_S = 0.05
LONG_S = 4  # what lasts this long makes a track of its own, the rest strings of sounds
MUSIC = [
    "games/0ad/mods/public/public/audio/music",
    "games/redeclipse/data/sounds/music",
    "games/megaglest/techs/megapack/factions/egypt/music",
    "games/megaglest/techs/megapack/factions/indian/music",
    "games/megaglest/techs/megapack/factions/magic/music",
    "games/megaglest/techs/megapack/factions/norsemen/music",
    "games/megaglest/techs/megapack/factions/persian/music",
    "games/hedgewars/Data/Music",
    "games/warmux/music",
    "games/flare/mods/fantasycore/music",
    "games/supertux2/music",
    "games/xmoto/Textures/Musics",
    "scratch/Media/Sounds/Music Loops",
    "sounds/lomiri/ringtones",
]


def sounds(root: Path, folders: list[str], least_sr: int) -> list[Path]:
    """Sound files below some folders of the unpacked packages, without voices."""
    found = [p for folder in folders for p in sorted((root / "usr/share" / folder).rglob("*"))]
    named = [(p, p.relative_to(root).as_posix().lower()) for p in found if p.suffix in audio.SUFFIXES]
    return [p for p, name in named if not any(v in name for v in VOICES) and opens(p, least_sr)]


def opens(path: Path, least_sr: int) -> bool:
    """Whether a file is what its name says, at a high enough rate; some packages have empty ones."""
    try:
        return audio.info(path).duration_s > 0 and audio.info(path).sr >= least_sr
    except AudioError:
        return False


def read(path: Path, sr: int, seconds: float, start_s: float | None = None) -> np.ndarray:
    """A part of a file in one channel, peak at one."""
    stop_s = None if start_s is None else start_s + seconds
    y, own_sr = audio.read(path, start_s=start_s, stop_s=stop_s)
    y = audio.resample(y.mean(axis=0), own_sr, sr)[: int(seconds * sr)]
    return y / max(float(np.abs(y).max(initial=0)), 1e-6)


def split(container: Path) -> None:
    """Write the recordings that a container of a game holds one after the other to a folder of its name."""
    for i, part in enumerate(re.split(rb"(?s)(?=RIFF.{4}WAVE|OggS\x00\x02)", container.read_bytes())[1:]):
        target = container.with_suffix("") / f"{i:03}{'.wav' if part.startswith(b'RIFF') else '.ogg'}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(part)


def more(root: Path, least_sr: int) -> dict[str, list[Path]]:
    """Sound files of the other folders by kind, each sound once and none of a telephone's bandwidth."""
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    seen: set[object] = set()
    for path in (p for folder in MORE for p in sorted((root / "usr/share" / folder).rglob("*"))):
        if path.suffix not in audio.SUFFIXES or not opens(path, least_sr):
            continue
        info = audio.info(path)
        keys = {(path.stem.lower(), round(info.duration_s, 1)), hashlib.md5(path.read_bytes()).digest()}
        if info.duration_s > SHORTEST_S and not keys & seen:
            seen |= keys
            name = path.relative_to(root / "usr/share").as_posix().lower()
            found[next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))].append(path)
    return {kind: files for kind, files in found.items() if files and kind not in LEFT_OUT}


def rhythm(files: list[Path], sr: int, rng: np.random.Generator) -> np.ndarray:
    """Hits of a few sounds in a repeated random pattern."""
    track = np.zeros(TRACK_S * sr, np.float32)
    step = int(sr * rng.uniform(0.1, 0.3))
    for path in rng.choice(np.array(files), int(rng.integers(3, 7))):
        hit = read(path, sr, 2.0) * rng.uniform(0.2, 1)
        pattern = np.flatnonzero(rng.random(16) < rng.uniform(0.1, 0.5))
        for bar in range(0, len(track), 16 * step):
            for at in bar + pattern * step:
                part = hit[: max(0, len(track) - at)]
                track[at : at + len(part)] += part
    return track


def strung(files: Iterator[Path], sr: int, longest_s: float, rng: np.random.Generator) -> np.ndarray:
    """The next sounds one after the other, some overlapping, some with pauses."""
    track, at = np.zeros(TRACK_S * sr, np.float32), 0
    while at < len(track) and (path := next(files, None)):
        part = read(path, sr, longest_s)[: len(track) - at] * rng.uniform(0.2, 1)
        track[at : at + len(part)] += part
        at += max(sr // 20, int(len(part) * rng.uniform(0.3, 1.2)))
    return track


def sequence(files: list[Path], sr: int, rng: np.random.Generator) -> np.ndarray:
    """Sounds drawn at random, strung together."""
    return strung((files[int(rng.integers(len(files)))] for _ in count()), sr, 6.0, rng)


def pieces(files: list[Path], sr: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Tracks that hold each file about once: long ones of their own, looped, the short ones strung together twice."""
    short = []
    for path in files:
        duration_s = audio.info(path).duration_s
        if duration_s < LONG_S:
            short.append(path)
        elif duration_s <= TRACK_S:
            yield np.resize(read(path, sr, TRACK_S), TRACK_S * sr)
        else:
            for start_s in np.linspace(0, duration_s - TRACK_S, min(3, int(duration_s // TRACK_S))):
                yield read(path, sr, TRACK_S, start_s=start_s)
    rest = [short[i] for _ in range(2) for i in rng.permutation(len(short))]
    coming = (rest.pop() for _ in range(len(rest)))
    while rest:
        yield strung(coming, sr, LONG_S, rng)


def cuts(files: list[Path], sr: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """A part of each file."""
    starts_s = [rng.uniform(0, max(0.0, audio.info(path).duration_s - TRACK_S)) for path in files]
    for path, start_s in zip(files, starts_s, strict=True):
        yield read(path, sr, TRACK_S, start_s=start_s)


def tracks(root: Path, sr: int) -> Iterator[tuple[str, Iterator[np.ndarray]]]:
    """Each kind with its tracks."""
    for kind, folders in {**FOLDERS, "music2": MUSIC}.items():
        rng = np.random.default_rng(0)
        files = sounds(root, folders, sr)
        if not files:
            continue
        if kind in ("music", "music2"):
            yield kind, cuts([files[i] for i in sorted(rng.permutation(len(files))[: N_TRACKS[kind]])], sr, rng)
        else:
            make = rhythm if kind == "drums" else sequence
            yield kind, (make(files, sr, rng) for _ in range(N_TRACKS[kind]))
    for kind, files in more(root, sr).items():
        yield kind, (track for track in pieces(files, sr, np.random.default_rng(0)) if np.any(track))


def main() -> None:
    """Make the tracks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("unpacked", type=Path, help="folder that the packages were unpacked to")
    parser.add_argument("output", type=Path, help="folder for the tracks, one folder below it for each kind")
    parser.add_argument("--sr", type=int, default=16000, help="sampling rate in Hz (default: %(default)s)")
    args = parser.parse_args()
    for container in (args.unpacked / "usr/share" / name for name in CONTAINERS):
        if container.exists():
            split(container)
    found = False
    for kind, made in tracks(args.unpacked, args.sr):
        found = True
        (args.output / kind).mkdir(parents=True, exist_ok=True)
        for i, track in enumerate(made):
            track = 0.5 * track / max(float(np.abs(track).max(initial=0)), 1e-6)
            sf.write(args.output / kind / f"{i:03}.flac", track, args.sr)
    if not found:
        parser.error(f"{args.unpacked}: no sounds found below usr/share; unpack the packages there first")


if __name__ == "__main__":
    main()
