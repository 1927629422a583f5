"""Clean raw samples in a pipe: 32-bit floats in, the same number out, 32 ms late.

ffmpeg -i noisy.wav -f f32le - | python examples/denoise_pcm.py 16000 1 | ffmpeg -f f32le -ar 16000 -ac 1 -i - out.wav
sox noisy.wav -t f32 - | python examples/denoise_pcm.py 16000 1 | sox -t f32 -r 16000 -c 1 - out.wav

The arguments are the sampling rate and the number of channels.
"""

import argparse
import signal
import sys

import numpy as np

from nmfaudio import NmfaudioError, StreamingDenoiser

parser = argparse.ArgumentParser(description="Clean samples of 32-bit float, from standard input to standard output.")
parser.add_argument("sr", type=int, metavar="RATE", help="sampling rate in Hz")
parser.add_argument("n_channels", type=int, metavar="CHANNELS", help="number of channels")
args = parser.parse_args()
if hasattr(signal, "SIGPIPE"):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end without a word when nobody reads any more

try:
    stream = StreamingDenoiser(sr=args.sr, n_channels=args.n_channels)
except NmfaudioError as error:
    parser.error(str(error))
n_bytes = 4 * args.n_channels * (args.sr // 100)  # 10 ms at a time

late = stream.latency  # samples of output before the first of the recording; they are dropped
while block := sys.stdin.buffer.read(n_bytes):
    whole = len(block) // (4 * args.n_channels) * args.n_channels  # the last samples may be cut
    y = np.frombuffer(block, "<f4", whole).reshape(-1, args.n_channels).T
    try:
        z = stream.process(y)[:, late:]
    except NmfaudioError as error:
        sys.exit(f"{parser.prog}: {error} (are these samples of 32-bit float, as of f32le?)")
    late = max(0, late - y.shape[1])
    sys.stdout.buffer.write(z.T.tobytes())
    sys.stdout.buffer.flush()
rest = np.atleast_2d(stream.flush())[:, late:]
sys.stdout.buffer.write(rest.T.tobytes())
