"""Options of denoising for common purposes, under a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Options for a purpose.

    Parameters
    ----------
    purpose : str
        The recordings that it is for, and what it does to them.
    options : mapping of str
        Arguments of :func:`nmfaudio.denoise_file`.
    """

    purpose: str
    options: Mapping[str, Any]


def _preset(purpose: str, **options: Any) -> Preset:
    return Preset(purpose, MappingProxyType(options))


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "podcast": _preset(
            "voices to publish: a trace of the room stays, and the loudness is that of podcasts",
            attenuation_limit_db=24.0,
            loudness_lufs=-16.0,
        ),
        "call": _preset(
            "recorded calls: each channel is cleaned for itself, and quiet sides become audible",
            channels="independent",
            loudness_lufs=-18.0,
        ),
        "interview": _preset(
            "voices at a place: its sound stays behind them, and the loudness is that of broadcasting",
            attenuation_limit_db=15.0,
            loudness_lufs=-23.0,
        ),
        "gentle": _preset(
            "music under the voice, concerts, archives: less is removed, and less can be harmed",
            attenuation_limit_db=12.0,
            strength=0.7,
        ),
        "asr": _preset(
            "speech recognition: what recognisers trained on noisy speech listen to stays; older ones take the default",
            attenuation_limit_db=12.0,
            strength=0.7,
        ),
    }
)
"""Presets by name, each a set of arguments of :func:`nmfaudio.denoise_file`.

Examples
--------
>>> from nmfaudio.denoising.presets import PRESETS
>>> dict(PRESETS["gentle"].options)
{'attenuation_limit_db': 12.0, 'strength': 0.7}
"""
