"""`nmfaudio live`: from the microphone to the loudspeaker, by way of a `StreamingDenoiser`."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..denoising.streaming import StreamingDenoiser
from ..errors import NmfaudioError
from .console import OK, say
from .options import add_keep_tones, add_strength

_NO_DEVICES = (
    "no microphone or loudspeaker on this machine (servers, containers and remote shells have none): "
    "connect one, or run nmfaudio where they are."
)


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    parser = subparsers.add_parser(
        "live",
        description="Take the noise out of speech live, from the microphone to the loudspeaker or\n"
        "headphones, until Ctrl-C. Needs the extra: pip install 'nmfaudio[live]'",
        examples=["nmfaudio live --list-devices", "nmfaudio live --input USB --output headphones"],
    )
    add = parser.add_argument
    add("--list-devices", action="store_true", help="list microphones and loudspeakers")
    add("--input", type=_device, metavar="DEVICE", help="number or name (default: the system's)")
    add("--output", type=_device, metavar="DEVICE", help="loudspeaker or headphones (default: the system's)")
    add("--channels", type=int, choices=(1, 2), default=1, help="channels of input and output")
    add("--rate", type=int, metavar="HZ", help="sampling rate (default: the output's)")
    add("-d", "--dictionary", default="speech-causal", metavar="NAME", help="causal dictionary")
    add("--noise", metavar="FILE", help="the noise alone: a recording or a saved profile")
    add_strength(add)
    add_keep_tones(add)


def run(args: argparse.Namespace) -> int:
    """Pass sound on until it is interrupted; return the exit code."""
    sd = _sounddevice()
    try:
        if args.list_devices:
            print(sd.query_devices() or _NO_DEVICES)
            return OK
        if not sd.query_devices():
            raise NmfaudioError(f"{_NO_DEVICES} For recordings there is: denoise FILE")
        sr = args.rate or sd.query_devices(args.output, "output")["default_samplerate"]
        passing = Passing(
            StreamingDenoiser(
                args.dictionary,
                sr=sr,
                n_channels=args.channels,
                noise=args.noise,
                attenuation_limit_db=args.attenuation_limit_db,
                strength=1.0 if args.strength is None else args.strength,
                keep_tones=args.keep_tones,
            )
        )
        devices = sd.Stream(
            samplerate=sr,
            channels=args.channels,
            device=(args.input, args.output),
            dtype="float32",
            latency="low",
            callback=passing,
        )
        try:
            with devices:
                late_s = passing.denoiser.latency / sr + sum(devices.latency)
                say(f"{sr:g} Hz, {1000 * late_s:.0f} ms behind; Ctrl-C ends")
                while devices.active:
                    sd.sleep(100)
        except KeyboardInterrupt:
            if passing.n_gaps:
                say(f"{passing.n_gaps} times the sound had a gap: try --rate 16000, or -d speech-causal-fast")
            return OK
        raise NmfaudioError("the sound device has stopped")
    except NmfaudioError:
        raise
    except (sd.PortAudioError, ValueError) as error:  # the latter for a name that no device has, or several
        raise NmfaudioError(
            f"no sound device as asked for ({error}): nmfaudio live --list-devices names those here"
        ) from error


class Passing:
    """Callback of a sound device: takes each block of the microphone, and gives one to play.

    Parameters
    ----------
    denoiser : StreamingDenoiser

    Attributes
    ----------
    n_gaps : int
        Blocks before which sound was lost, because it was not taken or given in time.
    """

    def __init__(self, denoiser: StreamingDenoiser) -> None:
        self.denoiser = denoiser
        self.n_gaps = 0

    def __call__(self, recorded: np.ndarray, played: np.ndarray, frames: int, time: Any, status: Any) -> None:
        """Fill `played` for `recorded`, both of shape (frames, channels)."""
        self.n_gaps += bool(status)
        played[:] = self.denoiser.process(np.nan_to_num(recorded.T, posinf=0, neginf=0)).T


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise NmfaudioError("sounddevice is not installed: pip install 'nmfaudio[live]'") from None
    except OSError as error:  # its library
        raise NmfaudioError(f"{error}: install PortAudio (Debian, Ubuntu: apt install libportaudio2)") from None
    return sounddevice


def _device(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
