"""Songs with their stems (vocals, drums, bass, other), made from free packages, to train separation on.

No large set of recorded stems is free to use, so this makes songs. Grooves of Musical MIDI Accompaniment, songs
composed for games, and a band that plays at random give the notes. Soundfonts and recorded drum kits play them; some
guitars are recordings. Speech is made to sing with the WORLD vocoder. The mixture of a song is the sum of its stems::

    apt-get install mma fluidsynth fluid-soundfont-gm timgm6mb-soundfont opl3-soundfont csound-soundfont \
        musescore-general-soundfont-lossless denemo-data avldrums.lv2-soundfont hydrogen-drumkits \
        freedoom openttd-openmsx planetblupi-music-midi fretsonfire-songs-sectoid fretsonfire-songs-muldjord
    pip install mido pyworld "setuptools<81"
    python songs.py songs/ --speech speech/ --songs 400
    python songs.py held_out/ --speech other_speech/ --songs 12 --held-out

pyworld imports `pkg_resources`, which later versions of setuptools do not have.

With `--drums` the stems are kick, snare and cymbals in place of drums, each played on a kit of its own; all other drums
go to the snare. Without `--speech` they are alone::

    python songs.py drums/ --drums

Each folder below `--speech` holds the recordings of one voice; the wider their band, the better. What `--held-out`
uses (a soundfont, two drum kits, a guitar, a tenth of the grooves and songs) is never used without it. Song number i
depends on the seed, on i, on the recordings and on the versions of the packages, all of which it needs. `songs.csv`
lists each song with its sources and their licences.
"""

import argparse
import csv
import re
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from shutil import which
from typing import NamedTuple, TypeVar
from zlib import crc32

import numpy as np
import soundfile as sf
from scipy.fft import next_fast_len
from scipy.signal import butter, fftconvolve, sosfilt

from nmfaudio import audio
from nmfaudio.errors import AudioError

try:
    import mido
    import pyworld
except ImportError as error:
    raise SystemExit(f'{error}: pip install mido pyworld "setuptools<81"') from None

SR = 44100
STEMS = ("vocals", "drums", "bass", "other")
DRUMS = ("kick", "snare", "cymbals")
SHARE = Path("/usr/share")
GROOVES = SHARE / "mma/lib"
KITS = SHARE / "hydrogen/data/drumkits"
COMPOSED = {"openttd-openmsx": "games/openttd/baseset/openmsx", "planetblupi-music-midi": "planetblupi/music"}
WADS = [SHARE / f"games/doom/freedoom{i}.wad" for i in (1, 2)]
SOUNDFONTS = {  # of General MIDI
    "fluid-soundfont-gm": "sounds/sf2/FluidR3_GM.sf2",
    "timgm6mb-soundfont": "sounds/sf2/TimGM6mb.sf2",
    "musescore-general-soundfont-lossless": "sounds/sf2/MuseScore_General_Full.sf2",
    "opl3-soundfont": "sounds/sf2/OPL-3_FM_128M.sf2",
    "denemo-data": "sounds/sf2/A320U.sf2",
}
WEIGHTS = {"fluid-soundfont-gm": 4, "musescore-general-soundfont-lossless": 3, "opl3-soundfont": 0.5}  # others: 2
HELD_OUT_SOUNDFONT = {"csound-soundfont": "sounds/sf2/sf_GMbank.sf2"}
DRUM_SOUNDFONTS = [f"sounds/sf2/{name}_4_LV2.sf2" for name in ("Black_Pearl", "Red_Zeppelin")]
HELD_OUT_KITS = ("rumpf_kit_z01_h2", "Millo_MultiLayered3")
GUITARS = SHARE / "games/fretsonfire/data/songs"  # recordings of guitars alone
HELD_OUT_GUITARS = ("Feelings",)
LICENCES = {  # of Debian's packages, by their copyright files
    "mma": "GPL-2+ (the program)",
    "openttd-openmsx": "GPL-2",
    "planetblupi-music-midi": "GPL-3+",
    "freedoom": "BSD-3-clause",
    "fluid-soundfont-gm": "MIT",
    "timgm6mb-soundfont": "GPL-2+",
    "musescore-general-soundfont-lossless": "MIT",
    "opl3-soundfont": "CC-BY-SA-3.0",
    "denemo-data": "GPL-2+",
    "csound-soundfont": "public domain",
    "avldrums.lv2-soundfont": "CC-BY-SA-3.0",
    "fretsonfire-songs-sectoid": "MIT",
    "fretsonfire-songs-muldjord": "CC-BY-SA-3.0",
    "hydrogen-drumkits": "GPL-2+, CC-BY-3.0, CC-BY-SA-3.0 or CC0 by kit",
}
LEVELS_DB = {
    "vocals": -20,
    "drums": -20,
    "bass": -23,
    "other": -22,
    "kick": -22,
    "snare": -22,
    "cymbals": -29,
}  # active
LEVEL_SPREAD_DB = 6
T = TypeVar("T")

# What the instruments of a kit are called, and the notes of General MIDI that they play; the first match counts.
STROKES = {
    r"kick|bass ?drum|^bd|kik": (35, 36),
    r"stick|rim": (37,),
    r"snare|^sd|^sn": (38, 40),
    r"clap": (39,),
    r"open.*(hat|hh)|(hat|hh).*open|oh": (46,),
    r"pedal|foot": (44,),
    r"hat|hh|closed": (42,),
    r"floor|low.*tom|\btom.*(low|3|l$)": (41, 43, 45),
    r"mid.*tom|\btom.*(mid|2|m$)": (47,),
    r"\btom": (48, 50, 47, 45),
    r"cow": (56,),
    r"crash|splash|china": (49, 57, 55, 52),
    r"bell": (53,),
    r"ride": (51, 59),
    r"tamb": (54,),
    r"shak|marac|cabasa": (70, 82, 69),
    r"conga|bongo": (60, 61, 62, 63, 64),
}
NEEDED_STROKES = {36, 38, 42}  # kick, snare, closed hi-hat
OF_KICK = {35, 36}
# and of what jingles or is shaken
OF_CYMBALS = {42, 44, 46, 49, 51, 52, 53, 54, 55, 57, 59, 69, 70, 80, 81, 82, 83, 84}
OF_DRUM_SOUNDFONTS = {35: 36, 48: 47, 50: 45, 58: 56, 60: 47, 64: 45}  # notes at which they have other strokes or none

