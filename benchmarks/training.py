"""What training costs and brings: python benchmarks/training.py WHAT SPEECH NOISE [DICTIONARY].

SPEECH and NOISE are folders, or text files with one path a line. WHAT is one of

same      the same atoms on one process, four processes, and a Dask cluster of two workers, one of them killed half-way
blocks    bytes and seconds of a block, which say how far a cluster scales
memory    largest memory of a training on 1, 5 and 20 hours (SPEECH again and again)
peers     time to an objective, against scikit-learn's MiniBatchNMF
profiles  what 10 s, 30 s and 2 min of a noise bring to DICTIONARY
adapt     what a minute of a voice, and of a noise, brings to DICTIONARY
"""

import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from sounds import mono

import nmfaudio.denoising.noise_profile
from nmfaudio import Denoiser, Dictionary, FrontEnd, noise_profile
from nmfaudio.audio import list_files
from nmfaudio.compute.processes import workers
from nmfaudio.metrics import MEASURES
from nmfaudio.training.adapt import adapt
from nmfaudio.training.comparison import compare, mixtures
from nmfaudio.training.data.augment import loop
from nmfaudio.training.data.corpus import Corpus
from nmfaudio.training.data.corpus_blocks import SoundBlock, corpus_batches
from nmfaudio.training.sparse import block_sums, build_sparse, train_atoms

FRONT_END = FrontEnd(exponent=0.6)
SR = FRONT_END.sr
MINUTES = 5


def same(speech: str, noise: str) -> None:
    from distributed import LocalCluster

    def train(progress=lambda part: None, **where) -> dict[str, np.ndarray]:
        began = time.perf_counter()
        with workers(**where) as each:
            corpora = Corpus(speech, SR, each=each), Corpus(noise, SR, each=each)
            most_s = MINUTES * 60
            found = build_sparse(*corpora, front_end=FRONT_END, most_s=most_s, each=each, progress=progress)
        seconds = time.perf_counter() - began
        change = {name: np.abs(W - alone[name]).max() / W.max() for name, W in found.arrays.items()} if alone else {}
        print(where, f"{seconds:.0f} s", change, flush=True)
        return dict(found.arrays)

    alone: dict[str, np.ndarray] = {}
    alone = train()
    train(jobs=4)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        victims = [cluster.workers[0].pid]

        def kill(part: float) -> None:
            if part > 0.5 and victims:
                os.kill(victims.pop(), signal.SIGKILL)  # its nanny starts another
                print("one worker killed", flush=True)

        train(kill, scheduler=cluster.scheduler_address)


def blocks(speech: str, noise: str) -> None:
    """Seconds to read and to compute a block of 240 s, bytes that go there and back, and what a scheduler manages."""
    from distributed import LocalCluster

    corpus = Corpus(speech, SR)
    size = sum(path.stat().st_size for path in corpus.files)
    print(f"sound files: {size / corpus.hours / 3600:.0f} bytes a second")
    pieces: list = []
    for piece in corpus.pieces(np.random.default_rng(0)):
        pieces.append(piece)
        if sum(stop - start for _, start, stop in pieces) > 240:
            break
    block = SoundBlock(tuple(pieces), FRONT_END)
    W = np.random.default_rng(0).random((FRONT_END.n_bins, 128), np.float32)
    learn = partial(block_sums, "speech", W / np.linalg.norm(W, axis=0), 0, 0.3, 15)
    with workers() as each:
        for name, function in (("read", SoundBlock.__call__), ("read and compute", learn)):
            list(each(function, [block]))
            began = time.process_time()
            for _ in range(3):
                sums = list(each(function, [block]))[0]
            print(f"{name}: {(time.process_time() - began) / 3:.3f} s of a processor for {block.seconds:.0f} s")
    print(f"there: {len(pickle.dumps((learn, block)))} bytes, back: {len(pickle.dumps(sums))} bytes")
    total = np.zeros(sums.Q.shape)
    began = time.process_time()
    for _ in range(1000):
        total += pickle.loads(pickle.dumps(sums)).Q
    print(f"added up: {(time.process_time() - began):.3f} ms of a processor")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        with workers(scheduler=cluster.scheduler_address) as each:
            list(each(partial(hand_back, learn, sums), range(10)))
            began, spent = time.perf_counter(), time.process_time()
            list(each(partial(hand_back, learn, sums), range(500)))
            wall, spent = time.perf_counter() - began, time.process_time() - spent
            print(f"500 blocks that take no time: {wall:.1f} s, {spent:.1f} s of a processor for scheduler and client")


