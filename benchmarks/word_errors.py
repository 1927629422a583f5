"""Word errors of a speech recogniser before and after denoising: python benchmarks/word_errors.py SENTENCES NOISE.

SENTENCES is a text file of lines "path of a recording, tab, the words in it"; NOISE a folder, or a text file with one
path a line. Each sentence is mixed with as many noises as lead to --mixtures of them, at the ratios of --snr-db by
turns. Pocketsphinx with its English model writes down what it hears (pip install pocketsphinx), or Whisper with
--whisper tiny.en (pip install faster-whisper). Printed are word errors in percent of all words: clean, noisy, and with
each preset, or arguments of nmfaudio.Denoiser as in --also '{"attenuation_limit_db": 20}'. RNNoise takes part if
pyrnnoise is installed.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from sounds import mono

from nmfaudio import Denoiser, audio
from nmfaudio.audio import list_files
from nmfaudio.denoising.presets import PRESETS

SR = 16000


def words_of(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower().replace("mr.", "mister")).split()


def errors(heard: list[str], said: list[str]) -> int:
    """Words that were inserted, left out or taken for others (Levenshtein)."""
    row = np.arange(len(heard) + 1)
    for word in said:
        replaced = row[:-1] + np.array([word != other for other in heard], int)
        best = np.concatenate([[row[0] + 1], np.minimum(replaced, row[1:] + 1)])
        row = np.minimum.accumulate(best - np.arange(len(best))) + np.arange(len(best))
    return int(row[-1])


def pocketsphinx() -> Callable[[np.ndarray], list[str]]:
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=SR, loglevel="FATAL", fwdflat=False, maxhmmpf=3000, maxwpf=10, pl_window=5)

    def heard(y: np.ndarray) -> list[str]:
        y = np.pad(y / max(np.abs(y).max(), 1e-9) * 0.5, SR // 4)
        decoder.start_utt()
        decoder.process_raw((y * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return words_of(found.hypstr) if found else []

    return heard


def whisper(model: str) -> Callable[[np.ndarray], list[str]]:
    import ctranslate2
    from faster_whisper import WhisperModel

    ctranslate2.set_random_seed(0)  # Whisper samples words where it is not sure of itself
    transcribe = WhisperModel(model, device="cpu", compute_type="int8").transcribe
    return lambda y: words_of(" ".join(part.text for part in transcribe(np.float32(y), language="en")[0]))


def rnnoise(y: np.ndarray, sr: int) -> np.ndarray:
    """RNNoise at its 48 kHz, with its delay of a frame taken out."""
    import ctypes

    from pyrnnoise.rnnoise import lib

    frame = 480
    loud = np.float32(32768) * audio.resample(np.float32(y), sr, 48000)
    frames = np.pad(loud, (0, 2 * frame - len(loud) % frame)).reshape(-1, frame).astype(np.float32)
    state = lib.rnnoise_create(None)
    for part in frames:
        place = part.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        lib.rnnoise_process_frame(state, place, place)
    lib.rnnoise_destroy(state)
    return audio.resample(frames.ravel()[frame : frame + len(loud)] / 32768, 48000, sr)[: len(y)]


def mixtures(
    sentences: list[tuple[str, str]], noise: list[Path], n: int, ratios_db: list[float]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Words, clean and noisy signal."""
    places = cycle(noise)
    for i, (path, words) in enumerate(islice(cycle(sentences), n)):
        clean = mono(path, SR)[0]
        other = np.resize(mono(next(places), SR)[0], len(clean))
        snr_db = ratios_db[(i + i // len(sentences)) % len(ratios_db)]
        factor = np.sqrt(np.square(clean).mean() / np.square(other).mean()) * 10 ** (-snr_db / 20)
        yield words, clean, clean + factor * other


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", type=Path)
    parser.add_argument("noise")
    parser.add_argument("--mixtures", type=int, default=40)
    parser.add_argument("--snr-db", nargs="+", type=float, default=[5.0, 10.0, 15.0])
    parser.add_argument("--presets", nargs="*", default=["asr"], choices=PRESETS)
    parser.add_argument("--also", nargs="*", type=json.loads, default=[])
    parser.add_argument("--whisper", metavar="MODEL", help="name or folder of a model of faster-whisper")
    args = parser.parse_args(argv)
    lines = [line.split("\t") for line in args.sentences.read_text().splitlines() if line.strip()]
    sentences = [(path, words) for path, words in lines]
    ways: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"noisy": lambda y, sr: y, "default": Denoiser()}
    for name in args.presets:
        options = {key: value for key, value in PRESETS[name].options.items() if key != "loudness_lufs"}
        ways[f"--preset {name}"] = Denoiser(**options)
    ways |= {json.dumps(options): Denoiser(**options) for options in args.also}
    if find_spec("pyrnnoise"):
        ways["RNNoise"] = rnnoise
    heard = whisper(args.whisper) if args.whisper else pocketsphinx()
    counts = dict.fromkeys(["clean", *ways], 0)
    cleanly: dict[str, int] = {}
    n_words = 0
    for text, clean, noisy in mixtures(sentences, list_files(args.noise), args.mixtures, args.snr_db):
        said = words_of(text)
        n_words += len(said)
        if text not in cleanly:
            cleanly[text] = errors(heard(clean), said)
        counts["clean"] += cleanly[text]
        for name, way in ways.items():
            counts[name] += errors(heard(way(noisy, SR)), said)
        print(n_words, {name: round(100 * n / n_words, 1) for name, n in counts.items()}, flush=True)
    print(f"\n| {args.mixtures} mixtures, {n_words} words | word errors (%) |\n| --- | ---: |")
    for name, n in counts.items():
        print(f"| {name} | {100 * n / n_words:.1f} |")


if __name__ == "__main__":
    main()