PITCHES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "M7": (0, 4, 7, 11), "m7": (0, 3, 7, 10)}
PROGRESSIONS = (
    "C Am F G", "C G Am F", "Am F C G", "Dm G C C", "C F C G", "C Em F G", "Am G F E", "C C7 F Fm", "Dm7 G7 CM7 A7",
    "C Bb F C", "Am Dm G C", "F G Em Am", "C E7 Am F", "Em C G D", "Am Am G F", "C C F G", "Am C D F", "C C C C",
    "Am Am Am Am", "C7 C7 F7 C7 G7 F7 C7 G7", "Am7 D7 Am7 D7", "F C G Am", "C G F F", "Em G D A",
)  # fmt: skip

FRAME_S = 0.005  # of the vocoder
HARMONY_S = 0.25


class Part(NamedTuple):
    """Messages of one instrument, each with its time in seconds."""

    stem: str
    program: int
    events: list[tuple[float, mido.Message]]


class Score(NamedTuple):
    """Notes of a song, where they come from, and the beats in a minute."""

    name: str
    package: str
    tempo: float
    parts: list[Part]


class Voice(NamedTuple):
    """A recording taken to pieces by the vocoder: fundamental frequency, spectral envelope, aperiodicity."""

    f0: np.ndarray
    envelope: np.ndarray
    aperiodicity: np.ndarray
    sr: int


def not_installed() -> list[str]:
    """Name the packages that are missing: without one of them, all songs would be others."""
    places = {package: SHARE / path for package, path in (COMPOSED | SOUNDFONTS | HELD_OUT_SOUNDFONT).items()}
    places |= {"mma": GROOVES, "hydrogen-drumkits": KITS, "avldrums.lv2-soundfont": SHARE / DRUM_SOUNDFONTS[0]}
    places |= {"freedoom": WADS[0]} | {f"fretsonfire-songs-{name}": GUITARS / name for name in ("muldjord", "sectoid")}
    missing = [package for package, place in places.items() if not place.exists()]
    return sorted({*missing, *(program for program in ("fluidsynth", "mma") if not which(program))})


# ---------------------------------------------------------------------------------------------------------- scores


def is_held_out(name: str) -> bool:
    """Tell whether a groove or a composed song belongs to the tenth that is held out."""
    return crc32(name.encode()) % 10 == 0


@lru_cache
def grooves(held_out: bool) -> list[tuple[str, str]]:
    """List the library files of MMA with the names of their grooves, without introductions and endings."""
    found = []
    for path in sorted(GROOVES.glob("*/*.mma")):
        library = path.relative_to(GROOVES).with_suffix("").as_posix()
        if is_held_out(library) != held_out or re.search("metronome|intro|ending|none|count", library):
            continue
        for name in re.findall(r"(?im)^\s*DefGroove\s+(\S+)", path.read_text(errors="replace")):
            if not re.search("(?i)intro|end", name):
                found.append((library, name))
    return found


@lru_cache
def composed(held_out: bool) -> list[tuple[str, str, bytes]]:
    """List composed songs: package, name, MIDI file."""
    found = []
    for package, folder in COMPOSED.items():
        for path in sorted((SHARE / folder).glob("*.mid")):
            found.append((package, path.stem, path.read_bytes()))
    for wad in WADS:
        data = wad.read_bytes()
        n, directory = np.frombuffer(data[4:12], "<i4")
        for entry in range(directory, directory + 16 * n, 16):
            at, size = np.frombuffer(data[entry : entry + 8], "<i4")
            if data[at : at + 4] == b"MThd":
                name = data[entry + 8 : entry + 16].rstrip(b"\0").decode()
                found.append(("freedoom", f"{wad.stem}_{name}", data[at : at + size]))
    return [song for song in found if is_held_out(song[1]) == held_out]


def parts_of(midi: mido.MidiFile) -> list[Part]:
    """One part for each channel with notes, its program that of most of them."""
    programs: dict[int, int] = defaultdict(int)
    used: dict[int, Counter[int]] = defaultdict(Counter)
    events: dict[int, list[tuple[float, mido.Message]]] = defaultdict(list)
    now = 0.0
    for message in midi:
        now += message.time
        if message.is_meta or not hasattr(message, "channel"):
            continue
        if message.type == "program_change":
            programs[message.channel] = message.program
            continue
        if message.type == "note_on" and message.velocity:
            used[message.channel][programs[message.channel]] += 1
        events[message.channel].append((now, message))
    parts = []
    for channel, programs_used in used.items():
        program = programs_used.most_common(1)[0][0]
        stem = "drums" if channel == 9 else "bass" if 32 <= program < 40 else "other"
        parts.append(Part(stem, program, events[channel]))
    return parts


def is_drums(part: Part) -> bool:
    """Tell whether the notes of a part are strokes, of all drums or of one, and not pitches."""
    return part.stem in ("drums", *DRUMS)


def drum_of(note: int) -> str:
    """Name the drum that plays a note of General MIDI."""
    return "kick" if note in OF_KICK else "cymbals" if note in OF_CYMBALS else "snare"


def each_drum(part: Part) -> list[Part]:
    """Split a part of drums into one for each drum."""
    return [
        Part(
            drum, part.program, [(at, m) for at, m in part.events if not hasattr(m, "note") or drum_of(m.note) == drum]
        )
        for drum in DRUMS
    ]


def with_mma(rng: np.random.Generator, seconds: float, held_out: bool) -> Score:
    """A groove of MMA over random progressions."""
    library, groove = choice(rng, grooves(held_out))
    tempo = int(rng.integers(65, 170))
    chords = progression(rng, int(seconds * tempo / 60 / 3) + 10)
    lines = [f"Tempo {tempo}", f"Groove {library}:{groove}"]
    lines += [f"{bar} {PITCHES[root]}{quality}" for bar, (root, quality) in enumerate(chords, 1)]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "song.mma").write_text("\n".join(lines) + "\n")
        subprocess.run(["mma", "-f", "song.mid", "song.mma"], cwd=folder, capture_output=True, check=True)
        midi = mido.MidiFile(Path(folder) / "song.mid")
    return Score(f"{library}:{groove}", "mma", tempo, parts_of(midi))


def from_game(rng: np.random.Generator, seconds: float, held_out: bool) -> Score:
    """A song composed for a game."""
    package, name, data = choice(rng, composed(held_out))
    with tempfile.NamedTemporaryFile(suffix=".mid") as file:
        file.write(data)
        file.flush()
        midi = mido.MidiFile(file.name)
    tempos = [m.tempo for track in midi.tracks for m in track if m.type == "set_tempo"]
    return Score(name, package, mido.tempo2bpm(tempos[0]) if tempos else 120.0, parts_of(midi))


def progression(rng: np.random.Generator, bars: int) -> list[tuple[int, str]]:
    """Root and quality of the chord of each bar: two progressions in one key, by turns."""
    key = int(rng.integers(12))
    verse, chorus = (
        [re.match(r"([A-G]b?)(.*)", chord).groups() for chord in str(choice(rng, PROGRESSIONS)).split()]
        for _ in range(2)
    )
    repeats = int(rng.integers(1, 3))
    chords = [((PITCHES.index(root) + key) % 12, quality) for root, quality in verse * repeats + chorus * repeats]
    return [chords[bar % len(chords)] for bar in range(bars)]


