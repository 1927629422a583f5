"""Clean all recordings of a folder: python examples/denoise_folder.py [FOLDER [CLEANED]].

Formats, rates, channels and tags are kept. Files that exist already are skipped.
"""

import sys
from pathlib import Path

from nmfaudio import Denoiser, NmfaudioError, audio
from nmfaudio.denoising.files import process_file

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
cleaned = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("cleaned")

cleaned.mkdir(exist_ok=True)
denoise = Denoiser()  # loaded once for all files
for path in sorted(folder.iterdir()):
    target = cleaned / path.name
    if path.suffix.lower() not in audio.SUFFIXES or target.exists():
        continue
    try:
        process_file(denoise, path, target)  # the target appears when it is complete
    except NmfaudioError as error:  # names the file; the loop goes on
        print(error, file=sys.stderr)
    else:
        print(target)
