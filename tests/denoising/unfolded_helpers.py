"""Small contexts, random weights and dictionaries for tests of unfolded NMF."""

from dataclasses import asdict

import numpy as np

from nmfaudio.denoising.unfolded.context import Context
from nmfaudio.dictionary import Dictionary
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.unfolded.weights import Weights, named_arrays

N_BINS, N_HIGH = 9, 5
LOOKING_AHEAD = (
    Context(N_BINS, 4, 250.0, means=((-1, -1), (1, 3)), minima=((-5, 0), (0, 5)), floors=((-5, 5),)),
    Context(
        N_BINS,
        4,
        250.0,
        speech_means=((-1, 1), (0, 0)),
        noise_means=((-6, -1), (2, 2)),
        noise_spectra=((-4, 4),),
        periodic=((-1, 1),),
        estimates=True,
    ),
    Context(
        N_BINS,
        4,
        250.0,
        N_HIGH,
        means=((-5, -1),),
        speech_means=((-3, -2),),
        noise_means=((1, 4),),
        speech_frames=((-1, -1), (1, 1)),
        noise_frames=((1, 1),),
        noise_spectra=((-2, 2), (-4, 4)),
        estimates=True,
    ),
)
CAUSAL = (
    Context(N_BINS, 4, 250.0, means=((-3, -2), (-1, -1)), minima=((-6, 0),), floors=((-6, 0), (-2, 0))),
    Context(
        N_BINS,
        4,
        250.0,
        speech_means=((-1, -1), (0, 0)),
        noise_means=((-6, -1),),
        noise_spectra=((-4, 0),),
        periodic=((-1, 0),),
        estimates=True,
    ),
    Context(
        N_BINS,
        4,
        250.0,
        N_HIGH,
        means=((-5, -1),),
        speech_means=((-3, -2),),
        noise_means=((-4, -1),),
        speech_frames=((-1, -1), (-2, -2)),
        noise_frames=((-1, -1),),
        noise_spectra=((-2, 0),),
        estimates=True,
    ),
)


def random_weights(context, n_atoms=5, n_layers=2, seed=0, n_sources=2):
    rng = np.random.default_rng(seed)
    D, J, F = context.n_rows, context.n_tracked, context.height
    shapes = {"start": (n_atoms,), "tracked_start": (J,), "power": (F,)}
    shapes |= {"sources": (n_sources, F, n_atoms), "source_gains": (n_sources, J, F)}
    for i in range(n_layers):
        shapes |= {f"atoms{i}": (D, n_atoms), f"weights{i}": (D,), f"penalty{i}": (n_atoms,)}
        shapes |= {f"relaxation{i}": (n_atoms,)}
        shapes |= {f"gains{i}": (J, D), f"tracked_penalty{i}": (J,)}
        shapes |= {f"against{i}": (D, n_atoms)} if i > 0 else {}  # a layer without it, and others with it
    return Weights.from_arrays({name: (rng.random(shape) + 0.1).astype(np.float32) for name, shape in shapes.items()})


def as_double(weights):
    return weights.map(lambda array: array.astype(float))


def random_frames(context, n=9, seed=0, dtype=np.float32):
    """Stack and tracked atoms of n frames, as rows."""
    rng = np.random.default_rng(seed)
    shapes = (n, context.n_rows), (n, context.n_tracked, context.height + context.n_averages)
    return tuple(rng.random(shape).astype(dtype) for shape in shapes)


def random_dictionary(contexts, front_end=None, n_atoms=5, passes=(1, 2, 3), joined=()):
    """Separate nothing but run through every path; by default 9 bins to 250 Hz, 5 bands above."""
    front_end = front_end or FrontEnd(1200, 0.032, 0.016, n_bins=N_BINS, exponent=0.6, n_high=N_HIGH, high_hz=550)
    arrays = named_arrays([random_weights(c, n_atoms, 3, seed=i) for i, c in enumerate(contexts)])
    stages = [
        {"order": [0, 2, 1], "context": asdict(c), "passes": n, "joined": i in joined}
        for i, (c, n) in enumerate(zip(contexts, passes, strict=False))
    ]
    return Dictionary("unfolded", arrays, front_end, {"stages": stages}, {})