def by_band(rng: np.random.Generator, seconds: float, held_out: bool) -> Score:
    """A band of drums, bass and up to four instruments that play patterns of sixteenths."""
    tempo = float(rng.integers(68, 182))
    step = 60 / tempo / 4
    bars = int(seconds / (16 * step)) + 9
    chords = progression(rng, bars)
    swing = rng.choice([0, 0, 0, rng.uniform(0.1, 0.33)])

    def part(stem: str, program: int, notes: Iterable[tuple[float, float, int, float]]) -> Part:
        """Notes as start and length in steps, pitch, strength from 0 to 1."""
        events = []
        for start, length, pitch, strength in notes:
            at = (start + swing * (int(start) % 2)) * step + abs(rng.normal(0, 0.004))
            velocity = int(np.clip(127 * strength * rng.uniform(0.85, 1.1), 1, 127))
            events.append((at, mido.Message("note_on", note=int(pitch), velocity=velocity)))
            events.append((at + length * step * 0.95, mido.Message("note_off", note=int(pitch))))
        return Part(stem, program, sorted(events, key=lambda event: event[0]))

    kicks = choice(
        rng, [[0, 8], [0, 8, 10], [0, 6, 8], [0, 3, 8, 11], [0, 4, 8, 12], [0, 7, 10], [0, 10], [0, 2, 8, 9]]
    )
    parts = [part("drums", int(choice(rng, [0, 0, 8, 16, 24, 25, 32])), beat(rng, bars, kicks))]
    parts.append(part("bass", int(rng.integers(32, 40)), bass_line(rng, chords, kicks)))
    players = [power_chords, strummed, arpeggio, pad, stabs, riff, lead]
    for player in rng.choice(len(players), int(rng.integers(1, 5)), replace=False):
        program, notes = players[player](rng, chords)
        parts.append(part("other", program, notes))
    return Score("band", "", tempo, parts)


def beat(rng: np.random.Generator, bars: int, kicks: list[int]) -> Iterator[tuple[float, float, int, float]]:
    """Drums: kick, snare, hi-hat or ride, now and then a fill and a crash."""
    snares = choice(rng, [[4, 12], [4, 12], [4, 12], [8], [4, 10, 12], [4, 7, 12, 15]])
    snare, hat = choice(rng, [38, 38, 40, 37, 39]), choice(rng, [42, 42, 42, 51, 46, 54, 70])
    every, phrase, ghosts = choice(rng, [1, 2, 2, 2, 4]), choice(rng, [2, 4, 4, 8]), rng.choice([0, 0, 0.15])
    hat_strength, fills = rng.uniform(0.3, 0.8), rng.uniform(0, 1)
    for bar in range(bars):
        at = 16 * bar
        fill = 16 - int(choice(rng, [4, 6, 8, 12])) if bar % phrase == phrase - 1 and rng.random() < fills else 16
        if bar % phrase == 0 and rng.random() < 0.7:
            yield at, 1, choice(rng, [49, 57, 55, 52]), 0.85
        for s in range(fill):
            if s in kicks or rng.random() < 0.03:
                yield at + s, 1, 36, 0.9
            if s in snares:
                yield at + s, 1, snare, 0.9
            elif rng.random() < ghosts:
                yield at + s, 1, 38, 0.25
            if s % every == 0:
                is_open = hat == 42 and s % 8 == 6 and rng.random() < 0.2
                yield at + s, 1, 46 if is_open else hat, hat_strength * (1 if s % 4 == 0 else 0.7)
        for s in range(fill, 16):
            if rng.random() < 0.75:
                yield at + s, 1, choice(rng, [38, 38, 48, 47, 45, 43, 36]), rng.uniform(0.6, 1)


def bass_line(rng: np.random.Generator, chords: list, kicks: list[int]) -> Iterator[tuple[float, float, int, float]]:
    """Roots, fifths and octaves on eighths, with the kick, walking, or held."""
    kind, low = (
        choice(rng, ["eighths", "eighths", "kick", "kick", "octaves", "walking", "held"]),
        int(rng.integers(26, 33)),
    )
    for bar, (root, quality) in enumerate(chords):
        at, pitch = 16 * bar, low + (root - low) % 12
        if kind == "held":
            yield at, 16, pitch, 0.8
        elif kind == "walking":
            for quarter, tone in enumerate([0, *rng.permutation(QUALITIES[quality])[:3]]):
                yield at + 4 * quarter, 4, pitch + int(tone), 0.8
        elif kind == "octaves":
            for eighth in range(8):
                yield at + 2 * eighth, 1.5, pitch + 12 * (eighth % 2), 0.8
        else:
            steps = list(range(0, 16, 2)) if kind == "eighths" else kicks
            for s, following in zip(steps, [*steps[1:], 16], strict=True):
                yield at + s, following - s, pitch + int(rng.choice([0, 0, 0, 0, 7, 12])), rng.uniform(0.7, 0.95)


def tones(chord: tuple[int, str], low: int) -> list[int]:
    """Pitches of a chord in its position above a lowest pitch."""
    root, quality = chord
    return sorted(low + (root + interval - low) % 12 for interval in QUALITIES[quality])


def rhythm(rng: np.random.Generator, density: float) -> list[int]:
    """Steps of a bar, the strong ones likelier."""
    strength = np.array([1, 0.15, 0.5, 0.25] * 4)
    steps = np.flatnonzero(rng.random(16) < np.clip(density * strength * 2, 0, 0.95))
    return [int(s) for s in steps] or [0]


def power_chords(rng: np.random.Generator, chords: list) -> tuple[int, Iterator]:
    """Roots with fifths of an electric guitar."""
    steps, low = choice(rng, [list(range(0, 16, 2)), list(range(16)), rhythm(rng, 0.5), [0]]), int(rng.integers(38, 44))

    def notes() -> Iterator[tuple[float, float, int, float]]:
        for bar, (root, _) in enumerate(chords):
            pitch = low + (root - low) % 12
            for s, following in zip(steps, [*steps[1:], 16], strict=True):
                for interval in (0, 7, 12):
                    yield 16 * bar + s, following - s, pitch + interval, 0.9

    return int(choice(rng, [27, 28, 29, 29, 30, 30])), notes()


