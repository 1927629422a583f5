"""`nmfaudio dictionaries`: list the shipped dictionaries, describe, verify and export one."""

import argparse
import shutil
from pathlib import Path
from typing import Any

from ..dictionary import Dictionary, available, model_card
from ..files import check_output, replacing
from .console import OK


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    parser = subparsers.add_parser("dictionaries", description="List, describe, verify and export dictionaries.")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    actions.add_parser("list", help="names of the shipped dictionaries")
    info = actions.add_parser("info", help="print the model card of a dictionary")
    info.add_argument("dictionary", metavar="NAME|FILE")
    verify = actions.add_parser("verify", help="check that a dictionary's file is complete and unchanged")
    verify.add_argument("dictionary", metavar="FILE")
    export = actions.add_parser("export", help="copy a shipped dictionary to a file")
    export.add_argument("dictionary", metavar="NAME")
    export.add_argument("output", type=Path, metavar="OUT", help="file or folder to write")
    export.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    if args.action == "list":
        for name, path in available().items():
            description = Dictionary.load(path).record.get("description", "")
            print(f"{name:20} {path.stat().st_size / 1e6:6.2f} MB  {description}".rstrip())
    elif args.action == "info":
        print(model_card(Dictionary.load(args.dictionary)))
    elif args.action == "verify":
        dictionary = Dictionary.load(args.dictionary)
        print(f"{args.dictionary}: a valid dictionary of kind {dictionary.kind}, sha256 {dictionary.sha256}")
    else:
        print(_export(args.dictionary, args.output, args.overwrite))
    return OK


def _export(name: str, output: Path, overwrite: bool) -> Path:
    Dictionary.load(name)  # names what is wrong with it
    source = available().get(name, Path(name))
    if output.is_dir():
        output = output / source.name
    check_output(output, overwrite=overwrite, inputs=[source])
    with replacing(output, overwrite=overwrite) as temporary:
        shutil.copyfile(source, temporary)
    return output
