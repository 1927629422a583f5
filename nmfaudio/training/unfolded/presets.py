"""Contexts and sizes of the shipped unfolded dictionaries, chosen by measurement, see benchmarks/."""

from dataclasses import dataclass, replace

from ...denoising.unfolded.context import Context
from ...spectra.front_end import FrontEnd
from ...unfolded.context import spans

FRONT_END = FrontEnd(exponent=0.6)
FULL_BAND = FrontEnd(48_000, exponent=0.6, n_high=24)
N_BINS, MAX_HZ = FRONT_END.n_bins, 8000.0
COARSE, FINE = 40, 64  # mel bands; the finer ones resolve the low harmonics of a voice


@dataclass(frozen=True)
class Size:
    """Size of a stage.

    Parameters
    ----------
    n_atoms : tuple of int
        Number of atoms of each source, as of speech and of noise.
    order : tuple of int
        Layer of each update.
    against : tuple of int
        Layers with a learnt frame-dependent penalty.
    passes : int
        Times that the stage is run, from the second one on on its own mask.
    joined : bool
        If true, its masks are averaged with those of the stage before.
    """

    n_atoms: tuple[int, ...]
    order: tuple[int, ...]
    against: tuple[int, ...] = ()
    passes: int = 1
    joined: bool = False


@dataclass(frozen=True)
class Preset:
    """Contexts and sizes of the stages.

    The first stage has the noisy spectrogram alone. The second has the mask of the first too, and the pitch; for files
    it runs a second time, on its own mask. A third like it is joined to it. The last one has their mask at full
    resolution, and the band above 8 kHz. Fast variants have the first stage alone. A causal last stage also has the
    noise floor, because the frames after the current one, which tell noise from speech above 8 kHz, are not known.

    Parameters
    ----------
    contexts : tuple of Context
    sizes : tuple of Size
    front_end : FrontEnd
    """

    contexts: tuple[Context, ...]
    sizes: tuple[Size, ...]
    front_end: FrontEnd = FRONT_END


_FILE_FIRST = Context(
    N_BINS,
    COARSE,
    MAX_HZ,
    means=spans((-60, -1), (-16, -9), (-8, -5), -4, -3, -2, -1, 1, 2, 3, 4, (5, 8), (9, 16), (1, 60)),
    minima=spans((-94, 0), (-24, 0), (0, 24), (0, 94)),
    floors=spans((-94, 0), (0, 94), (-20, 20)),
)
_FILE_SECOND = Context(
    N_BINS,
    FINE,
    MAX_HZ,
    speech_means=spans((-12, -8), (-7, -5), (-4, -3), -2, -1, 0, 1, 2, (3, 4), (5, 7), (8, 12)),
    noise_means=spans((-30, -9), (-8, -1), 0, (1, 8), (9, 30)),
    noise_spectra=spans((-8, 8), (-60, 60)),
    periodic=spans((-1, 1)),
    estimates=True,
)
_FILE_LAST = Context(
    N_BINS,
    FINE,
    MAX_HZ,
    FULL_BAND.n_high,
    means=spans((-94, -1), (1, 94)),
    speech_means=spans((-12, -8), (-7, -5), (-4, -3), -2, 2, (3, 4), (5, 7), (8, 12)),
    noise_means=spans((-30, -9), (-8, -2), (2, 8), (9, 30)),
    speech_frames=spans(-1, 1),
    noise_frames=spans(-1, 1),
    noise_spectra=spans((-3, 3), (-12, 12), (-90, 90)),
    estimates=True,
)
_CAUSAL_FIRST = Context(
    N_BINS,
    COARSE,
    MAX_HZ,
    means=spans((-120, -1), (-40, -21), (-20, -13), (-12, -9), (-8, -7), (-6, -5), -4, -3, -2, -1),
    minima=spans((-250, 0), (-94, 0), (-24, 0)),
    floors=spans((-250, 0), (-94, 0), (-24, 0)),
)
_CAUSAL_SECOND = Context(
    N_BINS,
    FINE,
    MAX_HZ,
    speech_means=spans((-24, -13), (-12, -8), (-7, -5), (-4, -3), -2, -1, 0),
    noise_means=spans((-60, -31), (-30, -9), (-8, -4), (-3, -1), 0),
    noise_spectra=spans((-16, 0), (-100, 0)),
    periodic=spans((-1, 0)),
    estimates=True,
)
_CAUSAL_LAST = Context(
    N_BINS,
    FINE,
    MAX_HZ,
    FULL_BAND.n_high,
    means=spans((-120, -1), (-24, -1)),
    minima=spans((-94, 0)),
    speech_means=spans((-24, -13), (-12, -8), (-7, -5), (-4, -3), -2),
    noise_means=spans((-60, -31), (-30, -9), (-8, -2)),
    speech_frames=spans(-1),
    noise_frames=spans(-1),
    floors=spans((-94, 0)),
    noise_spectra=spans((-5, 0), (-24, 0), (-180, 0)),
    estimates=True,
)
_SMALL = Size((112, 64), (0, 1, 2))
_LARGE = Size((228, 76), (0, 1, 2, 3), against=(2, 3))
_LARGE_TWICE = replace(_LARGE, passes=2)
_LARGE_JOINED = replace(_LARGE, joined=True)

PRESETS = {
    "file": Preset(
        (_FILE_FIRST, _FILE_SECOND, _FILE_SECOND, _FILE_LAST), (_SMALL, _LARGE_TWICE, _LARGE_JOINED, _LARGE), FULL_BAND
    ),
    "file-fast": Preset((_FILE_FIRST,), (_SMALL,)),
    "causal": Preset(
        (_CAUSAL_FIRST, _CAUSAL_SECOND, _CAUSAL_SECOND, _CAUSAL_LAST),
        (_SMALL, _LARGE, _LARGE_JOINED, _SMALL),
        FULL_BAND,
    ),
    "causal-fast": Preset((_CAUSAL_FIRST,), (_SMALL,)),
}