def strummed(rng: np.random.Generator, chords: list) -> tuple[int, Iterator]:
    """Chords of a guitar, a piano or an organ, their tones a little after each other."""
    steps, low, delay = rhythm(rng, 0.6), int(rng.integers(50, 60)), rng.uniform(0, 0.2)

    def notes() -> Iterator[tuple[float, float, int, float]]:
        for bar, chord in enumerate(chords):
            for s, following in zip(steps, [*steps[1:], 16], strict=True):
                strength = rng.uniform(0.55, 0.9)
                for i, pitch in enumerate([*tones(chord, low - 12)[:2], *tones(chord, low), tones(chord, low)[0] + 12]):
                    yield 16 * bar + s + i * delay, following - s, pitch, strength

    return int(choice(rng, [24, 25, 25, 26, 27, 27, 29, 0, 1, 4, 5, 7, 16, 17, 18, 19])), notes()


def arpeggio(rng: np.random.Generator, chords: list) -> tuple[int, Iterator]:
    """Broken chords."""
    every, low, order = choice(rng, [1, 2, 2]), int(rng.integers(52, 70)), rng.permutation(8)

    def notes() -> Iterator[tuple[float, float, int, float]]:
        for bar, chord in enumerate(chords):
            pitches = [*tones(chord, low), *(p + 12 for p in tones(chord, low))]
            for i, s in enumerate(range(0, 16, every)):
                yield 16 * bar + s, 2 * every, pitches[order[i % 8] % len(pitches)], rng.uniform(0.5, 0.8)

    return int(choice(rng, [0, 4, 6, 8, 11, 12, 24, 25, 27, 45, 46, 80, 81, 90, 103])), notes()


def pad(rng: np.random.Generator, chords: list) -> tuple[int, Iterator]:
    """Held chords of strings, a choir, an organ or a synthesizer."""
    low = int(rng.integers(48, 66))
    notes = ((16 * bar, 16, p, 0.7) for bar, chord in enumerate(chords) for p in tones(chord, low))
    return int(choice(rng, [16, 18, 19, 20, 21, 48, 49, 50, 51, 88, 89, 90, 91, 94, 95])), notes


def stabs(rng: np.random.Generator, chords: list) -> tuple[int, Iterator]:
    """Short chords of brass, a clavinet or a synthesizer."""
    steps, low = rhythm(rng, 0.25), int(rng.integers(55, 68))
    notes = ((16 * bar + s, 1.5, p, 0.9) for bar, c in enumerate(chords) for s in steps for p in tones(c, low))
    return int(choice(rng, [7, 28, 55, 61, 62, 63, 66, 80, 81, 86])), notes


def riff(rng: np.random.Generator, chords: list) -> tuple[int, Iterator]:
    """One bar of low single notes, moved with the chords."""
    steps, low = rhythm(rng, 0.6), int(rng.integers(40, 52))
    intervals = rng.choice([0, 0, 3, 5, 7, 10, 12], len(steps))

    def notes() -> Iterator[tuple[float, float, int, float]]:
        for bar, (root, _) in enumerate(chords):
            for s, following, interval in zip(steps, [*steps[1:], 16], intervals, strict=True):
                yield 16 * bar + s, following - s, low + (root - low) % 12 + interval, 0.85

    return int(choice(rng, [27, 28, 29, 30, 30, 4, 7, 81, 87])), notes()


def lead(rng: np.random.Generator, chords: list) -> tuple[int, Iterator]:
    """A solo: chord tones and steps between them, with rests."""
    low, density = int(rng.integers(60, 74)), rng.uniform(0.2, 0.8)

    def notes() -> Iterator[tuple[float, float, int, float]]:
        pitch = low + 6
        for bar, chord in enumerate(chords):
            if rng.random() < 0.25:
                continue
            near = tones(chord, low) + [p + 12 for p in tones(chord, low)]
            steps = rhythm(rng, density)
            for s, following in zip(steps, [*steps[1:], 16], strict=True):
                pitch = min(near, key=lambda p: abs(p - pitch) + rng.uniform(0, 6)) + int(rng.choice([0, 0, 0, 2]))
                yield 16 * bar + s, min(following - s, 8), pitch, rng.uniform(0.7, 1)

    return int(choice(rng, [0, 4, 21, 22, 25, 26, 27, 29, 30, 30, 40, 56, 64, 65, 66, 71, 73, 80, 81, 84])), notes()


def excerpt(part: Part, start: float, seconds: float, speed: float, shift: int) -> Part:
    """A stretch of a part, played faster and higher; controls before it are kept."""
    events = []
    for at, message in part.events:
        at = (at - start) / speed
        if at >= seconds:
            break
        if message.type == "control_change" and message.control in (0, 32):  # banks, which differ by soundfont
            continue
        if message.type.startswith("note"):
            if at < 0:
                continue
            if not is_drums(part):
                message = message.copy(note=int(np.clip(message.note + shift, 0, 127)))
        events.append((max(at, 0.0), message))
    return part._replace(events=events)


def starts(part: Part) -> list[float]:
    """Times of a part's notes."""
    return [at for at, message in part.events if message.type == "note_on" and message.velocity]


def harmony(parts: Sequence[Part], seconds: float) -> np.ndarray:
    """Energy of each pitch class in each quarter of a second, shape (times, 12)."""
    n = int(np.ceil(seconds / HARMONY_S))
    weights = np.full((n, 12), 1e-3)
    for part in parts:
        sounding: dict[int, float] = {}
        for at, message in [] if is_drums(part) else part.events:
            if message.type == "note_on" and message.velocity:
                sounding[message.note] = at
            elif message.type in ("note_on", "note_off") and message.note in sounding:
                first, last = int(sounding.pop(message.note) / HARMONY_S), int(at / HARMONY_S)
                weights[first : last + 1, message.note % 12] += 1
    return weights


# --------------------------------------------------------------------------------------------------------- playing


def played(part: Part, soundfont: Path, n: int) -> np.ndarray:
    """Render a part with FluidSynth, without its reverb and chorus; shape (2, n)."""
    channel = 9 if is_drums(part) else 0
    if soundfont.stem.endswith("LV2"):  # these have their drums on every channel
        channel = 0
    track = mido.MidiTrack([mido.Message("program_change", program=part.program * (channel == 0), channel=channel)])
    ticks = 0
    end = part.events[-1][0]
    releases = [(end, mido.Message("control_change", control=control)) for control in (64, 123)]  # or it never ends
    for at, message in [*part.events, *releases]:
        now = round(at * 960)  # 480 ticks in a quarter note, 120 of these in a minute
        track.append(message.copy(channel=channel, time=now - ticks))
        ticks = now
    with tempfile.TemporaryDirectory() as folder:
        midi = mido.MidiFile(ticks_per_beat=480)
        midi.tracks.append(track)
        midi.save(f"{folder}/part.mid")
        command = ["fluidsynth", "-niq", "-R", "0", "-C", "0", "-g", "0.3", "-r", str(SR), "-T", "wav", "-O", "float"]
        command += ["-o", "synth.dynamic-sample-loading=1", "-F", f"{folder}/part.wav", str(soundfont)]
        subprocess.run([*command, f"{folder}/part.mid"], capture_output=True, check=True, timeout=120)
        y = sf.read(f"{folder}/part.wav", dtype="float32", always_2d=True)[0].T
    return fitted(y, n)


