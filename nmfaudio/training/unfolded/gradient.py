"""Training of unfolded NMF on mixtures, so that the mask is right, with its own gradient.

Le Roux, Hershey and Weninger, "Deep NMF for speech separation" (2015): the activations are found by a fixed number
of multiplicative updates, and the gradient of the mask's error goes back through them. Weights stay non-negative as
their square roots are what is trained.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...denoising.unfolded.decomposition import MOST, Matmul, activations, contributions
from ...errors import NmfaudioError
from ..data.frame_pool import Example
from ..data.mixing import Mixture

Arrays = dict[str, np.ndarray]
Stage = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
Frames = slice | np.ndarray
_LEAST_ROOT = 1e-4
_LONGEST, _STEPS_BEFORE_CLIPPING = 2.0, 100  # of a gradient, relative to the root mean square of those before
_NEIGHBOURHOOD = (9, 25)  # bins, frames: 0.3 kHz and 0.4 s


@dataclass(frozen=True)
class Objective:
    """Loss on the compressed masked spectrum, so that quiet speech counts.

    The error of a bin is ``((m + floor)^c |X|^c - t)^2`` with ``t = |S|^c (p cos(phase) + 1 - p)``: a share `p` of
    the error is measured on the compressed complex spectrum, the rest on magnitudes. A share of the weight is counted
    by mel instead of hertz, as ears do; bins reach up to `max_hz`. Errors count relative to the local energy of
    speech and mixture to the power `levelling`, so that quiet syllables and high bands are not drowned.
    """

    compression: float = 0.7
    phase_share: float = 0.3
    mel_share: float = 1.0
    max_hz: float = 8000.0
    floor: float = 1e-3
    levelling: float = 0.5

    def bin_weights(self, n_bins: int) -> np.ndarray:
        """Weight of the error in each bin, shape (n_bins,), mean 1."""
        density = 1 / (700 + np.linspace(0, self.max_hz, n_bins))
        return (1 - self.mel_share + self.mel_share * density / density.mean()).astype(np.float32)

    def example(self, mix: Mixture, stage: Stage, frames: Frames = slice(None)) -> Example:
        """Input and target of some frames of a mixture; `stage` gives their stack and tracked atoms."""
        from scipy.ndimage import uniform_filter

        X, S = np.abs(mix.mixture), np.abs(mix.speech)
        stack, tracked = stage(X)
        x, t = X**self.compression, S**self.compression
        power = 0.5 * x**2 + 0.5 * t**2
        mean = power.mean() + 1e-12
        x, t, X, S = x[:, frames], t[:, frames], X[:, frames], S[:, frames]
        cosine = np.real(mix.mixture[:, frames] * mix.speech[:, frames].conj()) / np.maximum(X * S, 1e-20)
        t = t * np.maximum(self.phase_share * cosine + 1 - self.phase_share, 0)
        weight = (uniform_filter(power / mean, _NEIGHBOURHOOD, mode="nearest") + 0.01) ** -self.levelling
        weight *= mean / (np.mean(weight * power) + 1e-12)
        scale = np.sqrt(self.bin_weights(len(X))[:, None] * weight[:, frames] / mean)
        return Example(stack, tracked, np.ascontiguousarray((x * scale).T), np.ascontiguousarray((t * scale).T))

    def __call__(self, mask: np.ndarray, x: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean error of a mask, and its gradient."""
        m = mask + np.float32(self.floor)
        u = m**self.compression
        error = u * x - t
        loss = float(np.mean(error**2))
        return loss, (2 * self.compression / error.size) * error * x * u / m


def coarse_matmul() -> Matmul:
    """Matrix product in bfloat16 with sums in float32: several times as fast on processors that have it (AMX).

    Raises
    ------
    NmfaudioError
        Where torch, which carries it, is not installed.
    """
    try:
        import torch

        torch.set_num_threads(1)
    except ImportError:
        raise NmfaudioError("bfloat16 products need torch: pip install torch, or train without --bf16") from None

    def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        product = torch.from_numpy(a).to(torch.bfloat16) @ torch.from_numpy(b).to(torch.bfloat16)
        return product.float().numpy()

    return matmul


