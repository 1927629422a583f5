"""Clean raw samples in a pipe: 32-bit floats in, the same number out, 32 ms late.

ffmpeg -i noisy.wav -f f32le - | python examples/denoise_pcm.py 16000 1 | ffmpeg -f f32le -ar 16000 -ac 1 -i - out.wav
sox noisy.wav -t f32 - | python examples/denoise_pcm.py 16000 1 | sox -t f32 -r 16000 -c 1 - out.wav

The arguments are the sampling rate and the number of channels.
"""

import sys

import numpy as np

from nmfaudio import StreamingDenoiser

sr, n_channels = int(sys.argv[1]), int(sys.argv[2])
stream = StreamingDenoiser(sr=sr, n_channels=n_channels)
n_bytes = 4 * n_channels * (sr // 100)  # 10 ms at a time

late = stream.latency  # samples of output before the first of the recording; they are dropped
while block := sys.stdin.buffer.read(n_bytes):
    y = np.frombuffer(block, "<f4").reshape(-1, n_channels).T
    z = stream.process(y)[:, late:]
    late = max(0, late - y.shape[1])
    sys.stdout.buffer.write(z.T.tobytes())
    sys.stdout.buffer.flush()
rest = np.atleast_2d(stream.flush())[:, late:]
sys.stdout.buffer.write(rest.T.tobytes())
