"""`nmfaudio dictionaries`: list the shipped dictionaries, describe, verify and export one."""

import argparse
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..dictionary import Dictionary, available, model_card
from ..errors import DictionaryError
from ..files import check_output, replacing
from .console import OK, printable

PURPOSES = {
    "speech": "files (the default): the best quality, looks 4 to 6 s ahead",
    "speech-fast": "files: three times as fast, less good",
    "speech-causal": "live sound: 32 ms late (default of live, --causal)",
    "speech-causal-fast": "live sound on slow machines, less good",
    "songs": "songs into vocals, drums, bass, other (default of separate)",
    "drums": "drums into kick, snare and cymbals (separate --drums)",
    "speech-sparse": "repair --band (its default); separate --source; to study",
}
"""Purpose of each shipped dictionary; others say it in the `description` of their record."""

_WIDTH = 80
_MOST_LINES = 4  # of a list of names
_LICENCE = re.compile(
    r"CC0|CC BY(?:-SA)?(?: \d\.\d)?|[AL]?GPL(?:-\d\.?\d?\+?)?|GFDL|Apache \d\.\d|MIT|BSD|"
    r"public domain|Pixabay Content License|Free Art License|free for commercial use"
)
_DETAILS = ("objective", "stages", "command", "history", "folders")  # of the record, for the model card alone


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    parser = subparsers.add_parser(
        "dictionaries",
        description="List, describe, verify and export dictionaries.",
        examples=["nmfaudio dictionaries list", "nmfaudio dictionaries info speech"],
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    _add(actions, "list", "say what each shipped dictionary is for", "list", "list > dictionaries.txt")
    info = _add(actions, "info", "describe a dictionary", "info speech", "info --card mine.npz > mine.md")
    info.add_argument("dictionary", metavar="NAME", help="dictionary, by name or path")
    info.add_argument("--card", action="store_true", help="print the whole model card, in Markdown")
    verify = _add(actions, "verify", "check that a dictionary is whole", "verify speech", "verify mine.npz")
    verify.add_argument("dictionary", metavar="NAME", help="dictionary, by name or path")
    export = _add(
        actions, "export", "copy a shipped dictionary to a file", "export speech .", "export speech-sparse my/start.npz"
    )
    export.add_argument("dictionary", metavar="NAME", help="shipped dictionary")
    export.add_argument("output", type=Path, metavar="OUTPUT", help="file or folder to write")
    export.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def _add(actions: Any, name: str, summary: str, *examples: str) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}."
    lines = [f"nmfaudio dictionaries {line}" for line in examples]
    parser: argparse.ArgumentParser = actions.add_parser(name, help=summary, description=description, examples=lines)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    if args.action == "list":
        for name in sorted(available(), key=lambda name: list(PURPOSES).index(name) if name in PURPOSES else 99):
            print(f"{name:18}  {_purpose(Dictionary.load(name))}".rstrip())
    elif args.action == "info":
        dictionary = Dictionary.load(args.dictionary)
        print(model_card(dictionary) if args.card else "\n".join(_described(dictionary)))
    elif args.action == "verify":
        dictionary = Dictionary.load(args.dictionary)
        print(f"{args.dictionary}: whole and unchanged since it was made")
        print(f"sha256 {dictionary.sha256}")
    else:
        print(_export(args.dictionary, args.output, args.overwrite))
    return OK


def _export(name: str, output: Path, overwrite: bool) -> Path:
    Dictionary.load(name)  # names what is wrong with it
    source = available().get(name, Path(name))
    if output.is_dir():
        output = output / source.name
    if not output.suffix:
        raise DictionaryError(f"{output}: no such folder: make it first, or give {output}.npz")
    if output.suffix != ".npz":
        raise DictionaryError(f"{output}: a dictionary's file name must end in .npz")
    check_output(output, overwrite=overwrite, inputs=[source])
    with replacing(output, overwrite=overwrite) as temporary:
        shutil.copyfile(source, temporary)
    return output


def _purpose(dictionary: Dictionary) -> str:
    return PURPOSES.get(dictionary.name) or str(dictionary.record.get("description", ""))


def _described(dictionary: Dictionary) -> Iterator[str]:
    """Lines that describe a dictionary, none longer than 80 characters, what most people want first."""
    yield from _entry(dictionary.name, _purpose(dictionary) or f"a dictionary of kind {dictionary.kind}", "")
    record = dict(dictionary.record)
    n_values = sum(array.size for array in dictionary.arrays.values())
    megabytes = sum(array.nbytes for array in dictionary.arrays.values()) / 1e6
    note = {"note": record.pop("note")} if "note" in record else {}
    facts = {
        "latency": _latency(dictionary),
        "scores": record.pop("scores", None),
        "size": f"{n_values / 1e6:.2f} million values in {len(dictionary.arrays)} arrays, {megabytes:.1f} MB of memory",
        "licences": ", ".join(_licences(dictionary.record)),
        "kind": dictionary.kind,
        **record,
        "sha256": dictionary.sha256,
        **note,
    }
    for key, value in facts.items():
        if value not in (None, ""):
            yield from _entry(key, value, "  ")
    yield "  --card prints all of its record"


def _latency(dictionary: Dictionary) -> str:
    from ..denoising.decomposition import decomposition_for

    if dictionary.kind not in ("sparse", "unfolded"):
        return ""
    if dictionary.kind == "sparse" or decomposition_for(dictionary).future_frames:
        return "for files alone, since it looks ahead"
    return f"{1e3 * dictionary.front_end.window_s:.0f} ms, in streams"


def _licences(record: Any) -> list[str]:
    """Names of licences in a record, in the order of the alphabet."""
    found = set(_LICENCE.findall(str(record).replace("CC-BY", "CC BY").replace("-SA-", "-SA ")))
    return sorted(name for name in found if not any(other.startswith(f"{name} ") for other in found))


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    if key in _DETAILS:
        return
    if isinstance(value, dict):
        yield f"{indent}{printable(key)}:"
        for name, entry in value.items():
            yield from _entry(name, entry, indent + "  ")
        return
    most = 1000
    if isinstance(value, list):
        plain = not any(isinstance(entry, (dict, list)) for entry in value)
        value, most = (", ".join(map(str, value)), _MOST_LINES) if plain else (f"{len(value)} entries", 1)
    text = printable(f"{key}: {value}")
    further = indent + "  "
    lines = textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)
    yield from lines[:most]
    if len(lines) > most:
        yield f"{indent}  ..."
