"""Peak memory of the commands that read sound, on long stereo at 44.1 kHz.

    python benchmarks/memory.py                                                        # ten minutes
    python benchmarks/memory.py --minutes 10 60 --markdown benchmarks/speed.md

The sound is an example, repeated at other levels and with other noise, so that no two minutes are the same. Each
command runs by itself, on one thread, and once before on a few seconds, so that its kernels are compiled.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import tables
from files import BIN, duration, run

EXAMPLE = Path(__file__).parents[1] / "examples/noisy_48k.ogg"
SR = 44100
COMMANDS = {
    "`denoise`": "denoise -q NOISY OUT.wav",
    "`separate`, two dictionaries": "separate -q NOISY --source a=A.npz --source b=B.npz -o OUT.dir",
    "`separate`, a dictionary and 10 atoms": "separate -q NOISY --source a=A.npz --learn rest=10 -o OUT.dir",
    "`separate --split`": "separate -q NOISY --split -o OUT.dir",
    "`separate` a song": "separate -q NOISY -o OUT.dir",
    "`separate --drums`": "separate -q NOISY --drums -o OUT.dir",
    "`separate --voice`": "separate -q NOISY --voice -o OUT.dir",
    "`repair`: dropouts, clipped peaks": "repair -q DAMAGED OUT.wav",
    "`repair --clicks`": "repair -q --clicks DAMAGED OUT.wav",
    "`repair --gap`": "repair -q --gap 2-2.05 NOISY OUT.wav",
    "`repair --hole`": "repair -q --hole 2-2.2@500-3000 NOISY OUT.wav",
    "`repair --band`": "repair -q --band 4000 NOISY OUT.wav",
    "`report`": "report NOISY OUT.html",
    "`evaluate`": "evaluate --clean clean --noisy noisy --csv OUT.csv",
}


def make_sound(minutes):
    """Write clean and noisy sound, and noisy sound with dropouts, clicks and clipped peaks."""
    import soxr

    rng = np.random.default_rng(0)
    y, own = soundfile.read(EXAMPLE, dtype="float32", always_2d=True)
    y = soxr.resample(y, own, SR)[:, [0, -1]]
    for folder in ("clean", "noisy"):
        Path(folder).mkdir(exist_ok=True)
    names = "clean/a.wav", "noisy/a.wav", "damaged.wav"
    clean, noisy, damaged = (soundfile.SoundFile(name, "w", SR, 2, "PCM_16") for name in names)
    with clean, noisy, damaged:
        left = round(60 * minutes * SR)
        while left > 0:
            part = rng.uniform(0.3, 1) * y[:left]
            clean.write(part)
            part = part + rng.uniform(0.001, 0.03) * rng.standard_normal(part.shape)
            noisy.write(part)
            part = part.clip(-0.5, 0.5)
            part[len(part) // 3 :][:200] = 0
            part[len(part) // 2 :][:1] += 0.4
            damaged.write(part)
            left -= len(part)


def make_dictionaries():
    """Train two small dictionaries at the rate of the sound."""
    for name, tone in (("A", 400), ("B", 2000)):
        t = np.arange(3 * SR) / SR
        soundfile.write(f"{name}.wav", 0.3 * np.sin(2 * np.pi * tone * t) * np.exp(-3 * (t % 0.5)), SR)
        command = [
            BIN / "nmfaudio",
            "train",
            "source",
            name.lower(),
            f"{name}.wav",
            "-o",
            f"{name}.npz",
            "--atoms",
            "10",
        ]
        subprocess.run([*command, "-q"], check=True)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10])
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS.values()), help="some of them, by their words")
    parser.add_argument("--markdown", help="page to put the table in, see tables.py; else it is printed alone")
    args = parser.parse_args(argv)
    page = args.markdown and Path(args.markdown).absolute()
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    env = {**os.environ, **dict.fromkeys(variables, "1")}
    before, folder = Path.cwd(), tempfile.mkdtemp()
    chosen = {name: command for name, command in COMMANDS.items() if any(words in command for words in args.commands)}
    rows = {name: [] for name in chosen}
    try:
        os.chdir(folder)
        make_dictionaries()
        for minutes in (0.1, *args.minutes):
            make_sound(minutes)
            for name, command in chosen.items():
                words = command.split()
                target = next(word for word in words if word.startswith("OUT"))
                files = {"NOISY": "noisy/a.wav", "DAMAGED": "damaged.wav"}
                shutil.rmtree("OUT.dir", ignore_errors=True)
                found = run([str(BIN / "nmfaudio"), *(files.get(word, word) for word in words)], "", target, env)
                if minutes in args.minutes:
                    cells = [f"{found[2]:.0f}", f"{found[1]:.0f}"] if found else ["failed", ""]
                    rows[name].append([name, duration(60 * minutes), *cells])
                    print(*rows[name][-1], flush=True)
    finally:
        os.chdir(before)
        shutil.rmtree(folder)
    header = ["command", "sound", "peak MB", "seconds of processor"]
    text = tables.table(header, [row for of_command in rows.values() for row in of_command])
    print(text)
    if page:
        tables.write(page, "memory", text)


if __name__ == "__main__":
    main()
