"""Measure how well a voice and the music behind it are separated: see songs.md.

python benchmarks/voice_over_music.py --speech SPEECH --music MUSIC [--mixtures 24] [--markdown songs.md]

SPEECH has a folder for each voice; MUSIC is searched for recordings of 20 s and more. The table is of voices that no
dictionary was trained on, and of music in the Debian packages singularity-music (CC-BY-SA-3.0), asc-music (GPL-2+),
hyperrogue-music and wesnoth-1.16-music (their copyright files name the licence of each file), which is not in the
training noise.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import songs
import tables

from nmfaudio import audio, metrics
from nmfaudio.denoising.voice import VoiceSeparator
from nmfaudio.separation import separate

SR = 44100
SECONDS = 10
LEVELS_DB = (-5, 0, 5, 10)  # of the voice over the music
Method = Callable[[np.ndarray, int, songs.Stems], songs.Stems]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--mixtures", type=int, default=24, help="how many, in turn at each level (%(default)s)")
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument("--markdown", type=Path, help="page to put the table into")
    args = parser.parse_args(argv)
    text = compared(args.speech, args.music, args.mixtures, {name: METHODS[name] for name in args.method})
    print(text)
    if args.markdown:
        tables.write(args.markdown, "voice over music", text)


def compared(speech: Path, music: Path, n: int, methods: dict[str, Method]) -> str:
    """Table in Markdown: mean improvement of the SI-SDR of voice and background at each level."""
    gains: dict[str, dict[float, list[np.ndarray]]] = {name: {} for name in methods}
    for level_db, sources in mixtures(speech, music, n):
        y = sources["voice"] + sources["background"]
        r = np.stack(list(sources.values())).reshape(2, -1)
        before = metrics.si_sdr(r, np.broadcast_to(y.reshape(-1), r.shape))
        for name, method in methods.items():
            made = method(y, SR, sources)
            after = metrics.si_sdr(r, np.stack([made[source].reshape(-1) for source in sources]))
            gains[name].setdefault(level_db, []).append(after - before)
    rows = []
    for name, by_level in gains.items():
        means = np.array([np.mean(by_level[level_db], axis=0) for level_db in sorted(by_level)])
        for i, source in enumerate(("voice", "background")):
            rows.append([f"{name}, {source}", *(f"{gain:.1f}" for gain in means[:, i]), f"{means[:, i].mean():.1f}"])
    levels = sorted({level_db for by_level in gains.values() for level_db in by_level})
    return tables.table(["SI-SDR improvement, dB", *(f"at {level_db} dB" for level_db in levels), "mean"], rows)


def mixtures(speech: Path, music: Path, n: int) -> Iterator[tuple[float, dict[str, np.ndarray]]]:
    """Levels, and voice and background of mixtures in stereo, the voice in the middle."""
    rng = np.random.default_rng(0)
    voices = sorted(p for p in speech.iterdir() if p.is_dir())
    pieces = [path for path in audio.list_files(music) if audio.info(path).duration_s >= 2 * SECONDS]
    voices, pieces = ([each[i] for i in rng.permutation(len(each))] for each in (voices, pieces))
    for i in range(n):
        level_db, piece = LEVELS_DB[i % len(LEVELS_DB)], pieces[i % len(pieces)]
        start = rng.uniform(0, audio.info(piece).duration_s - SECONDS)
        y, sr = audio.read(piece, start_s=start, stop_s=start + SECONDS)
        background = np.resize(audio.resample(y, sr, SR)[:2, : SECONDS * SR], (2, SECONDS * SR))
        sentences = [audio.read(path) for path in audio.list_files(voices[i % len(voices)])]
        spoken = np.concatenate([audio.resample(y.mean(axis=0), sr, SR) for y, sr in sentences])
        voice = np.broadcast_to(np.resize(spoken, SECONDS * SR), background.shape)
        gain = 10 ** (level_db / 20) * np.std(background) / np.std(voice)
        level = 0.5 / np.abs(gain * voice + background).max()
        yield level_db, {"voice": level * gain * voice, "background": level * background}


def by_nmfaudio(y: np.ndarray, sr: int, sources: songs.Stems) -> songs.Stems:
    return separate(y, sr, VoiceSeparator())


def nussl_repet_sim(y: np.ndarray, sr: int, sources: songs.Stems) -> songs.Stems:
    voice = songs.nussl_repet_sim(y, sr, sources)["vocals"]
    return {"voice": voice, "background": y - voice}


METHODS: dict[str, Method] = {
    "nmfaudio separate --voice": by_nmfaudio,
    "ideal ratio mask": songs.ideal_ratio_mask,
}
if "REPET-SIM, nussl" in songs.METHODS:
    METHODS["REPET-SIM, nussl"] = nussl_repet_sim

if __name__ == "__main__":
    main()