def fitted(y: np.ndarray, n: int) -> np.ndarray:
    """Cut a signal to a length, or pad it."""
    return np.pad(y, ((0, 0), (0, max(0, n - y.shape[1]))))[:, :n]


def guitar(rng: np.random.Generator, n: int, held_out: bool) -> tuple[np.ndarray, str]:
    """Cut a part out of a recording of a guitar, tuned; with the name of its song."""
    found = sorted(GUITARS.glob("*/*/guitar.ogg"))
    paths = [path for path in found if (path.parent.name in HELD_OUT_GUITARS) == held_out]
    path, tuning = choice(rng, paths), rng.uniform(0.85, 1.12)
    seconds = n / SR * tuning
    start = rng.uniform(0, audio.info(path).duration_s - seconds)
    y, sr = audio.read(path, start_s=start, stop_s=start + seconds)
    return fitted(audio.resample(y, round(sr * tuning), SR), n), f"{path.parent.parent.name}/{path.parent.name}"


@lru_cache
def kits(held_out: bool) -> list[str]:
    """List the recorded kits that have what a beat needs."""
    folders = sorted(path.parent.name for path in KITS.glob("*/drumkit.xml"))
    return [f for f in folders if (f in HELD_OUT_KITS) == held_out and set(layers(f)) >= NEEDED_STROKES]


@lru_cache
def layers(kit: str) -> dict[int, list[list[Path]]]:
    """Recordings of the instruments of a kit for each note of General MIDI, from soft to loud."""
    text = re.sub(r'xmlns="[^"]*"', "", (KITS / kit / "drumkit.xml").read_text(errors="replace"))
    found: dict[int, list[list[Path]]] = {}
    for instrument in ET.fromstring(text).iter("instrument"):
        name = (instrument.findtext("name") or "").lower()
        files = [KITS / kit / file.text for file in instrument.iter("filename") if file.text]
        files = [file for file in files if file.exists()]
        notes = next((notes for pattern, notes in STROKES.items() if re.search(pattern, name)), ())
        for note in notes if files else ():
            found.setdefault(note, []).append(files)
    return found


@lru_cache(maxsize=150)
def stroke(path: Path, tuning: float) -> np.ndarray:
    """A recording of one stroke, tuned; shape (2, samples)."""
    y, sr = audio.read(path)
    return audio.resample(np.broadcast_to(y[:2], (2, y.shape[1])), round(sr * tuning), SR)


def drummed(part: Part, kit: str, rng: np.random.Generator, n: int) -> np.ndarray:
    """Play drums on a recorded kit; shape (2, n)."""
    recordings = {note: choice(rng, instruments) for note, instruments in layers(kit).items()}
    tuning = float(np.round(rng.uniform(0.9, 1.1), 2))
    y, hardness, balance = np.zeros((2, n), np.float32), rng.uniform(1, 2), defaultdict(lambda: rng.uniform(0.6, 1.3))
    for at, message in part.events:
        if message.type != "note_on" or not message.velocity:
            continue
        same = [note for note in recordings if drum_of(note) == drum_of(message.note)]
        note = min(same, key=lambda note: abs(note - message.note))
        files = recordings[note]
        y_stroke = stroke(files[min(len(files) - 1, int(message.velocity / 128 * len(files)))], tuning)
        start = int((at + rng.uniform(0, 0.004)) * SR)
        part_y = y_stroke[:, : max(0, n - start)] * (message.velocity / 127) ** hardness * balance[note]
        y[:, start : start + part_y.shape[1]] += part_y * rng.uniform(0.9, 1.1)
    return y


# --------------------------------------------------------------------------------------------------------- singing


def voices(folders: Iterable[Path]) -> dict[str, list[Path]]:
    """Recordings of each voice: those of one folder, by its path."""
    found: dict[str, list[Path]] = {}
    for path in (path for folder in folders for path in audio.list_files(folder)):
        found.setdefault(str(path.parent), []).append(path)
    return found


def spoken(path: Path) -> tuple[np.ndarray, int]:
    """One channel of a recording at no more than 44.1 kHz."""
    y, sr = audio.read(path)
    y = y.mean(axis=0) / max(float(np.abs(y).max(initial=0)), 1e-6)
    return audio.resample(y, sr, min(sr, SR)), min(sr, SR)


def analysed(path: Path) -> Voice:
    """Take a recording to pieces with WORLD."""
    y, sr = spoken(path)
    y = y.astype(float)
    f0, times = pyworld.dio(y, sr, f0_floor=65.0, f0_ceil=600.0)
    f0 = pyworld.stonemask(y, f0, times, sr)
    envelope = pyworld.cheaptrick(y, f0, times, sr)
    return Voice(f0, envelope, pyworld.d4c(y, f0, times, sr), sr)


