"""Compile ahead of the first use."""

from contextlib import suppress

import numpy as np

from ..dictionary import Dictionary, available
from ..errors import NmfaudioError
from ..kernels.unfolded.block import ratio_block
from .denoiser import Denoiser
from .noise_profile import noise_profile
from .streaming import StreamingDenoiser

_SR = 16000


def compile_all() -> str | None:
    """Use each shipped dictionary once, so that all that it needs is compiled and kept on disk.

    Returns
    -------
    str or None
        Folder in which the machine code is kept, if there is one.

    Examples
    --------
    >>> from nmfaudio.denoising.warmup import compile_all
    >>> def prepare_image():
    ...     return compile_all()
    """
    y = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    for dictionary in map(Dictionary.load, available()):
        if dictionary.kind not in ("sparse", "unfolded"):  # it is for separation
            continue
        denoiser = Denoiser(dictionary)
        denoiser(y, _SR)
        noise_profile(y, _SR, denoiser.dictionary)
        with suppress(NmfaudioError):  # not all are for streams
            StreamingDenoiser(denoiser.dictionary, sr=_SR)
    return getattr(getattr(ratio_block, "stats", None), "cache_path", None)  # a plain function under NUMBA_DISABLE_JIT
