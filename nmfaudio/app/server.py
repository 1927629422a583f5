"""The app as a web server on this computer: addresses, and what answers there."""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..denoising.music import is_harmed
from ..denoising.presets import PRESETS
from ..errors import NmfaudioError
from ..report.numbers import numbers, sentence
from ..report.page import SCRIPTS, static
from .guard import App, Guard
from .preview import NotYet, Preview
from .recordings import Job, Recording, Recordings, gain_rule, settings_of

LARGEST_UPLOAD = 8 * 2**30
"""Bytes of a recording that is let in."""


def serve(port: int = 0, opened: Callable[[str], object] = lambda address: None) -> None:
    """Run the app until it is interrupted; all its files are in a temporary folder, which is deleted at the end.

    Parameters
    ----------
    port : int
        Port of 127.0.0.1; 0 for any that is free.
    opened : callable
        Called with the address once it answers.

    Raises
    ------
    NmfaudioError
        If the port is taken.
    """
    with socket.socket() as listening, TemporaryDirectory(prefix="nmfaudio-", ignore_cleanup_errors=True) as folder:
        try:
            listening.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise NmfaudioError(f"port {port}: cannot be used ({error}): give another with --port") from None
        listening.listen()
        port, token = listening.getsockname()[1], secrets.token_urlsafe(16)
        recordings = Recordings(Path(folder))
        config = uvicorn.Config(
            make_app(recordings, token, port),
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        opened(f"http://127.0.0.1:{port}/{token}/")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            recordings.close()


def make_app(recordings: Recordings, token: str, port: int) -> App:
    """Make the ASGI application that serves recordings to the page whose address has a token."""
    one = "/recordings/{name}"
    routes = [
        Route("/", _page),
        Route("/recordings", _list),
        Route("/recordings", _upload, methods=["POST"]),
        Route("/saved.zip", _zip),
        Route("/save", _save_all, methods=["POST"]),
        Route(one, _one),
        Route(one, _remove, methods=["DELETE"]),
        Route(f"{one}/clean", _clean, methods=["POST"]),
        Route(f"{one}/separate", _separate, methods=["POST"]),
        Route(f"{one}/save", _save, methods=["POST"]),
        Route(f"{one}/sound", _sound),
        Route(f"{one}/peaks", _peaks),
        Route(f"{one}/numbers", _numbers),
        Route(f"{one}/picture", _picture),
        Route(f"{one}/stems/sound", _stems_sound),
        Route(f"{one}/stems/peaks", _stems_peaks),
        Route(f"{one}/files/{{what}}", _file),
        Mount("/static", StaticFiles(packages=[("nmfaudio.report", "static"), ("nmfaudio.app", "static")])),
    ]
    faults: dict[Any, Any] = {HTTPException: _refused, Exception: _failed}
    for kind in (NmfaudioError, OSError, MemoryError, NotYet, KeyError, ValueError, ClientDisconnect):
        faults[kind] = _failed
    app = Starlette(routes=routes, exception_handlers=faults)
    app.state.recordings = recordings
    return Guard(app, token, port)


def _recordings(request: Request) -> Recordings:
    found: Recordings = request.app.state.recordings
    return found


def _recording(request: Request) -> Recording:
    try:
        return _recordings(request)[request.path_params["name"]]
    except KeyError:
        raise HTTPException(404, "there is no such recording any more: drop it again") from None


def _preview(request: Request) -> Preview:
    preview = _recording(request).preview
    if preview is None:
        raise HTTPException(409, "this recording is not cleaned yet")
    return preview


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def _failed(request: Request, error: Exception) -> Response:
    status, text = 500, _recordings(request).line(error)
    if isinstance(error, NotYet):
        status, text = 409, "not yet"
    elif isinstance(error, (NmfaudioError, OSError, MemoryError)):
        status = 422
    elif isinstance(error, KeyError):
        status, text = 400, f"{error.args[0]!r} is missing or unknown"
    elif isinstance(error, ValueError):
        status, text = 400, f"the request cannot be read ({error})"
    return JSONResponse({"error": text}, status)


def _page(request: Request) -> Response:
    page = resources.files(__package__).joinpath("static", "app.html").read_text(encoding="utf-8")
    scripts = "\n".join(f'<script src="static/{name}"></script>' for name in (*SCRIPTS, "mixer.js", "app.js"))
    return HTMLResponse(page.replace("{{listen}}", static("listen.html")).replace("{{scripts}}", scripts))


def _state(name: str, recording: Recording) -> dict[str, Any]:
    """Describe a recording as JSON."""
    version, heard, preview = recording.version, recording.heard, recording.preview  # the version is written last
    header = recording.header
    return {
        "id": name,
        "name": recording.path.name,
        "duration": preview.duration_s if preview else header.duration_s,
        "sr": header.sr,
        "channels": header.channels,
        "played": min(header.channels, 2) if header.channels <= 2 else 1,
        "format": header.format,
        "saved_as": recording.saved_as.format,
        "reason": recording.reason,
        "version": version,
        "cleaned": preview.part_done if preview else 0,
        "settings": asdict(heard.settings),
        "repairs": heard.repairs,
        "stems": recording.stems.names if recording.stems else None,
        "jobs": {kind: _told(job) for kind, job in recording.jobs.items()},
        "files": {what: path.name for what, path in recording.files.items()},
    }


def _told(job: Job) -> dict[str, Any]:
    """Describe work as JSON."""
    part, done, error = job.part, job.done, job.error  # an error is there before the work is done
    return {"part": part, "done": done, "error": error, "settings": asdict(job.wish) if job.kind == "clean" else None}


def _list(request: Request) -> Response:
    recordings = _recordings(request)
    return JSONResponse(
        {
            "ready": recordings.ready,
            "recordings": [_state(*item) for item in recordings.items()],
            "saving": _told(recordings.all_job) if recordings.all_job else None,
            "limit": recordings.limit_db,
            "presets": {name: {"purpose": preset.purpose, **preset.options} for name, preset in PRESETS.items()},
        }
    )


async def _upload(request: Request) -> Response:
    recordings = _recordings(request)
    size = int(request.headers.get("content-length", 0))
    if size > LARGEST_UPLOAD:
        raise HTTPException(413, f"too large: a recording may have {LARGEST_UPLOAD / 2**30:g} GB")
    if size > shutil.disk_usage(recordings.folder).free:
        raise HTTPException(507, f"no room for it in the folder for temporary files, {recordings.folder.parent}")
    path = recordings.place(request.query_params.get("name", "recording"))
    try:
        done = 0
        with path.open("wb") as file:
            async for chunk in request.stream():
                done += len(chunk)
                if done > LARGEST_UPLOAD:
                    raise HTTPException(413, f"too large: a recording may have {LARGEST_UPLOAD / 2**30:g} GB")
                file.write(chunk)
        name = await run_in_threadpool(recordings.add, path)
    except (HTTPException, ClientDisconnect, NmfaudioError, OSError):
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    return JSONResponse(_state(name, recordings[name]), 201)


def _one(request: Request) -> Response:
    return JSONResponse(_state(request.path_params["name"], _recording(request)))


def _remove(request: Request) -> Response:
    _recording(request)
    _recordings(request).remove(request.path_params["name"])
    return JSONResponse({})


async def _clean(request: Request) -> Response:
    _recording(request)
    _recordings(request).clean(request.path_params["name"], settings_of(await request.json()))
    return JSONResponse({}, 202)


async def _separate(request: Request) -> Response:
    _recording(request)
    _recordings(request).separate(request.path_params["name"])
    return JSONResponse({}, 202)


async def _save(request: Request) -> Response:
    recording, wish = _recording(request), await request.json()
    what, settings, options = str(wish["what"]), settings_of(wish["settings"]), dict(wish["options"])
    stems = ("mix", *recording.stems.names) if recording.stems else ()
    if what not in ("cleaned", "removed", "report", *stems):
        raise HTTPException(404, f"{what!r} cannot be saved")
    _recordings(request).save(request.path_params["name"], what, settings, options)
    return JSONResponse({}, 202)


async def _save_all(request: Request) -> Response:
    wishes = dict(await request.json())
    _recordings(request).save_all(
        {name: (settings_of(wish["settings"]), wish["options"]) for name, wish in wishes.items()}
    )
    return JSONResponse({}, 202)


def _zip(request: Request) -> Response:
    job, path = _recordings(request).all_job, _recordings(request).zip_path
    if job is None or not job.done or job.error:
        raise HTTPException(409, "there is nothing saved yet")
    return FileResponse(path, filename="cleaned.zip")


def _file(request: Request) -> Response:
    path = _recording(request).files.get(request.path_params["what"])
    if path is None:
        raise HTTPException(404, "that file is not saved yet")
    return FileResponse(path, filename=path.name)


def _part(request: Request) -> tuple[float, float]:
    start_s, stop_s = (float(request.query_params[name]) for name in ("start", "stop"))
    if not 0 <= start_s < stop_s <= start_s + 60:
        raise HTTPException(400, "give a part of up to a minute, from start to stop in seconds")
    return start_s, stop_s


def _samples(y: np.ndarray) -> Response:
    return Response(np.ascontiguousarray(y, "<f4").tobytes(), media_type="application/octet-stream")


def _sound(request: Request) -> Response:
    return _samples(_preview(request).sound(*_part(request), gain_rule(request.query_params)))


def _peaks(request: Request) -> Response:
    return _samples(_preview(request).peaks(gain_rule(request.query_params)))


def _numbers(request: Request) -> Response:
    preview, rule = _preview(request), gain_rule(request.query_params)
    if not preview.frames:
        return JSONResponse({"sentence": "", "numbers": {}, "loudness": {}})
    facts, loudness = preview.measure(rule)
    before, after = loudness["before"], loudness["after"]
    text = sentence(facts, rule)
    lowered_db = None if before is None or after is None else before - after
    if is_harmed(preview.music_share, lowered_db):
        text = "This is mostly music, which is taken for noise here: see Stems, or take the preset Gentle."
    return JSONResponse({"sentence": text, "numbers": numbers(facts), "loudness": loudness})


def _picture(request: Request) -> Response:
    values, preview = request.query_params, _preview(request)
    start_s, stop_s, columns = float(values["start"]), float(values["stop"]), int(values["columns"])
    if not (0 <= start_s < stop_s <= preview.duration_s + 1 and 1 <= columns <= 8000):
        raise HTTPException(400, "give start and stop in seconds, and 1 to 8000 columns")
    return Response(
        preview.picture(values["track"], start_s, stop_s, columns, gain_rule(values)), media_type="image/png"
    )


def _stems(request: Request) -> Any:
    stems = _recording(request).stems
    if stems is None:
        raise HTTPException(409, "this recording is not separated yet")
    return stems


def _stems_sound(request: Request) -> Response:
    return _samples(_stems(request).sound(*_part(request)))


def _stems_peaks(request: Request) -> Response:
    return _samples(_stems(request).peaks())
