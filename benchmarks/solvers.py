"""NMF solvers on the same matrices in one run: time an iteration against the machine's own limit, and to an objective.

    python benchmarks/solvers.py                     # quick: the speed of KL, IS and Frobenius at K = 256, float32
    python benchmarks/solvers.py --full --markdown benchmarks/speed.md --plot solvers.png

Time an iteration is the slope between two numbers of iterations, the least of some tries in turn, so that set-up is
left out; processor time with one thread, wall time with more. The limit is that of the matrix products that an
iteration cannot do without, timed in the same run: 2 F K N operations each, under Kullback-Leibler 2 of them with W
fixed and 4 with W learnt, under Itakura-Saito 3 and 6. torchnmf and nimfa take part where they are installed.
"""

import argparse
import os
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import tables
from threadpoolctl import threadpool_info, threadpool_limits

from nmfaudio.factorize import NMF, sparse_nmf
from nmfaudio.nmf.beta_divergence import divergence
from nmfaudio.spectra.stft import STFT

NAMES = {1: "Kullback-Leibler", 0: "Itakura-Saito", 2: "Frobenius"}
SKLEARN = {1: "kullback-leibler", 0: "itakura-saito", 2: "frobenius"}
PRODUCTS = {(1, "fixed"): 2, (1, "learnt"): 4, (0, "fixed"): 3, (0, "learnt"): 6}
EXAMPLE = Path(__file__).parents[1] / "examples/noisy.wav"


class NotOffered(Exception):
    """A candidate has no such updates."""


class Problem:
    """A matrix V (F, N) and factors to start from; all solvers get the same."""

    def __init__(self, n_bins, n_frames, n_atoms, dtype):
        rng = np.random.default_rng(0)
        V = rng.random((n_bins, 24)) @ rng.random((24, n_frames)) + 0.1 * rng.random((n_bins, n_frames))
        W, H = rng.random((n_bins, n_atoms)) + 1e-3, rng.random((n_atoms, n_frames)) + 1e-3
        self.V, self.W, self.H = (A.astype(dtype) for A in (V + 1e-3, W / W.sum(axis=0), H))
        self.X, self.A, self.B = (np.ascontiguousarray(A.T) for A in (self.V, self.H, self.W))  # scikit-learn's way
        self.K = n_atoms


def of_numpy(p, beta, learnt):
    def run(n):
        W, H, eps = p.W.copy(), p.H.copy(), np.finfo(p.V.dtype).eps
        for _ in range(n):
            for which in ("H", "W") if learnt else ("H",):
                L = W @ H + eps
                Q, P = (p.V / L, None) if beta == 1 else (p.V / L**2, 1 / L) if beta == 0 else (p.V, L)
                if which == "H":
                    H *= (W.T @ Q) / (W.sum(axis=0)[:, None] if P is None else W.T @ P)
                else:
                    W *= (Q @ H.T) / (H.sum(axis=1) if P is None else P @ H.T)

    return run


def of_nmfaudio(p, beta, learnt):
    if not learnt:
        raise NotOffered  # its transform stops by itself
    solver = "hals" if beta == 2 else "mu"
    return lambda n: NMF(p.K, beta_loss=beta, solver=solver, init=(p.A.copy(), p.B.copy()), max_iter=n, tol=0).fit(p.X)


def of_sparse_nmf(p, beta, learnt):
    return lambda n: sparse_nmf(p.V, p.K, beta_loss=beta, W=p.W, n_fixed=0 if learnt else p.K, max_iter=n, tol=0)


def of_sklearn(p, beta, learnt):
    from sklearn.decomposition import non_negative_factorization

    options = {"solver": "cd"} if beta == 2 else {"solver": "mu", "beta_loss": SKLEARN[beta]}
    if not learnt:
        options["update_H"] = False

    def run(n):
        W = p.A.copy() if learnt else None
        non_negative_factorization(
            p.X, W=W, H=p.B.copy(), n_components=p.K, init="custom", tol=0, max_iter=n, **options
        )

    return run


def of_torchnmf(p, beta, learnt):
    import torch
    from torchnmf.nmf import NMF as TorchNMF

    X = torch.from_numpy(p.X)

    def run(n):
        model = TorchNMF(W=torch.from_numpy(p.W.copy()), H=torch.from_numpy(p.A.copy()), trainable_W=learnt).to(X.dtype)
        model.fit(X, beta=beta, tol=-1e9, max_iter=n)

    return run