def loss_and_gradient(
    P: Arrays, order: list[int], batch: Example, objective: Objective, matmul: Matmul = np.matmul
) -> tuple[float, Arrays]:
    """Loss of a batch and its gradient by every array of P."""
    from ...kernels.unfolded.gradient import explain_backward

    h, a, traces = activations(P, order, batch.stack, batch.tracked, matmul)
    S, N = contributions(P, h, a, batch.tracked)
    contrast = np.log(S) - np.log(N)
    mask = 1 / (1 + np.exp(np.clip(-P["power"] * contrast, -40, 40)))  # S^p / (S^p + N^p) that cannot overflow
    loss, dmask = objective(mask, batch.mixture, batch.target)
    dlogit = dmask * mask * (1 - mask)
    g = {name: np.zeros_like(array) for name, array in P.items()}
    g["power"] += np.sum(dlogit * contrast, axis=0)
    dS, dN = dlogit * P["power"] / S, -dlogit * P["power"] / N
    n_bins = S.shape[1]
    g["speech"] += dS.T @ h
    g["noise"] += dN.T @ h
    dh = dS @ P["speech"] + dN @ P["noise"]
    da = np.empty_like(a)
    for j in range(a.shape[1]):
        atom = batch.tracked[:, j, :n_bins]
        da[:, j] = (dS * atom) @ P["speech_gains"][j] + (dN * atom) @ P["noise_gains"][j]
        g["speech_gains"][j] = a[:, j] @ (dS * atom)
        g["noise_gains"][j] = a[:, j] @ (dN * atom)
    for trace in reversed(traces):
        i = trace.layer
        W, c, G = P[f"atoms{i}"], P[f"weights{i}"], P[f"gains{i}"]
        inside = np.abs(np.log(trace.factor)) < MOST
        dfactor = dh * trace.h * trace.factor * inside  # by the logarithm of the factor
        g[f"relaxation{i}"] += np.sum(dfactor * np.log(trace.ratio), axis=0)
        dratio = dfactor * P[f"relaxation{i}"] / trace.ratio
        dnum = dratio / trace.denominator
        dden_n = -dnum * trace.ratio
        dden = dden_n.sum(axis=0)
        dh = dh * trace.factor
        dnum_a = da * trace.a / trace.tracked_denominator
        ratio_a = trace.tracked_numerator / trace.tracked_denominator
        dden_a = -dnum_a * ratio_a
        g[f"penalty{i}"] += dden
        g[f"tracked_penalty{i}"] += dden_a.sum(axis=0)
        g[f"weights{i}"] += W @ dden
        g[f"atoms{i}"] += matmul(trace.Q.T, dnum)
        g[f"atoms{i}"] += np.outer(c, dden)
        dR = matmul(dnum, W.T)
        if f"against{i}" in P:
            g[f"against{i}"] += matmul(trace.Q.T, dden_n)
            dR += matmul(dden_n, P[f"against{i}"].T)
        da_model = np.empty_like(da)
        explain_backward(
            batch.stack, trace.R, trace.Q, batch.tracked, G, trace.a, c, n_bins, dnum_a, dden_a, dR,
            g[f"gains{i}"], g[f"weights{i}"], da_model,
        )  # fmt: skip
        da = da * ratio_a + da_model
        g[f"atoms{i}"] += matmul(dR.T, trace.h)
        dh += matmul(dR, W)
    g["start"] += dh.sum(axis=0)
    g["tracked_start"] += da.sum(axis=0)
    return loss, g


class Adam:
    """Adam on the square roots of non-negative weights.

    Its steps have one length whatever the gradient. On logarithms, where they are factors, weights that hardly matter
    wander over many orders of magnitude; on roots they stay. The length is relative to the root mean square of an
    array's roots. A gradient much longer than those before it is shortened: one odd batch would otherwise steer the
    next ten steps.
    """

    def __init__(self, P: Arrays):
        self.step_count = 0
        self.theta = {k: np.sqrt(v) for k, v in P.items()}
        self.mean = {k: np.zeros_like(v) for k, v in P.items()}
        self.square = {k: np.zeros_like(v) for k, v in P.items()}

    def step(self, P: Arrays, gradient: Arrays, rate: float, beta1: float = 0.9, beta2: float = 0.99) -> None:
        """Move P against the gradient, in place."""
        from ...kernels.unfolded.gradient import adam_square

        self.step_count += 1
        corrections = 1 - beta1**self.step_count, 1 - beta2**self.step_count
        for k in P:
            length = rate * float(np.sqrt(P[k].mean()))
            if self.step_count > _STEPS_BEFORE_CLIPPING:
                longest = _LONGEST * np.sqrt(self.square[k].sum())
                gradient[k] *= min(1, longest / (2 * np.linalg.norm(self.theta[k] * gradient[k]) + 1e-30))
            arrays = (self.theta[k], P[k], gradient[k], self.mean[k], self.square[k])
            scalars = (length, beta1, beta2, *corrections, _LEAST_ROOT)
            adam_square(*(x.reshape(-1) for x in arrays), *map(np.float32, scalars))
