"""More sentences and words of some voices from Debian's free packages, to train dictionaries on.

Telephone prompts in English, Spanish, French and Russian (CC BY 3.0, CC BY-SA 3.0) and the dialogues of a game in Czech
(GPL 2), for `--speech`; the Italian prompts are left out, since their voice serves to measure with. From games for
children and others (GPL, CC BY-SA 3.0, CC BY 3.0; each package's copyright file says) sentences and words of many more
voices, six minutes of each at most, short ones strung together::

    apt-get download asterisk-core-sounds-{en,es,fr,ru}-g722 fillets-ng-data-{cs,nl} tuxpaint-stamps-default \
        ktuberling-data klettres-data gcin-voice 0ad-data trigger-rally-data unknown-horizons nexuiz-data csmash-data \
        alsa-utils
    for package in *.deb; do dpkg-deb --extract $package unpacked; done
    for zip in $(find unpacked -name 'data.pk3' -o -name 'data.zip' -o -name 'public.zip'); do
        unzip -nq $zip -d ${zip%.*}; done
    python debian_speech.py unpacked speech/

Needs ffmpeg, which reads G.722.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf

from nmfaudio import audio
from nmfaudio.errors import AudioError

SR = 16000
SHORTEST_S = 1.0
SHORTEST_WORD_S = 0.3
QUIETEST_DB = 30  # below the loud frames: what the pauses of a clean recording must reach
FISH = {"-m-": "cs_m", "-v-": "cs_v"}  # the small one and the big one, by file name
# the other voices: what is in brackets tells those of a package apart; left out are languages of voices to measure with
WORDS = {
    "fillets_nl": r"fillets-ng/sound/.*/nl/.*-([mv])-",
    "tuxpaint": r"tuxpaint/stamps/.*_desc(?:_(?!it|sl|pl|zh)(\w+))?\.",
    "tuxnumber": r"tuxpaint/stamps/symbols/math/\d_(de|ja|ko|nb|nn|pt|sv)\.",
    "tuxletter": r"tuxpaint/stamps/symbols/alphabets/.*_(en_GB)\.",
    "ktuberling": r"ktuberling/sounds/(?!ru|sl|it)(\w+)/",
    "klettres": r"klettres/(ar|cs|es|he|hu|nb|nl)/",
    "gcin": r"gcin-voice/ogg/.*/(5)\.",
    "0ad": r"0ad/mods/public/public/audio/voice/(\w+)/civ/civ_(male|female)_",
    "horizons": r"unknown-horizons/content/audio/voice/(\w+)/",
    "rally": r"trigger-rally/data/sounds/codriver/(\w+)/",
    "nexuiz": r"nexuiz/data/data/sound/(tutorial)/\d",
    "csmash": r"csmash/wav/(?!click|racket|table|all)",
    "alsa": r"sounds/alsa/(?!Noise)",
}
SUFFIXES = (".ogg", ".wav")
MOST_S = 360  # of a speaker
LONG_S = 6  # strings of words are closed when this long, and sentences this long stand alone
GAP_S = 0.25
BAND_HZ, BAND_DB = 5500, -60  # energy above this, relative to all: what speech of a full band exceeds


def voices(root: Path) -> dict[Path, str]:
    """Sound files below the unpacked packages, each with its speaker."""
    found: dict[Path, str] = {}
    for path in sorted(root.rglob("*.g722")):
        parts = path.relative_to(root).parts
        found[path] = parts[parts.index("sounds") + 1]
    for path in sorted((root / "usr/share/games/fillets-ng/sound").rglob("cs/*.ogg")):
        for mark, speaker in FISH.items():
            if mark in path.name:
                found[path] = speaker
    return found


def words(root: Path) -> dict[str, list[Path]]:
    """Sound files of the other speakers."""
    found: dict[str, list[Path]] = {}
    for path in sorted(p for p in (root / "usr/share").rglob("*") if p.suffix in SUFFIXES):
        for name, pattern in WORDS.items():
            if match := re.search(pattern, path.relative_to(root).as_posix()):
                speaker = "_".join([name, *(group for group in match.groups() if group)])
                found.setdefault(speaker, []).append(path)
                break
    return found


def is_clean(y: np.ndarray, shortest_s: float = SHORTEST_S) -> bool:
    """Whether a recording is long enough and its pauses are quiet."""
    hop = SR // 50
    if len(y) < shortest_s * SR:
        return False
    power = np.mean(y[: len(y) // hop * hop].reshape(-1, hop) ** 2, axis=1) + 1e-12
    quiet, loud = np.percentile(power, [5, 90])
    return bool(10 * np.log10(loud / quiet) >= QUIETEST_DB)


def is_wide(y: np.ndarray) -> bool:
    """Whether a recording is more than the band of a telephone."""
    power = np.abs(np.fft.rfft(y)) ** 2
    high = power[np.fft.rfftfreq(len(y), 1 / SR) > BAND_HZ]
    return bool(10 * np.log10(high.sum() / power.sum()) > BAND_DB)


def recording(path: Path) -> tuple[np.ndarray, int]:
    """One channel at 16 kHz, and the rate that it had; a rate of 0 of a file without sound, as some packages have."""
    try:
        y, sr = audio.read(path)
    except AudioError:
        return np.zeros(0, np.float32), 0
    return audio.resample(y.mean(axis=0), sr, SR), sr


def clips(paths: list[Path]) -> Iterator[np.ndarray]:
    """Long sentences as they are, others strung together in random order, until there is enough of a speaker."""
    parts: list[np.ndarray] = []
    seen: set[bytes] = set()
    total_s = 0.0
    for i in np.random.default_rng(0).permutation(len(paths)):
        y, sr = recording(paths[i])
        if sr < SR or not is_clean(y, SHORTEST_WORD_S) or not is_wide(y) or y.tobytes() in seen:
            continue
        seen.add(y.tobytes())
        parts += [0.5 * y / np.abs(y).max(), np.zeros(int(GAP_S * SR), np.float32)]
        if sum(map(len, parts)) >= LONG_S * SR:
            yield np.concatenate(parts[:-1])
            total_s += sum(map(len, parts)) / SR
            parts = []
        if total_s > MOST_S:
            return
    if sum(map(len, parts)) >= SHORTEST_S * SR:
        yield np.concatenate(parts[:-1])


def main() -> None:
    """Convert what is clean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("unpacked", type=Path, help="folder that the packages were unpacked to")
    parser.add_argument("output", type=Path, help="folder for the recordings, one folder below it for each speaker")
    args = parser.parse_args()
    found, others = voices(args.unpacked), words(args.unpacked)
    if not found and not others:
        parser.error(f"{args.unpacked}: no voices found below usr/share; unpack the packages there first")
    for path, speaker in found.items():
        y, sr = recording(path)
        if sr and is_clean(y):
            target = args.output / speaker / f"{path.parent.name}_{path.stem}.flac"
            target.parent.mkdir(parents=True, exist_ok=True)
            sf.write(target, y, SR)
    for speaker, paths in others.items():
        for i, y in enumerate(clips(paths)):
            target = args.output / speaker / f"{i:03}.flac"
            target.parent.mkdir(parents=True, exist_ok=True)
            sf.write(target, y, SR)


if __name__ == "__main__":
    main()