def of_nimfa(p, beta, learnt):
    if not learnt or beta == 0 or p.V.dtype != np.float64:
        raise NotOffered
    np.mat = np.asmatrix  # nimfa 1.4 is older than numpy 2
    import nimfa

    how = {1: ("divergence", "div"), 2: ("euclidean", "fro")}[beta]
    model = nimfa.Nmf(p.V, W=p.W.copy(), H=p.H.copy(), rank=p.K, update=how[0], objective=how[1], max_iter=1)
    model()
    return lambda n: [model.update() for _ in range(n)]


CANDIDATES = {
    "nmfaudio, NMF": of_nmfaudio,
    "nmfaudio, sparse_nmf": of_sparse_nmf,
    "scikit-learn": of_sklearn,
    "numpy": of_numpy,
    "torchnmf": of_torchnmf,
    "nimfa": of_nimfa,
}


def clock(threads):
    return time.process_time if threads == 1 else time.perf_counter


def rested(now):
    """The time, after a pause that lets the threads of earlier matrix products go to sleep: they wait in loops."""
    time.sleep(0.2)
    return now()


def least(runs, repeat, now):
    """Least time of each of some functions, called in turn."""
    best = [np.inf] * len(runs)
    for _ in range(repeat):
        for i, run in enumerate(runs):
            began = rested(now)
            run()
            best[i] = min(best[i], now() - began)
    return best


def speeds(p, beta, W, repeat, now):
    """Seconds an iteration of each candidate, and of the matrix products alone."""
    learnt = W == "learnt"
    runs = {}
    for name, make in CANDIDATES.items():
        if beta == 2 and name == "nmfaudio, sparse_nmf":
            continue  # a multiplicative update, for which there is HALS
        try:
            runs[name] = make(p, beta, learnt)
            runs[name](1)
        except (ImportError, NotOffered):
            continue
    few, many = 2, 12
    L, P = np.empty_like(p.V), np.empty_like(p.H)

    def products():
        for i in range(PRODUCTS.get((beta, W), 0)):
            if i % 2:
                np.dot(p.W.T, L, out=P) if i % 4 == 1 else np.dot(L, p.H.T)
            else:
                np.dot(p.W, p.H, out=L)

    calls = [lambda run=run, n=n: run(n) for run in runs.values() for n in (few, many)]
    times = least([products, *calls], repeat, now)
    found = {name: max(1e-9, times[2 + 2 * i] - times[1 + 2 * i]) / (many - few) for i, name in enumerate(runs)}
    return found, times[0]