def set_to_music(
    voice: Voice, at: float, beat: float, weights: np.ndarray, low: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Give each voiced stretch a note or two of the harmony, which end on an eighth.

    Returns
    -------
    frames : ndarray, shape (T,)
        Frames of the recording, for each frame of the song.
    pitches : ndarray, shape (T,)
        Pitch in semitones as in MIDI, 0 without voice.
    """
    is_voiced = voice.f0 > 0
    stretch, grid, pitch = rng.uniform(1.1, 2.2), beat / 2, low + int(rng.integers(4, 11))
    frames, pitches = [], []
    for part in np.split(np.arange(len(is_voiced)), np.flatnonzero(np.diff(is_voiced)) + 1):
        if not is_voiced[part[0]] or len(part) < 8:
            n = max(1, min(len(part), int(beat / FRAME_S)))
            pitches.append(np.zeros(n))
        else:
            end = np.ceil((at + len(part) * FRAME_S * stretch) / grid) * grid
            n = max(8, round((end - at) / FRAME_S))
            for note in np.array_split(np.zeros(n), 1 + (n * FRAME_S > beat and rng.random() < 0.4)):
                row = weights[min(int(at / HARMONY_S), len(weights) - 1)]
                strange = row < np.sort(row)[-3]
                pitch = min(
                    range(low, low + 16), key=lambda p: abs(p - pitch) + rng.uniform(0, 6) + 12 * strange[p % 12]
                )
                pitches.append(note + pitch)
        frames.append(np.linspace(part[0], part[-1], n))
        at += n * FRAME_S
    return np.concatenate(frames), np.concatenate(pitches)


def contour(pitches: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fundamental frequency of notes: glides into them, drifts, and vibrato on long ones."""
    n, begins = np.arange(len(pitches)), np.diff(pitches, prepend=0) != 0
    since = (n - np.maximum.accumulate(np.where(begins, n, 0))) * FRAME_S
    vibrato = np.clip((since - 0.25) / 0.3, 0, 1) * rng.uniform(0, 0.6)
    drift = np.interp(n, n[::20], rng.normal(0, 0.1, len(n[::20])))
    bend = vibrato * np.sin(2 * np.pi * rng.uniform(4.8, 6.4) * since) - rng.uniform(0, 1.5) * np.exp(-since / 0.04)
    return np.where(pitches > 0, 440 * 2 ** ((pitches + bend + drift - 69) / 12), 0.0)


def vocoded(voice: Voice, frames: np.ndarray, f0: np.ndarray, size: float) -> np.ndarray:
    """Sing frames of a voice at other pitches, with formants as of a head of another size; mono at 44.1 kHz."""
    bins = np.clip(np.arange(voice.envelope.shape[1]) * size, 0, voice.envelope.shape[1] - 1)

    def between(rows: np.ndarray) -> np.ndarray:
        first = frames.astype(int)
        share = (frames - first)[:, None]
        rows = (1 - share) * rows[first] + share * rows[np.minimum(first + 1, len(rows) - 1)]
        left = bins.astype(int)
        share = bins - left
        return np.ascontiguousarray((1 - share) * rows[:, left] + share * rows[:, np.minimum(left + 1, len(bins) - 1)])

    envelope = np.exp(between(np.log(voice.envelope + 1e-16)))
    y = pyworld.synthesize(f0, envelope, between(voice.aperiodicity), voice.sr, 1000 * FRAME_S)
    return audio.resample(y.astype(np.float32), voice.sr, SR)


def vocals(
    recordings: Sequence[Path], weights: np.ndarray, tempo: float, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, str]:
    """Sing phrases of a voice over the harmony, alone, doubled, with a second voice or as a choir; or let it speak.

    Returns
    -------
    y : ndarray, shape (2, n)
    kind : str
        How the voice was used.
    """
    kind = str(rng.choice(["alone", "doubled", "in thirds", "choir", "spoken"], p=[0.55, 0.14, 0.12, 0.07, 0.12]))
    y, beat, at = np.zeros((2, n), np.float32), 60 / tempo, rng.uniform(0, 3)
    clips = [recordings[i] for i in rng.permutation(len(recordings))[:3]]
    if kind == "spoken":
        for path in (clips[i % len(clips)] for i in range(100)):
            clip, sr = spoken(path)
            add(y, audio.resample(clip, sr, SR), at, 0.0)
            at += len(clip) / sr + rng.exponential(0.7)
            if at * SR > n:
                return y, kind
    analyses = [analysed(path) for path in clips]
    spoken_hz = np.median(np.concatenate([v.f0[v.f0 > 0] for v in analyses] + [np.array([150.0])]))
    low = round(69 + 12 * np.log2(spoken_hz / 440)) + int(rng.choice([-4, -2, 0, 3, 5]))
    size, rests = rng.uniform(0.87, 1.13), rng.uniform(0.3, 3)
    singers = {"alone": [(0.0, 0, 1.0)], "doubled": [(-0.5, 0, 1.0), (0.5, 0, 1.0)]}
    singers["in thirds"] = [(0.0, 0, 1.0), (rng.uniform(-0.8, 0.8), int(rng.choice([-5, 4, 7])), 1.0)]
    singers["choir"] = [
        (place, int(rng.choice([0, 0, 0, 4, 7, -12])), rng.uniform(0.88, 1.14)) for place in (-0.9, -0.4, 0, 0.4, 0.9)
    ]
    while at * SR < n:
        voice = analyses[int(rng.integers(len(analyses)))]
        frames, pitches = set_to_music(voice, at, beat, weights, low, rng)
        kept = int((n / SR - at) / FRAME_S) + 1
        frames, pitches = frames[:kept], pitches[:kept]
        for i, (place, interval, singer_size) in enumerate(singers[kind]):
            moved = np.where(pitches > 0, pitches + interval, 0)
            if interval % 12:
                moved = in_harmony(moved, weights, at)
            late = rng.uniform(0, 0.03) * (i > 0)
            add(y, vocoded(voice, frames, contour(moved, rng), size * singer_size), at + late, place)
        at = np.ceil((at + len(frames) * FRAME_S + rng.exponential(rests)) / beat) * beat
    return y, kind


def in_harmony(pitches: np.ndarray, weights: np.ndarray, at: float) -> np.ndarray:
    """Move pitches to the nearest of the harmony's tones."""
    rows = weights[np.minimum(((at + np.arange(len(pitches)) * FRAME_S) / HARMONY_S).astype(int), len(weights) - 1)]
    around = np.arange(-2, 3)
    fits = rows[np.arange(len(pitches))[:, None], (pitches[:, None].astype(int) + around) % 12] - 0.1 * abs(around)
    return np.where(pitches > 0, pitches + around[np.argmax(fits, axis=1)], 0)


def add(y: np.ndarray, mono: np.ndarray, at: float, place: float) -> None:
    """Add a sound to a stereo signal at a time and a place from -1, left, to 1."""
    start = int(at * SR)
    part = mono[: max(0, y.shape[1] - start)]
    y[:, start : start + len(part)] += pan(place) * part


# ---------------------------------------------------------------------------------------------------------- mixing


def pan(place: float) -> np.ndarray:
    """Gains of the two channels at a place from -1, left, to 1; shape (2, 1)."""
    angle = (place + 1) * np.pi / 4
    return np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]], np.float32)


def equalised(y: np.ndarray, depth_db: float, rng: np.random.Generator) -> np.ndarray:
    """Raise and lower broad bands at random."""
    n = next_fast_len(y.shape[1])
    hz = np.fft.rfftfreq(n, 1 / SR)
    knots = np.geomspace(40, 18000, 8)
    gains_db = np.interp(np.log(np.maximum(hz, 1)), np.log(knots), rng.normal(0, depth_db / 2, len(knots)))
    return np.fft.irfft(np.fft.rfft(y, n) * 10 ** (gains_db / 20), n)[:, : y.shape[1]].astype(np.float32)


def amplified(y: np.ndarray, drive_db: float, rng: np.random.Generator) -> np.ndarray:
    """Distort a guitar softly, then limit its band as a loudspeaker does."""
    y = sosfilt(butter(2, 120, "high", fs=SR, output="sos"), y)
    y = np.tanh(y / active_level(y) * 10 ** (drive_db / 20) + 0.1)
    band = (rng.uniform(60, 110), rng.uniform(3800, 6500))
    return sosfilt(butter(3, band, "band", fs=SR, output="sos"), y).astype(np.float32)


