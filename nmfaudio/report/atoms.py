"""Pictures of the atoms that explain most of a recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..denoising.atom_usage import AtomUsage, atom_usage
from ..denoising.decomposition import decomposition_for
from ..denoising.denoiser import Denoiser

__all__ = ["atoms"]

_ATOMS = 8  # drawn of speech, and of noise


def atoms(denoiser: Denoiser, power: NDArray[np.floating]) -> str:
    """Draw the most active atoms of speech and of noise as HTML, from the power of a recording, shape (F, N)."""
    front_end = denoiser.dictionary.front_end
    decomposition = decomposition_for(denoiser.dictionary, denoiser.noise)
    usage = atom_usage(decomposition, front_end.compressed(power))
    hz = front_end.rows_hz
    return "\n".join(_most_active(source, found, hz) for source, found in usage.items())


def _most_active(source: str, found: AtomUsage, hz: NDArray[np.floating]) -> str:
    shares = found.shares
    order = [k for k in np.argsort(shares)[::-1][:_ATOMS] if shares[k] > 0]
    total = 100 * shares.sum()
    these = 100 * shares[order].sum()
    text = f"{source.capitalize()}: these {len(order)} make up {these:.0f} % of it"
    text += f", {len(shares) - len(order)} others {total - these:.0f} %"
    if total < 99.5 and order:
        text += f", spectra taken from the recording itself {100 - total:.0f} %"
    if not order:
        text = f"{source.capitalize()}: none active"
    pictures = "\n".join(_atom(found.atoms[:, k], found.parts[k], shares[k], hz) for k in order)
    return f'<h3>{text}</h3>\n<div class="atoms">\n{pictures}\n</div>'


def _atom(atom: NDArray[np.floating], parts: NDArray[np.floating], share: float, hz: NDArray[np.floating]) -> str:
    """Picture of an atom: its spectrum, and its activity over time below."""
    centroid = (hz[: len(atom)] * atom).sum() / atom.sum()
    spectrum = _area(_peaks(atom, 128), 0, 36)
    activity = _area(_peaks(parts, 128), 40, 54)
    caption = f"{100 * share:.1f} %, {centroid / 1000:.1f} kHz"
    return (
        f'<figure><svg viewBox="0 0 128 54" preserveAspectRatio="none" role="img" aria-label="{caption}">'
        f'<path class="spectrum" d="{spectrum}"/><path class="activity" d="{activity}"/></svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _peaks(values: NDArray[np.floating], n: int) -> NDArray[np.floating]:
    """Largest of each of at most n groups of neighbours."""
    n = min(n, len(values))
    return np.maximum.reduceat(values, np.arange(n) * len(values) // n)


def _area(values: NDArray[np.floating], top: float, bottom: float) -> str:
    """SVG path of the area under values that fill the width of 128."""
    heights = bottom - (bottom - top) * values / max(float(values.max()), 1e-20)
    x = np.linspace(0, 128, len(values) + 1)
    steps = " ".join(f"V{height:.3g} H{right:.4g}" for height, right in zip(heights, x[1:], strict=True))
    return f"M0 {bottom} {steps} V{bottom} Z"