def hand_back(learn: object, sums: object, number: int) -> object:
    return sums


def memory(speech: str, noise: str) -> None:
    """In a process each; few atoms and updates, which memory does not depend on, to be done in time."""
    for hours in (1, 5, 20):
        subprocess.run([sys.executable, __file__, "heard", speech, str(hours)], check=True)


def heard(speech: str, hours: str) -> None:
    files = list_files(speech)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        n = round(float(hours) / Corpus(speech, SR).hours * len(files))
        listed.write("".join(f"{files[i % len(files)].absolute()}\n" for i in range(n)))
        listed.flush()
        corpus = Corpus(listed.name, SR)
        began = time.perf_counter()
        batches = corpus_batches(corpus, FRONT_END, 0, corpus.hours * 3600)
        train_atoms("speech", batches, 16, rng=np.random.default_rng(0), n_iter=2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{corpus.hours:.1f} h: {peak:.0f} MiB, {time.perf_counter() - began:.0f} s", flush=True)


def peers(speech: str, noise: str) -> None:
    """KL divergence a frame on held-out frames, no penalty, 128 atoms, against seconds of a processor."""
    from sklearn.decomposition import MiniBatchNMF

    from nmfaudio.factorize import sparse_nmf
    from nmfaudio.training.sparse import _sounding

    train, test = Corpus(speech, SR).split(0.1, 60, 0)
    batches = list(corpus_batches(train, FRONT_END, 0, MINUTES * 60))
    batches = [[_sounding("speech", block) for block in batch] for batch in batches]
    V = np.concatenate([V for batch in batches for V in batch], axis=1)
    held_out = np.concatenate(
        [_sounding("speech", block) for batch in corpus_batches(test, FRONT_END, 0, 60) for block in batch], axis=1
    )

    def divergence(W: np.ndarray) -> float:
        W = W / np.linalg.norm(W, axis=0)
        fit = sparse_nmf(held_out, W.shape[1], W=W, n_fixed=W.shape[1], max_iter=60, tol=0)
        return fit.objective[-1] / held_out.shape[1]

    print(f"{V.shape[1]} frames to learn from, {held_out.shape[1]} held out")
    with workers():  # one thread
        train_atoms("speech", batches[:1], 128, rng=np.random.default_rng(0))  # compiles
        for passes in (1, 2, 4, 8, 16):
            began = time.process_time()
            W = train_atoms("speech", batches * passes, 128, rng=np.random.default_rng(0), penalty=0.0)
            print(f"nmfaudio, {passes} passes: {time.process_time() - began:.1f} s, {divergence(W):.3f}", flush=True)
        for passes in (8, 32, 128):
            model = MiniBatchNMF(
                128, beta_loss="kullback-leibler", max_iter=passes, tol=0, max_no_improvement=None, random_state=0
            )  # fmt: skip
            began = time.process_time()
            model.fit(np.ascontiguousarray(V.T))
            spent = time.process_time() - began
            print(f"MiniBatchNMF, {passes} passes: {spent:.1f} s, {divergence(model.components_.T):.3f}", flush=True)


def profiles(speech: str, noise: str, name: str = "speech") -> None:
    """For each folder of noise with about a minute: first halves of its recordings to learn, second halves to test.

    What is learnt from is the first half of the recording in the mixture alone, or turns of two seconds of the first
    halves of all recordings in the folder, again and again where they are too short.
    """
    nmfaudio.denoising.noise_profile.LONGEST_S = 120.0
    voices = Corpus(speech, SR)
    dictionary = Dictionary.load(name)

    def told(y: np.ndarray) -> Denoiser:
        return Denoiser(dictionary, noise=noise_profile(y, SR, dictionary))

    table = []
    for folder, files in groupby(sorted(list_files(noise)), lambda path: path.parent.name):
        recordings = [mono(path, SR)[0] for path in files]
        if sum(map(len, recordings)) < 55 * SR:
            continue
        halves = [np.array_split(y / np.sqrt(np.mean(y**2)), 2) for y in recordings]
        turns = [half[at : at + 2 * SR] for at in range(0, 60 * SR, 2 * SR) for half, _ in halves if at < len(half)]
        pool = loop(np.concatenate(turns), 120 * SR)
        pooled = [told(pool[: seconds * SR]) for seconds in (10, 30, 120)]
        scores = []
        for number, (known, met) in enumerate(halves):
            with tempfile.TemporaryDirectory() as other:
                write(Path(other, "met.wav"), 0.1 * met)
                pairs = mixtures(voices, Corpus(other, SR), 3, random_state=number)
            denoisers = [Denoiser(dictionary), told(known), *pooled]
            for clean, noisy in pairs:
                cleaned = [d(noisy, SR) for d in denoisers]
                scores.append([[measure(clean, y, SR) for measure in MEASURES.values()] for y in cleaned])
        table += scores
        print(f"{folder}: {len(halves)} recordings, {sum(map(len, recordings)) / SR:.0f} s")
        show_gains(np.array(scores))
    print(f"all {len(table)} mixtures")
    show_gains(np.array(table))


def show_gains(scores: np.ndarray) -> None:
    """Change by each profile, with twice its standard error; scores of shape (mixtures, denoisers, measures)."""
    for i, label in enumerate(("own half", "10 s", "30 s", "2 min"), 1):
        change = scores[:, i] - scores[:, 0]
        errors = 2 * change.std(axis=0) / np.sqrt(len(change))
        cells = (f"{m} {c:+.3f} ± {e:.3f}" for m, c, e in zip(MEASURES, change.mean(axis=0), errors, strict=True))
        print(f"  {label:8}", "  ".join(cells), flush=True)


def adapt_to(speech: str, noise: str, name: str = "speech-sparse") -> None:
    """For each voice with a minute: the first of it, and half of the noise, to learn, the rest to test."""
    whole = Corpus(speech, SR)
    for folder, group in groupby(sorted(zip(whole.files, whole.durations_s, strict=True)), lambda f: f[0].parent):
        files = list(group)
        total_s = sum(seconds for _, seconds in files)
        if total_s < 60:
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
            listed.write("".join(f"{path.absolute()}\n" for path, _ in files))
            listed.flush()
            test, voice = Corpus(listed.name, SR).split(0.67, 60, 0)
        known, other = Corpus(noise, SR).split(0.5, 1e9, 0, in_time=True)
        dictionary = Dictionary.load(name)
        began = time.process_time()
        fitted = adapt(dictionary, voice, None if dictionary.kind == "sparse" else known)
        print(folder.name, f"{voice.hours * 3600:.0f} s learnt in {time.process_time() - began:.0f} s of a processor")
        print(compare(dictionary, fitted, mixtures(test, other), SR, names=(name, "adapted")).text(), flush=True)


def write(path: Path, y: np.ndarray) -> None:
    import soundfile as sf

    sf.write(path, y, SR, subtype="FLOAT")


if __name__ == "__main__":
    commands = {"same": same, "blocks": blocks, "memory": memory, "heard": heard, "peers": peers, "profiles": profiles}
    commands["adapt"] = adapt_to
    commands[sys.argv[1]](*sys.argv[2:])
