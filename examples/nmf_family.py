"""Use every variant of NMF once on real sound, and one on pictures: python examples/nmf_family.py [nmf_family.png]."""

import sys
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits

from nmfaudio import STFT
from nmfaudio.factorize import (
    NMF,
    PARAFAC,
    ConvexNMF,
    ConvolutiveNMF,
    GroupSparseNMF,
    JointNMF,
    OnlineNMF,
    OrthogonalNMF,
    SemiNMF,
    SeparableNMF,
    SequentialNMF,
    SmoothNMF,
    SparsenessNMF,
    SparseNMF,
    SymmetricNMF,
    WeightedNMF,
    cross_validated_rank,
    sparseness,
)

HERE = Path(__file__).parent
clean, sr = sf.read(HERE / "clean.flac", dtype="float32")
noisy, _ = sf.read(HERE / "noisy.wav", dtype="float32")
stereo, sr_stereo = sf.read(HERE / "noisy_48k.ogg", dtype="float32")
stft = STFT(512, 256)

# Samples are frames, as in scikit-learn: V.T in the rest of the package.
voice, storm = (np.abs(stft(y)).T for y in (clean, noisy))  # (frames, bins)
mel = librosa.filters.mel(sr=sr, n_fft=512, n_mels=40)
bands = voice @ mel.T  # (frames, bands)
SHOWN = {"aspect": "auto", "origin": "lower", "cmap": "magma"}


def levels(X):
    """Levels in dB, at most 60 dB below the highest."""
    return 20 * np.log10(np.maximum(X, 1e-3 * X.max()))


def by_pitch(components):
    """Components sorted by spectral centroid."""
    return components[np.argsort(components @ np.arange(components.shape[1]) / components.sum(axis=1))]


def nmf(ax):
    atoms = NMF(16, beta_loss=1, random_state=0).fit(voice).components_
    ax.imshow(levels(by_pitch(atoms).T), **SHOWN)
    return "atoms of a voice", "atom", "bin"


def sparse(ax):
    W = SparseNMF(32, alpha=0.2, tol=1e-3, random_state=0).fit_transform(voice)
    ax.imshow(levels(W.T), **SHOWN)
    return f"{(W > 0.01 * W.max()).sum(axis=1).mean():.1f} of 32 atoms a frame", "frame", "atom"


def given_sparseness(ax):
    atoms = SparsenessNMF(16, sparseness_H=0.8, tol=1e-3, random_state=0).fit(bands).components_
    ax.imshow(levels(by_pitch(atoms).T), **SHOWN)
    return f"atoms of sparseness {sparseness(atoms).mean():.2f}", "atom", "band"


def groups(ax):
    W = GroupSparseNMF(16, groups=4, alpha=1.0, tol=1e-3, random_state=0).fit_transform(bands)
    ax.imshow(levels(W.T), **SHOWN)
    return "groups of four atoms", "frame", "atom"


def smooth(ax):
    for alpha in (0, 100):
        W = SmoothNMF(4, alpha=alpha, tol=1e-3, random_state=0).fit_transform(storm)
        ax.plot(W[:, np.argmin(np.diff(W, axis=0).std(axis=0) / W.mean(axis=0))])
    return "steadiest atom of a storm, rough and smooth", "frame", "activation"


def online(ax):
    model, errors = OnlineNMF(8, beta_loss=1, max_iter=50, random_state=0), []
    for start in range(0, len(bands), 16):
        model.partial_fit(bands[start : start + 16])
        errors.append(np.linalg.norm(bands - model.inverse_transform(model.transform(bands))) / np.linalg.norm(bands))
    ax.plot(errors)
    return "a stream, batch by batch", "batch", "error on the whole"


def weighted(ax):
    roots, hidden = np.sqrt(bands), np.random.default_rng(0).random(bands.shape) < 0.5
    model = WeightedNMF(16, alpha=1e-3, random_state=0).fit(roots, weights=~hidden)
    pair = np.hstack([np.where(hidden, 0, roots), model.impute(roots, ~hidden)])[200:320]
    ax.imshow(pair.T, **SHOWN)
    return f"half of a voice filled in, error {model.hidden_error(roots, hidden):.2f}", "frame", "band, twice"


def held_out(ax):
    ranks, model = [1, 2, 4, 8, 12, 16, 20], WeightedNMF(tol=1e-3, random_state=0)
    found = cross_validated_rank(np.sqrt(storm @ mel.T), ranks, model=model, random_state=0)
    ax.plot(found.ranks, found.errors.mean(axis=1), ".-")
    ax.axvline(found.best, color="0.7")
    return f"rank {found.best} predicts best", "components", "error on hidden entries"


def sequential(ax):
    model = SequentialNMF(40, tol=1e-3).fit(storm / storm.mean(axis=0))
    ax.semilogy(model.residual_variance_, ".-")
    ax.axvline(model.n_components_, color="0.7")
    return f"the storm has {model.n_components_} components above noise", "components", "residual variance"


def orthogonal(ax):
    labels = OrthogonalNMF(6, random_state=0).fit(bands).labels_
    ax.imshow(levels(bands.T), **SHOWN)
    ax.twinx().step(np.arange(len(labels)), labels, color="c", linewidth=0.7)
    return "frames in six clusters", "frame", "band"


def semi(ax):
    centred = levels(bands) - levels(bands).mean(axis=0)
    components = SemiNMF(6, n_init=3, random_state=0).fit(centred).components_
    ax.plot((components / np.abs(components).max(axis=1, keepdims=True)).T)
    return "signed atoms of levels in dB", "band", "atom"


