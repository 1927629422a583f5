"""`nmfaudio warmup`: compile what the shipped dictionaries need, so that the first use starts as fast as the others."""

import argparse
import time
from contextlib import suppress
from typing import Any

import numpy as np

from ..dictionary import available
from ..errors import NmfaudioError
from .console import OK

SR = 16000


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    subparsers.add_parser(
        "warmup",
        description="Compile what the shipped dictionaries need, for files and streams, and keep it on disk: in the\n"
        "package's own folder, in the user's cache folder, or where the variable NUMBA_CACHE_DIR says.",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    began = time.perf_counter()
    place = compile_all()
    print(f"compiled, or found compiled, in {time.perf_counter() - began:.1f} s")
    if place is None:
        print("kept nowhere, as no folder for it can be written: each start will compile again")
        print("(set NUMBA_CACHE_DIR to a folder that can be written)")
    else:
        print(f"kept in {place}")
    return OK


def compile_all() -> str | None:
    """Use each shipped dictionary once; return the folder in which the machine code is kept, if there is one."""
    from ..denoising.denoiser import Denoiser
    from ..denoising.noise_profile import noise_profile
    from ..denoising.streaming import StreamingDenoiser
    from ..kernels.unfolded.block import ratio_block

    y = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    for name in available():
        denoiser = Denoiser(name)
        denoiser(y, SR)
        noise_profile(y, SR, denoiser.dictionary)
        with suppress(NmfaudioError):  # not all are for streams
            StreamingDenoiser(denoiser.dictionary, sr=SR)
    return getattr(getattr(ratio_block, "stats", None), "cache_path", None)  # a plain function under NUMBA_DISABLE_JIT
