"""`nmfaudio app`: clean recordings on a page in the browser."""

import argparse
import webbrowser
from contextlib import suppress
from typing import Any

from ..errors import NmfaudioError
from .console import OK

DESCRIPTION = """Open a page in the browser on which recordings can be dropped, cleaned by ear,
separated, repaired and saved. It works on this computer alone: nothing is sent
anywhere, and all files are deleted at the end. Ctrl+C ends it."""
EXAMPLES = ("nmfaudio app", "nmfaudio app --no-browser --port 8080")


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    parser = subparsers.add_parser("app", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("--port", type=_port, metavar="N", help="port of 127.0.0.1 (default: any that is free)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and do not open it")


def run(args: argparse.Namespace) -> int:
    """Run the app until it is interrupted."""
    try:
        from ..app import serve
    except ImportError as error:
        raise NmfaudioError(f"the app needs {error.name}: pip install 'nmfaudio[app]'") from None

    def opened(address: str) -> None:
        print(f"{address} (Ctrl+C ends it)", flush=True)
        if not args.no_browser:
            webbrowser.open(address)

    with suppress(KeyboardInterrupt):  # which is how it ends
        serve(args.port or 0, opened)
    return OK


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to 65535")
    return int(text)
