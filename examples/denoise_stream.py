"""Clean sound in real time, ten milliseconds at a time: python examples/denoise_stream.py [NOISY [CLEANED]].

The file stands for a microphone. For a pipe use denoise_pcm.py, for a real microphone nmfaudio live.
"""

import sys
from pathlib import Path

import soundfile as sf

from nmfaudio import StreamingDenoiser

noisy = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("noisy_48k.ogg")
cleaned = sys.argv[2] if len(sys.argv) > 2 else "streamed.wav"

with sf.SoundFile(noisy) as microphone:
    sr, n_channels = microphone.samplerate, microphone.channels
    stream = StreamingDenoiser(sr=sr, n_channels=n_channels)
    with sf.SoundFile(cleaned, "w", sr, n_channels) as loudspeaker:
        for block in microphone.blocks(sr // 100, dtype="float32", always_2d=True):  # (samples, channels)
            loudspeaker.write(stream.process(block.T).T)
        loudspeaker.write(stream.flush().T)
print(f"{cleaned}: late by {1000 * stream.latency / sr:.0f} ms")
