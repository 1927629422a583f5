"""`nmfaudio warmup`: compile what the shipped dictionaries need, so that the first run is as fast as the others."""

import argparse
import time
from typing import Any

from ..denoising.warmup import compile_all
from .console import OK, compilation_bar

_N_KERNELS = 38  # of all shipped dictionaries


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    subparsers.add_parser(
        "warmup",
        description="Compile what the shipped dictionaries need, for files and streams, and keep it\n"
        "on disk: in the package's own folder, in the user's cache folder, or in the\n"
        "folder named by the variable NUMBA_CACHE_DIR. Else the first use does it.",
        examples=["nmfaudio warmup", "NUMBA_CACHE_DIR=/opt/kernels nmfaudio warmup"],
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    began = time.perf_counter()
    with compilation_bar(n_kernels=_N_KERNELS):
        place = compile_all()
    print(f"compiled, or found compiled, in {time.perf_counter() - began:.1f} s")
    if place is None:
        print("kept nowhere, as no folder for it can be written: each start will compile again")
        print("(set NUMBA_CACHE_DIR to a folder that can be written)")
    else:
        print(f"kept in {place}")
    return OK
