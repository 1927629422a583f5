"""Write the page of a sound file."""

from __future__ import annotations

import os
from pathlib import Path

from .. import audio
from ..arguments import check_part, check_path, checked
from ..denoising.denoiser import Denoiser
from ..errors import AudioError
from ..files import check_output, replacing
from .page import page, seconds_shown


@checked
def report_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    denoiser: Denoiser | None = None,
    *,
    command: str = "",
    start_s: float | None = None,
    stop_s: float | None = None,
    overwrite: bool = False,
) -> None:
    """Write a page to hear and see what a denoiser does to a sound file.

    Parameters
    ----------
    source, target : path
        Sound file to read, and HTML file to write.
    denoiser : Denoiser, optional
        ``Denoiser()`` unless given.
    command : str
        Command to show on the page.
    start_s, stop_s : float, optional
        Part to show, in seconds; of a long one the page holds the first minutes.
    overwrite : bool
        Replace a page that exists.

    Raises
    ------
    NmfaudioError
        If the file cannot be read, or has no sound there; if the page cannot be written, or exists already.

    Examples
    --------
    >>> import nmfaudio
    >>> def show(recording):
    ...     nmfaudio.report.report_file(recording, "page.html", start_s=10, stop_s=40, overwrite=True)
    """
    for path in (source, target):
        check_path(path)
    check_part(start_s, stop_s)
    check_output(target, overwrite=overwrite, inputs=[source])
    header = audio.info(source)
    start_s = start_s or 0.0
    end_s = header.duration_s if stop_s is None else min(stop_s, header.duration_s)
    stop_s = min(end_s, start_s + seconds_shown(header.sr, header.channels))
    if stop_s <= start_s:
        raise AudioError(f"{source}: has no sound {f'after {start_s:g} s' if start_s else 'in it'}")
    y, sr = audio.read(source, start_s=start_s, stop_s=stop_s)
    html = page(y, sr, denoiser, title=Path(source).name, command=command, start_s=start_s, whole_s=header.duration_s)
    with replacing(target, overwrite=overwrite) as temporary:
        temporary.write_bytes(html.encode("utf-8", "replace"))