def convergence(beta, n_atoms, n_frames, iterations, repeat, now):
    """Objective over time on the spectrogram of speech in noise."""
    import soundfile
    from sklearn.decomposition import NMF as Peer

    y, _ = soundfile.read(EXAMPLE, dtype="float32")
    V = np.abs(STFT(1024, min(256, max(1, len(y) // n_frames)))(y))[:, :n_frames] ** (2 if beta == 0 else 1)
    X = np.ascontiguousarray((V / V.max()).T)
    if beta == 0:  # of silence it is infinite, for scikit-learn
        X += X.dtype.type(1e-6)
    rng = np.random.default_rng(0)
    level = np.sqrt(X.mean() / n_atoms)
    start = [
        (level * np.abs(rng.standard_normal(s)) + 1e-6).astype(X.dtype)
        for s in ((len(X), n_atoms), (n_atoms, X.shape[1]))
    ]
    counts = sorted({max(1, iterations * i // 8) for i in range(1, 9)})
    solvers = [("mu", iterations), ("amu", iterations // 2), *([("cd", iterations // 8)] if beta == 1 else [])]
    peers = [Peer(n_atoms, init="custom", solver="mu", beta_loss=SKLEARN[beta], tol=0, max_iter=n) for n in counts]
    ours = [NMF(n_atoms, beta_loss=beta, solver=name, init=start, tol=0, max_iter=max(1, n)) for name, n in solvers]
    found, seconds = [], []
    for model in peers:
        began = rested(now)
        found.append(model.fit_transform(X, W=start[0].copy(), H=start[1].copy()))
        seconds.append(now() - began)
    again = [lambda: peers[-1].fit_transform(X, W=start[0].copy(), H=start[1].copy())]
    times = least(again + [lambda model=model: model.fit(X) for model in ours], repeat, now)
    values = [divergence(X, W, model.components_, beta) for W, model in zip(found, peers, strict=True)]
    curves = {"scikit-learn": ([*seconds[:-1], times[0]], values)}
    for (name, _), model, total in zip(solvers, ours, times[1:], strict=True):
        curves[f"nmfaudio, {name}"] = (
            list(np.linspace(0, total, model.n_iter_ + 1)[1:]),
            list(model.objective_[1:]),
        )
    return X.shape, curves


def speed_section(p, beta, W, repeat, now):
    found, limit = speeds(p, beta, W, repeat, now)
    reference = found["scikit-learn"]
    rows = []
    for name, seconds in sorted(found.items(), key=lambda pair: pair[1]):
        share = f"{100 * limit / seconds:.0f} %" if limit and PRODUCTS.get((beta, W)) else "-"
        rows.append([name, f"{1e3 * seconds:.1f}", share, f"{reference / seconds:.2f}"])
    floor = f"; the matrix products alone take {1e3 * limit:.1f} ms" if PRODUCTS.get((beta, W)) else ""
    title = f"{NAMES[beta]}, W {W}, K = {p.K}, {p.V.dtype}{floor}"
    header = ["solver", "ms an iteration", "of the limit's speed", "times scikit-learn's speed"]
    return f"{title}:\n\n{tables.table(header, rows)}\n"


def convergence_section(beta, shape, curves, n_atoms, iterations):
    target = curves["scikit-learn"][1][-1]
    rows = []
    for name, (seconds, objective) in curves.items():
        reached = next((i for i, value in enumerate(objective) if value <= target), None)
        if reached is None:
            rows.append([name, "not reached", "", "", f"{objective[-1]:.4g}"])
        else:
            count = iterations if name == "scikit-learn" else reached + 1
            factor = curves["scikit-learn"][0][-1] / seconds[reached]
            rows.append([name, str(count), f"{seconds[reached]:.2f}", f"{factor:.1f}", f"{objective[-1]:.4g}"])
    title = (
        f"To scikit-learn's objective after {iterations} iterations, {target:.4g}, on the spectrogram of "
        f"`{EXAMPLE.name}` ({shape[1]} bins, {shape[0]} frames), {NAMES[beta]}, K = {n_atoms}, float32"
    )
    header = ["solver", "iterations", "seconds", "times as fast", "objective at the end"]
    return f"{title}:\n\n{tables.table(header, rows)}\n"


def plot(path, curves):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, (seconds, objective) in curves.items():
        axes.loglog(seconds, objective, label=name)
    axes.set(xlabel="seconds", ylabel="Kullback-Leibler divergence")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="also K = 64 and float64")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5, help="tries, of which the fastest counts")
    parser.add_argument("--size", type=int, nargs=2, default=(513, 6000), metavar=("F", "N"), help="size of V")
    parser.add_argument("--atoms", type=int, nargs="+", help="K, one or more (256; with --full 64 too)")
    parser.add_argument("--iterations", type=int, default=200, help="of scikit-learn, on the way to the target")
    parser.add_argument("--frames", type=int, default=1500, help="of the spectrogram for time to an objective")
    parser.add_argument("--markdown", help="page to put the tables in, see tables.py; else they are printed alone")
    parser.add_argument("--plot", help="picture of the objective over time, .png or .svg")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # that peers have not converged
    now = clock(args.threads)
    n_bins, n_frames = args.size
    sections = []

    def add(text):
        sections.append(text)
        print(text, flush=True)

    with threadpool_limits(args.threads):
        if find_spec("torch"):
            import torch

            torch.set_num_threads(args.threads)
        blas = min(threadpool_info(), key=lambda info: "numpy" not in info["filepath"])
        add(
            f"V: {n_bins} bins, {n_frames} frames; {args.threads} thread(s); {blas.get('internal_api')} "
            f"{blas.get('version')} for {blas.get('architecture')}; load {os.getloadavg()[0]:.1f}.\n"
        )
        for dtype in (np.float32, np.float64) if args.full else (np.float32,):
            for n_atoms in args.atoms or ((256, 64) if args.full else (256,)):
                p = Problem(n_bins, n_frames, n_atoms, dtype)
                for beta, W in ((1, "fixed"), (1, "learnt"), (0, "fixed"), (0, "learnt"), (2, "learnt")):
                    add(speed_section(p, beta, W, args.repeat, now))
        n_atoms = (args.atoms or [256])[0]
        for beta in (0, 1):
            shape, curves = convergence(beta, n_atoms, args.frames, args.iterations, args.repeat, now)
            add(convergence_section(beta, shape, curves, n_atoms, args.iterations))
    if args.plot:
        plot(args.plot, curves)
    if args.markdown:
        tables.write(args.markdown, f"solvers, {args.threads} thread(s)", "\n".join(sections))


if __name__ == "__main__":
    main()
