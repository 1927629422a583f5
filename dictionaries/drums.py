"""Make the dictionary `drums`, of kick, snare (and toms) and cymbals, from the recorded kits of Hydrogen.

    apt-get install hydrogen-drumkits
    python drums.py -o drums.npz [--without KIT...]

Each instrument of a kit is a drum by its name; all its layers, played softly and loudly, are its recording.
"""

import argparse
import re
import shlex
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np

from nmfaudio import audio
from nmfaudio.dictionary import Dictionary, model_card
from nmfaudio.files import replacing
from nmfaudio.training.source import train_dictionary

KITS = Path("/usr/share/hydrogen/data/drumkits")
NAMES = {
    "kick": r"kick|bass ?drum|\bbd\b",
    "snare": r"snare|\bsd\b|clap|rim|stick|tom",
    "cymbals": r"hat|hh|ride|crash|cymbal|splash|china|bell",
}
SR, SECONDS = 44_100, 1.5
ATOMS, TAPS, WINDOW_S = 10, 6, 0.064


def main() -> None:
    """Train the dictionary and write it with its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.npz")
    parser.add_argument("--without", nargs="*", default=[], metavar="KIT", help="kits to leave out, to judge by")
    args = parser.parse_args()
    kits = [kit for kit in sorted(KITS.iterdir()) if kit.name not in args.without and (kit / "drumkit.xml").exists()]
    trained = {}
    for name in NAMES:
        recordings = [y for kit in kits for y in strokes(kit, name)]
        print(name, len(recordings), flush=True)
        trained[name] = train_dictionary(
            name, recordings, SR, n_components=ATOMS, n_taps=TAPS, penalty=0.5, window_s=WINDOW_S
        )
    dictionary = Dictionary(
        "sources",
        {name: one.arrays[name] for name, one in trained.items()},
        trained["kick"].front_end,
        record={
            "note": "Trained on the single strokes of the kits of Debian's hydrogen-drumkits (GPL-2+, CC BY 3.0, "
            "CC BY-SA 3.0 or CC0, see its copyright file). The dictionary contains no recording.",
            "command": shlex.join(["python", "dictionaries/drums.py", *sys.argv[1:]]),
            "kits": [kit.name for kit in kits],
        },
    )
    dictionary.save(args.output, compact=True)
    with replacing(args.output.with_suffix(".md")) as temporary:
        temporary.write_text(model_card(replace(Dictionary.load(args.output), name=args.output.stem)) + "\n")


def strokes(kit: Path, name: str) -> list[np.ndarray]:
    """Recordings of a drum in a kit, of one channel each."""
    found = []
    for instrument in ET.parse(kit / "drumkit.xml").iter():
        if instrument.tag.rpartition("}")[2] != "instrument":
            continue
        texts = {"name": "", "filename": []}
        for element in instrument.iter():
            tag = element.tag.rpartition("}")[2]
            if tag == "name" and not texts["name"]:
                texts["name"] = element.text or ""
            elif tag == "filename":
                texts["filename"].append(element.text or "")
        drums = [drum for drum, pattern in NAMES.items() if re.search(pattern, texts["name"], re.IGNORECASE)]
        if drums[:1] == [name]:
            found += [kit / file for file in dict.fromkeys(texts["filename"]) if (kit / file).is_file()]
    recordings = []
    for path in found[:: max(1, len(found) // 12)]:
        y, sr = audio.read(path)
        y = audio.resample(np.atleast_2d(y).mean(axis=0), sr, SR)[: int(SECONDS * SR)]
        if np.abs(y).max(initial=0) > 1e-3:
            recordings.append(y.astype(np.float32))
    return recordings


if __name__ == "__main__":
    main()