def convex(ax):
    model = ConvexNMF(6, tol=1e-3, random_state=0).fit(bands)
    ax.imshow(model.mixing_ / model.mixing_.max(axis=1, keepdims=True), **SHOWN | {"interpolation": "nearest"})
    return "frames that atoms are made of", "frame", "atom"


def symmetric(ax):
    loud = bands[np.linalg.norm(bands, axis=1) > 0.05 * np.linalg.norm(bands, axis=1).max()]
    unit = loud / np.linalg.norm(loud, axis=1, keepdims=True)
    model = SymmetricNMF(5, n_init=3, random_state=0).fit((unit @ unit.T) ** 4)
    order = np.argsort(model.labels_, kind="stable")
    ax.imshow((unit @ unit.T)[np.ix_(order, order)], **SHOWN)
    return "alike frames side by side", "frame", "frame"


def separable(ax):
    loud = np.flatnonzero(np.linalg.norm(bands, axis=1) > 0.1 * np.linalg.norm(bands, axis=1).max())
    model = SeparableNMF(6, refine=True).fit(bands[loud])
    ax.imshow(levels(bands.T), **SHOWN)
    ax.vlines(loud[model.anchors_], 0, 39, color="c", linewidth=1)
    return "the six purest frames", "frame", "band"


def parafac(ax):
    X = np.abs(STFT(1024, 512)(stereo.T)).transpose(2, 0, 1)  # (frames, channels, bins)
    model = PARAFAC(12, beta_loss=1, n_init=2, tol=1e-3, random_state=0).fit(X)
    _, (left, right), spectra = model.factors_
    ax.scatter(20 * np.log10(left / right), spectra.T @ np.fft.rfftfreq(1024, 1 / sr_stereo) / spectra.sum(axis=0))
    return "atoms between two ears", "left over right (dB)", "centre (Hz)"


def joint(ax):
    n = len(storm) * 3 // 5
    rain = np.abs(stft(noisy - clean)).T[n:]  # the rain alone, after the part to be cleaned
    model = JointNMF(4, n_own={"storm": 40}, beta_loss=1, tol=1e-3, random_state=0)
    W = model.fit_transform(np.vstack([storm[:n], rain]), groups=["storm"] * n + ["rain"] * len(rain))[:n]
    own = model.component_groups_ >= 0
    share = W[:, own] @ model.components_[own] / np.maximum(W @ model.components_, 1e-9)
    Y, target = stft(noisy)[:, :n], stft(clean)[:, :n]
    before, after = (20 * np.log10(np.linalg.norm(target) / np.linalg.norm(E - target)) for E in (Y, share.T * Y))
    ax.imshow(levels(np.abs(share.T * Y)), **SHOWN)
    return f"what is not of the rain: {before:.1f} to {after:.1f} dB", "frame", "bin"


def convolutive(ax):
    atoms = ConvolutiveNMF(6, n_frames=10, tol=1e-3, random_state=0).fit(bands).components_
    ax.imshow(levels(np.hstack([atom.T / atom.max() for atom in atoms])), **SHOWN)
    for edge in range(10, 60, 10):
        ax.axvline(edge - 0.5, color="w", linewidth=0.7)
    return "patches of 160 ms", "frame", "band"


def convolutive_2d(ax):
    bins = np.abs(librosa.vqt(clean, sr=sr, hop_length=256, fmin=80, n_bins=60, bins_per_octave=12)).T
    model = ConvolutiveNMF(1, n_frames=2, n_shifts=24, tol=1e-3, random_state=0)
    ax.imshow(model.fit_transform(bins)[200:320].T, **SHOWN)
    return "one atom at 24 pitches", "frame", "semitones"


def pictures(ax):
    parts = NMF(16, solver="hals", random_state=0).fit(load_digits().data).components_
    tiles = np.pad((parts / parts.max(axis=1, keepdims=True)).reshape(4, 4, 8, 8), ((0, 0), (0, 0), (1, 0), (1, 0)))
    ax.imshow(tiles.transpose(0, 2, 1, 3).reshape(36, 36), cmap="gray")
    ax.set_axis_off()
    return "parts of written digits", "", ""


PANELS = {
    "NMF": nmf,
    "SparseNMF": sparse,
    "SparsenessNMF": given_sparseness,
    "GroupSparseNMF": groups,
    "SmoothNMF": smooth,
    "OnlineNMF": online,
    "WeightedNMF": weighted,
    "cross_validated_rank": held_out,
    "SequentialNMF": sequential,
    "OrthogonalNMF": orthogonal,
    "SemiNMF": semi,
    "ConvexNMF": convex,
    "SymmetricNMF": symmetric,
    "SeparableNMF": separable,
    "PARAFAC": parafac,
    "JointNMF": joint,
    "ConvolutiveNMF": convolutive,
    "ConvolutiveNMF (2-D)": convolutive_2d,
    "NMF of pictures": pictures,
}

if __name__ == "__main__":
    figure, axes = plt.subplots(5, 4, figsize=(16, 17), layout="constrained")
    for (name, panel), ax in zip(PANELS.items(), axes.flat, strict=False):
        said, x, y = panel(ax)
        ax.set(title=f"{name}\n{said}", xlabel=x, ylabel=y)
        print(f"{name}: {said}")
    for ax in axes.flat[len(PANELS) :]:
        ax.set_axis_off()
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "nmf_family.png", dpi=80)