def room(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Impulse response of a room by its reverberation time: decaying noise, high frequencies sooner; shape (2, n)."""
    n = int(SR * min(seconds, 2.5))
    t = np.arange(n) / SR
    low, high = rng.standard_normal((2, 2, n))
    low = sosfilt(butter(1, 2500, fs=SR, output="sos"), low)
    high = sosfilt(butter(1, 2500, "high", fs=SR, output="sos"), high)
    decays = 10 ** (-3 * t / seconds), 10 ** (-3 * t / (seconds * rng.uniform(0.3, 0.8)))
    y = np.pad(low * decays[0] + high * decays[1], ((0, 0), (int(rng.uniform(0, 0.04) * SR), 0)))
    return (y / np.sqrt(np.mean(np.sum(y**2, axis=1)))).astype(np.float32)


def reverberant(y: np.ndarray, response: np.ndarray, share: float) -> np.ndarray:
    """Add a room to a signal."""
    return y + share * fftconvolve(y, response, axes=1)[:, : y.shape[1]].astype(np.float32)


def active_level(y: np.ndarray) -> float:
    """Root of the mean power of the frames of 50 ms that are within 30 dB of the loudest."""
    hop = SR // 20
    powers = np.mean(y[..., : y.shape[-1] // hop * hop].reshape(*y.shape[:-1], -1, hop) ** 2, axis=(0, -1))
    return float(np.sqrt(np.mean(powers[powers >= max(powers.max(initial=0) / 1000, 1e-12)]))) if powers.any() else 1e-6


def compression(y: np.ndarray, threshold_db: float, ratio: float) -> np.ndarray:
    """Gain of a compressor for each sample: fast attack, slow release; shape (n,)."""
    hop = 128
    frames = fitted(y, -(-y.shape[1] // hop) * hop).reshape(len(y), -1, hop)
    levels_db = 10 * np.log10(np.mean(frames**2, axis=(0, 2)) + 1e-10)
    wanted_db = -np.maximum(0, levels_db - threshold_db) * (1 - 1 / ratio)
    gains_db, now = np.empty_like(wanted_db), 0.0
    for i, wanted in enumerate(wanted_db):
        now += (wanted - now) * (0.3 if wanted < now else 0.02)
        gains_db[i] = now
    return 10 ** (np.interp(np.arange(y.shape[1]), np.arange(len(gains_db)) * hop + hop / 2, gains_db) / 20)


def arranged(stems: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    """Silence stems for a while: now and then one of them, rarely all but one."""
    n = next(iter(stems.values())).shape[1]
    for _ in range(rng.choice([0, 0, 1, 2])):
        start, length = rng.uniform(0, n), rng.uniform(2, 8) * SR
        fade = np.interp(np.arange(n), [start, start + 2000, start + length, start + length + 2000], [1, 0, 0, 1])
        solo = rng.random() < 0.25
        chosen = str(rng.choice(list(stems)))
        for stem, y in stems.items():
            if (stem == chosen) != solo:
                y *= fade.astype(np.float32)


def choice(rng: np.random.Generator, values: Sequence[T]) -> T:
    """One of some values."""
    return values[int(rng.integers(len(values)))]


# ----------------------------------------------------------------------------------------------------------- songs


def song(
    rng: np.random.Generator,
    speech: dict[str, list[Path]],
    held_out: bool = False,
    seconds: float | None = None,
    names: Sequence[str] = STEMS,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Make one song.

    Parameters
    ----------
    rng : Generator
    speech : dict of list of Path
        Recordings of each voice.
    held_out : bool
        Use only what other songs do not.
    seconds : float, optional
        By default 12 to 40, mostly about 18.
    names : sequence of str
        Stems: some of STEMS, and DRUMS in place of drums.

    Returns
    -------
    stems : dict of ndarray, shape (2, samples)
        At 44.1 kHz, within -1 and 1 as is their sum.
    record : dict of str
        Sources, packages, licences.
    """
    seconds = seconds or float(np.clip(rng.gamma(5, 3.8), 12, 40))
    n = int(seconds * SR)
    score, parts = written(rng, seconds, held_out, names)
    stems, record, packages = performed(parts, rng, n, held_out, names)
    if "other" in names and rng.random() < 0.15:
        stems["other"], record["other"] = guitar(rng, n, held_out)
        packages.add(f"fretsonfire-songs-{record['other'].split('/')[0]}")
    if "vocals" in names and rng.random() < 0.87:
        voice = choice(rng, sorted(speech))
        stems["vocals"], kind = vocals(speech[voice], harmony(parts, seconds), score.tempo, n, rng)
        record["vocals"] = f"{voice}, {kind}"
    packages |= {score.package} - {""}
    record |= {"score": score.name, "bpm": f"{score.tempo:.0f}"}
    record["packages"] = "; ".join(f"{package} ({LICENCES[package]})" for package in sorted(packages))
    return mixed(stems, rng), record


def performed(
    parts: Sequence[Part], rng: np.random.Generator, n: int, held_out: bool, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, str], set[str]]:
    """Play the parts, each on an instrument of its own; stems, what played each of them, packages."""
    soundfonts = HELD_OUT_SOUNDFONT if held_out else SOUNDFONTS
    fonts = list(soundfonts)
    weights = np.array([WEIGHTS.get(font, 2) for font in fonts])
    stems = {stem: np.zeros((2, n), np.float32) for stem in names}
    record, packages, width = {}, set(), rng.uniform(0.2, 1)
    for part in parts:
        font = str(rng.choice(fonts, p=weights / weights.sum()))
        if is_drums(part):
            stems[part.stem], kit = drums(part, font, rng, n, held_out)
            record[part.stem] = kit
            packages.add("hydrogen-drumkits" if kit in kits(held_out) else kit)
            continue
        y = played(part, SHARE / soundfonts[font], n)
        if not y.any():
            continue
        if part.stem == "other":
            y = instrument(part, y, SHARE / soundfonts[font], width, rng)
        elif rng.random() < 0.25:
            y = amplified(y, rng.uniform(-6, 12), rng)
        stems[part.stem] += y * (10 ** (rng.uniform(-6, 6) / 20) / active_level(y))
        record[part.stem] = f"{record.get(part.stem, '')} {font}:{part.program}".strip()
        packages.add(font)
    return stems, record, packages


