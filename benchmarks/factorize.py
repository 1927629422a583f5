"""NMF from default arguments, ours and scikit-learn's in one run: objective reached, and seconds to scikit-learn's.

    python benchmarks/factorize.py --markdown benchmarks/factorize.md      # a few minutes on one core
    python benchmarks/factorize.py --full                                  # more levels

Both get the data, the number of components, the divergence and a seed, and scikit-learn its solver "mu" where the
divergence needs it. The objective is computed in double precision from what `fit_transform` returns. Seconds to
scikit-learn's objective are those of the whole fit, and of the iterations until then. "agree" is how far `transform`
of the same data is from `fit_transform`, relative (Frobenius norm).
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import soundfile
import tables
from scipy.sparse import csr_matrix, issparse
from sklearn import decomposition
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from nmfaudio.factorize import NMF
from nmfaudio.nmf.beta_divergence import divergence
from nmfaudio.spectra.stft import STFT

EXAMPLE = Path(__file__).parents[1] / "examples/clean.flac"


def digits():
    """1797 pictures of 64 pixels."""
    return load_digits().data


def speech(n_frames=800):
    """Frames of a magnitude spectrogram of 257 bins."""
    y, _ = soundfile.read(EXAMPLE, dtype="float64", always_2d=True)
    return np.ascontiguousarray(np.abs(STFT(512, 128)(y.mean(axis=1)))[:, :n_frames].T)


def low_rank():
    """Eight components and one per cent of noise."""
    rng = np.random.default_rng(0)
    return rng.gamma(0.7, size=(300, 8)) @ rng.gamma(0.7, size=(8, 120)) + 0.01 * rng.random((300, 120))


def text():
    """Counts of 1000 words in 500 documents on 12 topics, sparse."""
    rng = np.random.default_rng(1)
    topics, shares = rng.dirichlet(np.full(1000, 0.02), 12), rng.dirichlet(np.full(12, 0.1), 500)
    return csr_matrix(rng.poisson(80 * (shares @ topics)).astype(float))


DATA = {"digits": (digits, 16), "speech": (speech, 20), "low rank": (low_rank, 8), "text": (text, 12)}


def timed(function):
    began = time.perf_counter()
    result = function()
    return result, time.perf_counter() - began


def compared(X, n_components, beta):
    """Numbers of one comparison."""
    theirs = decomposition.NMF(n_components, solver="cd" if beta == 2 else "mu", beta_loss=beta, random_state=0)
    ours = NMF(n_components, beta_loss=beta, random_state=0)
    W, seconds = timed(lambda: theirs.fit_transform(X))
    V, our_seconds = timed(lambda: ours.fit_transform(X))
    exact = X.astype(np.float64)

    def objective(W, model):
        return divergence(exact, W.astype(np.float64), model.components_.astype(np.float64), beta)

    target = objective(W, theirs)
    reached = np.flatnonzero(ours.objective_ <= target)
    return {
        "theirs": target,
        "ours": objective(V, ours),
        "iterations": (theirs.n_iter_, ours.n_iter_),
        "seconds": (seconds, our_seconds),
        "to theirs": our_seconds * reached[0] / ours.n_iter_ if len(reached) else np.inf,
        "agree": [np.linalg.norm(m.transform(X) - A) / np.linalg.norm(A) for m, A in ((theirs, W), (ours, V))],
    }


def rows(names, betas, scales, dtypes):
    for name in names:
        make, n_components = DATA[name]
        for beta in betas:
            X = make()
            if beta == 0:  # zeros, of which scikit-learn's divergence is infinite
                X = (X.toarray() if issparse(X) else X) + 1e-3 * X.mean()
            for scale in scales:
                for dtype in dtypes:
                    found = compared((scale * X).astype(dtype), n_components, beta)
                    yield [
                        f"{name}, K = {n_components}, beta = {beta:g}",
                        f"{scale:g}",
                        np.dtype(dtype).name,
                        f"{found['theirs']:.4g}",
                        f"{found['ours'] / found['theirs']:.4f}",
                        "{} / {}".format(*found["iterations"]),
                        "{:.2f} / {:.2f}".format(*found["seconds"]),
                        f"{found['to theirs']:.3f}",
                        f"{found['seconds'][0] / max(found['to theirs'], 1e-9):.1f}",
                        "{:.4f} / {:.4f}".format(*found["agree"]),
                    ]


HEADER = [
    "data",
    "scale",
    "dtype",
    "scikit-learn's objective",
    "ours, of that",
    "iterations, theirs / ours",
    "seconds, theirs / ours",
    "seconds to theirs",
    "times as fast",
    "agree, theirs / ours",
]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="levels of 1e-3 and 1e3 too")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--beta", nargs="+", type=float, default=[2, 1, 0])
    parser.add_argument("--scale", nargs="+", type=float)
    parser.add_argument("--markdown", help="page to put the table in, see tables.py; else it is printed alone")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # that peers have not converged
    scales = args.scale or ([1e-6, 1e-3, 1, 1e3, 1e6] if args.full else [1e-6, 1, 1e6])
    with threadpool_limits(1):
        for beta in args.beta:  # compile
            for dtype in (np.float32, np.float64):
                NMF(2, beta_loss=beta).fit(np.random.default_rng(0).random((9, 8)).astype(dtype))
        found = []
        for row in rows(args.data, args.beta, scales, (np.float64, np.float32)):
            found.append(row)
            print(" | ".join(row), flush=True)
    worst = max(float(row[4]) for row in found)
    speed = np.median([float(row[8]) for row in found])
    text = (
        f"One core, load {os.getloadavg()[0]:.1f}. In the worst case our objective is {worst:.4f} of scikit-learn's; "
        f"in the median it is reached {speed:.1f} times as fast.\n\n{tables.table(HEADER, found)}"
    )
    if args.markdown:
        tables.write(args.markdown, "defaults", text)


if __name__ == "__main__":
    main()