def mixed(stems: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Give each stem its sound and level, arrange them, and compress their sum."""
    response, mono = room(rng.uniform(0.25, 2.5), rng), rng.random() < 0.08
    shares = {"vocals": rng.uniform(0, 0.35), "drums": rng.uniform(0, 0.2), "bass": 0, "other": rng.uniform(0, 0.3)}
    shares |= {"kick": 0.3 * shares["drums"], "snare": 1.5 * shares["drums"], "cymbals": shares["drums"]}
    for stem, y in stems.items():
        if not y.any():
            continue
        if stem == "vocals":
            y = sosfilt(butter(2, rng.uniform(60, 150), "high", fs=SR, output="sos"), y).astype(np.float32)
            if rng.random() < 0.2:
                y = amplified(y, rng.uniform(-9, 3), rng)
        y = equalised(y, rng.uniform(0, 10), rng)
        if stem != "bass":
            y = reverberant(y, response, shares[stem])
        if rng.random() < 0.6:
            y = y * compression(y / active_level(y), rng.uniform(-12, 3), rng.uniform(1.5, 6)).astype(np.float32)
        level_db = LEVELS_DB[stem] + rng.uniform(-LEVEL_SPREAD_DB, LEVEL_SPREAD_DB)
        y = y * (10 ** (level_db / 20) / active_level(y))
        stems[stem] = np.repeat(y.mean(axis=0, keepdims=True), 2, axis=0) if mono else y
    arranged(stems, rng)
    mixture = sum(stems.values())
    gain = compression(mixture, rng.uniform(-26, -10), rng.uniform(1, 4))
    peak = max(float(np.abs(y * gain).max()) for y in (mixture, *stems.values()))
    gain = (gain * 10 ** (rng.uniform(-9, -0.3) / 20) / peak).astype(np.float32)
    return {stem: y * gain for stem, y in stems.items()}


def written(rng: np.random.Generator, seconds: float, held_out: bool, names: Sequence[str]) -> tuple[Score, list[Part]]:
    """An excerpt of a score, each drum in at most one part; what lacks the last of the stems is drawn again."""
    while True:
        write = (by_band, with_mma, from_game)[rng.choice(3, p=[0.45, 0.35, 0.2])]
        try:
            score = write(rng, seconds, held_out)
        except (subprocess.CalledProcessError, OSError, ValueError, IndexError):  # a groove or a file that is broken
            continue
        speed, shift = (1.0, 0) if write is by_band else (rng.uniform(0.85, 1.15), int(rng.integers(-5, 7)))
        times = [at for part in score.parts for at in starts(part)]
        last = max(times, default=0) / speed - seconds
        if last < 0:
            continue
        start = rng.uniform(0, last) * speed if write is from_game else rng.uniform(0, min(last, 12)) * speed
        parts = []
        for part in score.parts:
            octave = 12 * int(rng.choice([-1, 1])) if part.stem == "other" and rng.random() < 0.08 else 0
            part = excerpt(part, start, seconds, speed, shift + octave)
            if starts(part) and (part.stem == "other" or rng.random() < 0.95):
                parts.append(part)
        if "drums" not in names:
            parts = [piece for part in parts for piece in (each_drum(part) if part.stem == "drums" else [part])]
        parts = [part for part in parts if part.stem in names and starts(part)]
        if any(part.stem == names[-1] for part in parts) and len(parts) > 1:
            return score._replace(tempo=score.tempo * speed), parts


def drums(part: Part, font: str, rng: np.random.Generator, n: int, held_out: bool) -> tuple[np.ndarray, str]:
    """Play drums on a recorded kit, a soundfont of recorded kits or one of General MIDI; with its name."""
    kind = rng.random()
    if kind < 0.55:
        kit = choice(rng, kits(held_out))
        return drummed(part, kit, rng, n), kit
    if kind < 0.75 and not held_out:
        events = [
            (at, m.copy(note=OF_DRUM_SOUNDFONTS.get(m.note, m.note)) if hasattr(m, "note") else m)
            for at, m in part.events
        ]
        soundfont = SHARE / choice(rng, DRUM_SOUNDFONTS)
        return played(part._replace(events=events), soundfont, n), "avldrums.lv2-soundfont"
    return played(part, SHARE / (SOUNDFONTS | HELD_OUT_SOUNDFONT)[font], n), font


def instrument(part: Part, y: np.ndarray, soundfont: Path, width: float, rng: np.random.Generator) -> np.ndarray:
    """Distort guitars, play some of them twice, left and right, and give each instrument its place."""
    place = width * rng.uniform(-1, 1)
    is_guitar = 26 <= part.program <= 31
    if not is_guitar or rng.random() < 0.15:
        return y * pan(place)
    drive_db = rng.uniform(-6, 30)
    first = amplified(y, drive_db, rng).mean(axis=0)
    if rng.random() < 0.5:
        return first * pan(place)
    again = [(max(0.0, at + rng.normal(0, 0.008)), message) for at, message in part.events]
    again.sort(key=lambda event: event[0])
    second = amplified(played(part._replace(events=again), soundfont, y.shape[1]), drive_db, rng).mean(axis=0)
    return first * pan(-width) + second * pan(width)


def write(folder: Path, stems: dict[str, np.ndarray]) -> None:
    """Write the stems of a song; the folder is there when all of them are."""
    unfinished = folder.with_name(f".{folder.name}")
    unfinished.mkdir(exist_ok=True)
    for stem, y in stems.items():
        sf.write(unfinished / f"{stem}.flac", y.T, SR, subtype="PCM_16")
    unfinished.rename(folder)


def main() -> None:
    """Make the songs that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder for the songs, one folder below it for each")
    parser.add_argument("--speech", type=Path, nargs="+", default=[], help="folders with a folder for each voice")
    parser.add_argument("--drums", action="store_true", help="kick, snare and cymbals; alone without --speech")
    parser.add_argument("--songs", type=int, default=400, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="use what other songs do not")
    args = parser.parse_args()
    names = STEMS
    if args.drums:
        names = ("vocals", *DRUMS, "bass", "other") if args.speech else DRUMS
    if "vocals" in names and not args.speech:
        parser.error("nobody to sing: give --speech, folders with a folder for each voice")
    try:
        speech = voices(args.speech)
    except AudioError as error:
        parser.error(f"--speech {error}")
    if missing := not_installed():
        parser.error(f"packages are missing: apt-get install {' '.join(missing)}")
    args.output.mkdir(parents=True, exist_ok=True)
    for i in range(args.songs):
        folder = args.output / f"song{i:05}"
        if folder.exists():
            continue
        stems, record = song(np.random.default_rng([args.seed, args.held_out, i]), speech, args.held_out, names=names)
        write(folder, stems)
        record |= {"song": folder.name, "seed": str(args.seed), "seconds": f"{stems[names[-1]].shape[1] / SR:.1f}"}
        table, columns = args.output / "songs.csv", ["song", "seconds", "seed", "score", "bpm", *names, "packages"]
        is_new = not table.exists()
        with table.open("a", newline="") as file:
            rows = csv.DictWriter(file, columns)
            if is_new:
                rows.writeheader()
            rows.writerow(record)


if __name__ == "__main__":
    main()
