import asyncio
import errno
import io
import socket
import subprocess
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import anyio.from_thread
import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from nmfaudio import NmfaudioError, denoise_file
from nmfaudio.app import recordings as recordings_module
from nmfaudio.app import serve, server
from nmfaudio.app.preview import Preview
from nmfaudio.app.recordings import Job, Recording, Recordings, Settings
from nmfaudio.audio import ffmpeg
from nmfaudio.cli import main as nmfaudio_command
from nmfaudio.dictionary import Dictionary
from nmfaudio.repair import repair_file
from nmfaudio.spectra.front_end import FrontEnd

SR, PORT, TOKEN = 16000, 8765, "secret"
PLAIN = {"noise": None, "damage": [], "channels": "linked"}
AS_IT_IS = {"strength": 1.0, "attenuation_limit_db": 40.0}


def atoms_of_bins():
    """A dictionary of single bins: speech below 4 kHz, noise above, and nothing learnt from the recording."""
    bins = np.eye(257, dtype=np.float32)
    settings = {"n_free": 0, "speech_penalty": 0.0, "noise_penalty": 0.0, "n_iter": 2}
    return Dictionary("sparse", {"speech": bins[:, :128], "noise": bins[:, 128:]}, FrontEnd(), settings, {}, "bins")


def sound(seconds=2.0, sr=SR, channels=1):
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * sr)) / sr
    voice = 0.2 * np.sin(2 * np.pi * 700 * t) * (np.sin(2 * np.pi * 2 * t) > 0)
    return np.stack([voice + 0.02 * rng.standard_normal(len(t)) for _ in range(channels)], axis=1)


def as_file(y, sr=SR, format="WAV", subtype="FLOAT"):
    file = io.BytesIO()
    sf.write(file, y, sr, format=format, subtype=subtype)
    return file.getvalue()


class App:
    """The app, and a page that talks to it."""

    def __init__(self, folder):
        self.folder = folder
        self.recordings = Recordings(folder, atoms_of_bins())
        self.asgi = server.make_app(self.recordings, TOKEN, PORT)
        self.client = TestClient(self.asgi, base_url=f"http://127.0.0.1:{PORT}/{TOKEN}/")

    def add(self, name="talk.wav", content=None):
        answer = self.client.post("recordings", params={"name": name}, content=content or as_file(sound()))
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def wait(self, id, kind):
        for _ in range(1200):
            job = self.client.get(f"recordings/{id}").json()["jobs"][kind]
            if job["done"]:
                return job
            time.sleep(0.05)
        raise AssertionError(f"{kind} goes on and on")

    def save_all(self, wishes):
        assert self.client.post("save", json=wishes).status_code == 202
        for _ in range(1200):
            job = self.client.get("recordings").json()["saving"]
            if job["done"]:
                return job
            time.sleep(0.05)
        raise AssertionError("goes on and on")

    def do(self, id, path, kind, **values):
        assert self.client.post(f"recordings/{id}/{path}", json=values).status_code == 202
        job = self.wait(id, kind)
        assert job["error"] is None
        return self.client.get(f"recordings/{id}").json()

    def clean(self, id, **settings):
        return self.do(id, "clean", "clean", **{**PLAIN, **settings})

    def save(self, id, what="cleaned", settings=PLAIN, options=AS_IT_IS):
        self.do(id, "save", f"save {what}", what=what, settings=settings, options=options)
        answer = self.client.get(f"recordings/{id}/files/{what}")
        assert answer.status_code == 200
        return answer

    def heard(self, id, start=0.0, stop=2.0, channels=1, options=AS_IT_IS):
        answer = self.client.get(f"recordings/{id}/sound", params={"start": start, "stop": stop, **options})
        assert answer.status_code == 200, answer.text
        return np.frombuffer(answer.content, "<f4").reshape(2, channels, -1)


@pytest.fixture
def app(tmp_path):
    app = App(tmp_path)
    yield app
    app.recordings.close()


def samples(answer):
    return sf.read(io.BytesIO(answer.content), always_2d=True)


def error_of(answer):
    error = answer.json()["error"]
    assert "\n" not in error and "/tmp" not in error
    return error


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        (f"/{TOKEN}/", {}, 200),
        (f"/{TOKEN}/", {"origin": f"http://127.0.0.1:{PORT}", "sec-fetch-site": "same-origin"}, 200),
        ("/", {}, 404),
        ("/guess/", {}, 404),
        (f"/{TOKEN}x/", {}, 404),
        (f"//{TOKEN}/", {}, 404),
        (f"/{TOKEN}/", {"host": "evil.example"}, 403),
        (f"/{TOKEN}/", {"host": "127.0.0.1"}, 403),
        (f"/{TOKEN}/", {"origin": "http://evil.example"}, 403),
        (f"/{TOKEN}/", {"origin": "null"}, 403),
        (f"/{TOKEN}/", {"origin": "http://127.0.0.1:1"}, 403),
        (f"/{TOKEN}/", {"sec-fetch-site": "cross-site"}, 403),
        (f"/{TOKEN}/recordings", {"host": f"evil.example:{PORT}"}, 403),
    ],
)
def test_only_its_own_page_is_let_in(app, address, headers, status):
    answer = app.client.get(f"http://127.0.0.1:{PORT}{address}", headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert TOKEN not in answer.text
        assert app.client.post(f"http://127.0.0.1:{PORT}{address}", headers=headers).status_code == status
        assert "access-control-allow-origin" not in answer.headers


def test_the_page_may_fetch_nothing_from_elsewhere_and_is_not_kept(app):
    answer = app.client.get("")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    for script in ("wavesurfer.min.js", "app.js", "listen.css", "wavesurfer.LICENSE.txt"):
        assert app.client.get(f"static/{script}").status_code == 200


@pytest.mark.parametrize(
    "path", ["static/../server.py", "static/..%2fserver.py", "static/%2e%2e/%2e%2e/__init__.py", "static//etc/passwd"]
)
def test_no_other_files_are_served(app, path):
    assert app.client.get(path).status_code == 404
    assert app.client.get(f"recordings/{path}").status_code == 404


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../../talk.wav", "talk.wav"),
        ("C:\\sounds\\talk.wav", "talk.wav"),
        ("..", "recording"),
        ("", "recording"),
        ("a\nb\0c<d>.wav", "a_b_c_d_.wav"),
        ("Grüße (1).wav", "Grüße (1).wav"),
        (".hidden.wav", "hidden.wav"),
        ("-rf.wav", "rf.wav"),
        ("x" * 400 + ".wav", "x" * 116 + ".wav"),
        ("歌" * 100 + ".wav", "歌" * 38 + ".wav"),
    ],
)
def test_names_of_recordings_lead_nowhere(app, name, safe):
    id = app.add(name)
    assert app.client.get(f"recordings/{id}").json()["name"] == safe
    assert app.recordings[id].path == app.folder / id / safe


def test_too_large_a_recording_is_refused(app, monkeypatch):
    monkeypatch.setattr(server, "LARGEST_UPLOAD", 1000)
    whole = app.client.post("recordings?name=a.wav", content=bytes(1001))
    streamed = app.client.post("recordings?name=a.wav", content=iter([bytes(600)] * 2))
    for answer in (whole, streamed):
        assert answer.status_code == 413
        assert "too large" in error_of(answer)
    assert not list(app.folder.iterdir())


def test_an_upload_that_breaks_off_leaves_nothing_and_is_no_fault(app):
    messages = [{"type": "http.request", "body": b"RIFF", "more_body": True}, {"type": "http.disconnect"}]
    headers = [(b"host", f"127.0.0.1:{PORT}".encode())]
    scope = {"type": "http", "method": "POST", "path": f"/{TOKEN}/recordings", "query_string": b"", "headers": headers}

    async def receive():
        return messages.pop(0)

    async def send(message):
        pass

    asyncio.run(app.asgi(scope, receive, send))
    assert not messages and not list(app.folder.iterdir())


def test_a_recording_for_which_there_is_no_room_is_refused(app, monkeypatch):
    monkeypatch.setattr(server.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    answer = app.client.post("recordings?name=a.wav", content=as_file(sound()))
    assert answer.status_code == 507
    assert not list(app.folder.iterdir())
    monkeypatch.undo()
    id = app.add()
    monkeypatch.setattr(server.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    app.client.post(f"recordings/{id}/clean", json=PLAIN)
    assert "talk.wav: needs 0.0 GB for temporary files" in app.wait(id, "clean")["error"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"no sound at all", "notes.txt"),
        ("empty.wav", b"", "empty.wav"),
        ("silent.wav", as_file(np.zeros(0)), "silent.wav: has no sound in it"),
    ],
    ids=["text", "empty", "silent"],  # the sound has its time in it, and a test's name must not
)
def test_what_is_no_sound_is_refused_in_one_line(app, name, content, words):
    answer = app.client.post("recordings", params={"name": name}, content=content)
    assert answer.status_code == 422
    assert words in error_of(answer) and str(app.folder) not in answer.text
    assert not list(app.folder.iterdir())


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("recordings/unknown", 404, "no such recording"),
        ("recordings/unknown/sound", 404, "no such recording"),
        ("recordings/{id}/peaks", 409, "not cleaned yet"),
        ("recordings/{id}/stems/sound?start=0&stop=1", 409, "not separated yet"),
        ("recordings/{id}/files/cleaned", 404, "not saved yet"),
        ("recordings/{id}/files/..%2ftalk.wav", 404, ""),
        ("saved.zip", 409, "nothing saved yet"),
    ],
)
def test_errors_are_one_line(app, path, status, words):
    answer = app.client.get(path.replace("{id}", app.add()))
    assert answer.status_code == status
    assert words in error_of(answer)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("sound?start=0&stop=1", 422, "strength"),
        ("sound?start=0&stop=1&strength=99&attenuation_limit_db=3", 422, "strength must be"),
        ("sound?start=0&stop=1&strength=nan&attenuation_limit_db=3", 422, "strength must be"),
        ("sound?start=1&stop=0&strength=1&attenuation_limit_db=3", 400, "a part"),
        ("sound?start=0&stop=999&strength=1&attenuation_limit_db=3", 400, "a part"),
        ("sound?start=x&stop=1&strength=1&attenuation_limit_db=3", 400, "cannot be read"),
        ("sound?stop=1&strength=1&attenuation_limit_db=3", 400, "start"),
        ("picture?track=after&start=0&stop=1&columns=999999&strength=1&attenuation_limit_db=3", 400, "columns"),
    ],
)
def test_questions_that_make_no_sense_are_refused(app, path, status, words):
    id = app.add()
    app.clean(id)
    answer = app.client.get(f"recordings/{id}/{path}")
    assert answer.status_code == status
    assert words in error_of(answer)


@pytest.mark.parametrize(
    ("values", "words"), [({"noise": [3, 5]}, "3"), ({"damage": ["rust"]}, "rust"), ({"channels": "odd"}, "odd")]
)
def test_settings_that_cannot_be_used_are_told(app, values, words):
    id = app.add()
    assert app.client.post(f"recordings/{id}/clean", json={**PLAIN, **values}).status_code == 202
    error = app.wait(id, "clean")["error"]
    assert words in error and str(app.folder) not in error and "\n" not in error


@pytest.mark.parametrize("settings", [[], "x", {"noise": 3}, {"noise": ["a", "b"]}, {"damage": 5}])
def test_settings_of_another_kind_are_refused(app, settings):
    answer = app.client.post(f"recordings/{app.add()}/clean", json=settings)
    assert answer.status_code == 422 and "give settings" in error_of(answer)


@pytest.mark.parametrize("sr", [8000, 11025, 48000])
@pytest.mark.parametrize("options", [AS_IT_IS, {"strength": 0.6, "attenuation_limit_db": 12.0}])
def test_what_is_heard_is_what_is_saved(app, sr, options):
    id = app.add(content=as_file(sound(sr=sr, channels=2), sr))
    app.clean(id)
    saved, _ = samples(app.save(id, options=options))
    before, after = app.heard(id, channels=2, options=options)
    assert np.allclose(before.T, sound(sr=sr, channels=2), atol=1e-6)
    assert np.abs(after.T - saved).max() < 2e-3 * np.abs(saved).max()
    pieces = [app.heard(id, start, start + 0.25, 2, options)[1] for start in np.arange(0, 2, 0.25)]
    assert np.abs(np.concatenate(pieces, axis=1) - after).max() < 1e-6


def test_hum_is_heard_as_it_is_saved(app):
    t = np.arange(9 * SR) / SR
    hum = sound(9) + 0.05 * np.sin(2 * np.pi * 100 * t)[:, None]
    id = app.add(content=as_file(hum))
    app.clean(id)
    options = {"strength": 0.8, "attenuation_limit_db": 20.0}
    saved, _ = samples(app.save(id, options=options))
    after = app.heard(id, stop=9, options=options)[1]
    assert np.abs(after.T - saved).max() < 2e-3 * np.abs(saved).max()


def test_saved_is_what_the_command_line_writes(app, tmp_path):
    content, settings = as_file(sound(), subtype="PCM_16"), {**PLAIN, "noise": [0.3, 0.8]}
    options = {"strength": 1.2, "attenuation_limit_db": 30.0}
    id = app.add("talk.wav", content)
    app.clean(id, noise=[0.3, 0.8])
    answer = app.save(id, settings=settings, options=options)
    (tmp_path / "in.wav").write_bytes(content)
    denoise_file(tmp_path / "in.wav", tmp_path / "out.wav", dictionary=atoms_of_bins(), noise=(0.3, 0.8), **options)
    assert answer.content == (tmp_path / "out.wav").read_bytes()
    assert 'filename="talk_cleaned.wav"' in answer.headers["content-disposition"]


def test_cleaned_and_removed_add_up(app):
    id = app.add()
    parts = [samples(app.save(id, what))[0] for what in ("cleaned", "removed")]
    assert np.allclose(sum(parts), sound(), atol=1e-6)


def test_repairs_come_first(app, tmp_path):
    y = np.clip(4 * sound(), -0.3, 0.3)
    id = app.add("loud.flac", as_file(y, format="FLAC", subtype="PCM_24"))
    state = app.clean(id, damage=["clipped"])
    assert "samples restored" in state["repairs"][0]
    settings = {**PLAIN, "damage": ["clipped"]}
    saved, _ = samples(app.save(id, settings=settings, options={**AS_IT_IS, "strength": 0.0}))
    (tmp_path / "in.flac").write_bytes(as_file(y, format="FLAC", subtype="PCM_24"))
    repair_file(tmp_path / "in.flac", tmp_path / "out.flac", damage=["clipped"])
    assert np.allclose(saved, sf.read(tmp_path / "out.flac", always_2d=True)[0], atol=1e-6)
    assert app.clean(id)["repairs"] == []


def test_too_short_a_noise_is_refused_before_anything_is_given_up_for_it(app, monkeypatch):
    monkeypatch.setattr(recordings_module, "repair_file", long_repair)
    id, other = app.add(), app.add()
    app.client.post(f"recordings/{other}/clean", json={**PLAIN, "damage": ["clicks"]})
    answer = app.client.post(f"recordings/{id}/clean", json={**PLAIN, "noise": [0, 0.1]})
    assert answer.status_code == 422
    assert error_of(answer).startswith("talk.wav: noise of 0.1 s is too short")
    time.sleep(0.2)
    assert not app.client.get(f"recordings/{other}").json()["jobs"]["clean"]["done"]


def test_a_noise_that_cannot_be_learnt_leaves_no_repair_behind(app):
    id = app.add("loud.wav", as_file(np.clip(4 * sound(), -0.3, 0.3)))
    wrong = {**PLAIN, "damage": ["clipped"], "noise": [3, 5]}
    assert app.client.post(f"recordings/{id}/clean", json=wrong).status_code == 202
    assert "is over before" in app.wait(id, "clean")["error"]
    assert app.clean(id)["repairs"] == []


@pytest.mark.parametrize(
    ("other", "damage"),
    [(Settings(), ["clipped"]), (Settings(damage=("dropouts",)), ["clipped"]), (Settings(channels="linked"), [])],
)
def test_other_settings_of_what_is_saved_meanwhile_change_nothing_that_is_heard(app, monkeypatch, other, damage):
    loud = np.clip(4 * sound(channels=2), -0.3, 0.3)
    loud[:, 1] = loud[::-1, 1]  # linked and independent channels differ
    settings = {"channels": "independent", "damage": damage}
    alone, disturbed = (app.add("loud.wav", as_file(loud)) for _ in range(2))
    app.clean(alone, **settings)
    prepare = Recording._prepare

    def meanwhile(recording, settings, progress):
        prepared = prepare(recording, settings, progress)
        prepare(recording, other, progress)  # as the thread that saves does it
        return prepared

    monkeypatch.setattr(Recording, "_prepare", meanwhile)
    app.clean(disturbed, **settings)
    assert np.array_equal(app.heard(alone, channels=2), app.heard(disturbed, channels=2))


def test_settings_are_those_of_what_is_heard_whatever_is_saved(app):
    id = app.add(content=as_file(sound(channels=2)))
    app.clean(id, channels="independent")
    app.save(id, settings={**PLAIN, "damage": ["clicks"]})
    assert app.client.get(f"recordings/{id}").json()["settings"] == {**PLAIN, "channels": "independent"}


def test_a_repair_that_was_made_is_not_made_again(app, monkeypatch):
    id = app.add("loud.wav", as_file(np.clip(4 * sound(), -0.3, 0.3)))
    repairs = app.clean(id, damage=["clipped"])["repairs"]
    app.clean(id)
    monkeypatch.delattr(recordings_module, "repair_file")
    assert app.clean(id, damage=["clipped"])["repairs"] == repairs != []


@pytest.mark.parametrize("field", ["kind", "part", "error"])
def test_work_that_begins_and_fails_while_it_is_asked_for_is_told_as_it_was_or_is(app, field):
    recording = app.recordings[app.add()]

    class Meanwhile(Job):
        def __getattribute__(self, name):
            value = super().__getattribute__(name)
            if name == field and not super().__getattribute__("done"):
                self.error, self.done = "failed", True
                app.recordings.save(recording.path.parent.name, "cleaned", Settings(), AS_IT_IS)
            return value

    recording.jobs = {"separate": Meanwhile("separate")}
    job = app.client.get(f"recordings/{recording.path.parent.name}").json()["jobs"]["separate"]
    assert (job["done"], job["error"]) in [(False, None), (False, "failed"), (True, "failed")]


@pytest.mark.parametrize(
    ("name", "format", "subtype"),
    [
        ("a.mp3", "MP3", "MPEG_LAYER_III"),
        ("a.ogg", "OGG", "VORBIS"),
        ("a.aiff", "AIFF", "PCM_24"),
        ("a.w64", "W64", "FLOAT"),
        ("a.caf", "CAF", "ALAC_16"),
        ("a.rf64", "RF64", "PCM_16"),
        ("a.wav", "RF64", "PCM_16"),
    ],
)
def test_the_format_stays(app, name, format, subtype):
    id = app.add(name, as_file(sound(), format=format, subtype=subtype))
    assert app.client.get(f"recordings/{id}").json()["reason"] == ""
    for settings in (PLAIN, {**PLAIN, "damage": ["clipped"]}):
        answer = app.save(id, settings=settings)
        info = sf.info(io.BytesIO(answer.content))
        assert (info.format, info.subtype) == (format, subtype)
        assert name.replace(".", "_cleaned.") in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("name", "came_as", "saved_as", "reason"),
    [
        ("a.mp3", "WAV", "MP3", "its name ends in .mp3"),
        ("a.wav", "W64", "WAV", "its name ends in .wav"),
        ("a.rf64", "WAV", "RF64", "its name ends in .rf64"),
        ("large.wav", "WAV", "RF64", "WAV ends at 4 GB"),
    ],
)
def test_another_format_is_told_with_its_reason(app, monkeypatch, name, came_as, saved_as, reason):
    if name == "large.wav":
        monkeypatch.setattr("nmfaudio.audio.formats._LARGEST_WAV", 1000)
    id = app.add(name, as_file(sound(), format=came_as, subtype="PCM_16"))
    said = app.client.get(f"recordings/{id}").json()
    assert (said["saved_as"], said["reason"]) == (saved_as, reason)
    assert sf.info(io.BytesIO(app.save(id).content)).format == saved_as


@pytest.mark.skipif(not ffmpeg.installed(), reason="ffmpeg is not installed")
def test_a_format_that_can_only_be_read_is_saved_as_flac_as_is_said_and_repaired(app, tmp_path):
    command = ["ffmpeg", "-v", "error", "-f", "wav", "-i", "-", "-f", "nut", "-"]
    id = app.add("a.nut", subprocess.run(command, input=as_file(sound(), subtype="PCM_16"), capture_output=True).stdout)
    said = app.client.get(f"recordings/{id}").json()
    assert (said["format"], said["saved_as"]) == ("NUT", "FLAC")
    assert said["reason"] == "the format of the recording can only be read"
    for settings in (PLAIN, {**PLAIN, "damage": ["clipped"]}):
        answer = app.save(id, settings=settings)
        assert sf.info(io.BytesIO(answer.content)).format == "FLAC"
        assert "a_cleaned.flac" in answer.headers["content-disposition"]
    report = app.save(id, "report", settings={**PLAIN, "damage": ["clipped"]}).text
    assert "nmfaudio repair a.nut a_repaired.flac --clipped &amp;&amp; nmfaudio report a_repaired.flac" in report


def test_channels_independent_and_more_than_two(app):
    id = app.add(content=as_file(sound(channels=2)))
    app.clean(id, channels="independent")
    saved, _ = samples(app.save(id, settings={**PLAIN, "channels": "independent"}))
    assert np.abs(app.heard(id, channels=2)[1].T - saved).max() < 2e-3
    many = app.add("many.wav", as_file(sound(channels=4)))
    assert app.clean(many)["played"] == 1
    assert np.allclose(app.heard(many)[0][0], sound(channels=4).mean(axis=1), atol=1e-6)


def test_pictures_outlines_and_numbers_tell_what_changes(app):
    id = app.add()
    app.clean(id)
    found = app.client.get(f"recordings/{id}/numbers", params=AS_IT_IS).json()
    assert found["sentence"].startswith("The noise is ")
    assert len(found["numbers"]) == 4
    assert found["loudness"]["before"] == pytest.approx(-18.4, abs=1.5)  # a sine of -14 dBFS half of the time, gated
    assert found["loudness"]["after"] <= found["loudness"]["before"]
    peaks = np.frombuffer(app.client.get(f"recordings/{id}/peaks", params=AS_IT_IS).content, "<f4").reshape(3, -1)
    assert peaks[0].max() == pytest.approx(np.abs(sound()).max(), abs=1e-6)
    assert (peaks[1] <= peaks[0] + 1e-6).all()
    where = {"start": 0, "stop": 2, "columns": 80}
    pictures = [
        app.client.get(f"recordings/{id}/picture", params={**where, **AS_IT_IS, "track": track}).content
        for track in ("before", "after", "removed")
    ]
    assert len(set(pictures)) == 3 and all(picture.startswith(b"\x89PNG") for picture in pictures)
    nothing = app.client.get(f"recordings/{id}/numbers", params={**AS_IT_IS, "strength": 0}).json()
    assert nothing["sentence"] == "With these settings nothing is removed."


def test_music_is_told_where_much_of_it_is_taken(app):
    t = np.arange(6 * SR) / SR
    chords = sum(np.sin(2 * np.pi * hz * (1 + np.floor(2 * t) % 4 / 8) * t) for hz in (300, 380, 450, 610))
    hiss = np.diff(np.random.default_rng(0).standard_normal(len(t) + 4), 4)  # above 4 kHz, where all is noise
    id = app.add("song.wav", as_file(0.02 * chords + 0.02 * hiss))
    app.clean(id)

    def sentence(limit_db):
        options = {"strength": 1.0, "attenuation_limit_db": limit_db}
        return app.client.get(f"recordings/{id}/numbers", params=options).json()["sentence"]

    assert sentence(40.0).startswith("This is mostly music") and "Stems" in sentence(40.0)
    assert "music" not in sentence(1.0)


@pytest.mark.parametrize("y", [np.zeros((SR, 1)), 0.1 * np.ones((10, 1)), sound(0.02)], ids=["silence", "ten", "short"])
def test_recordings_of_next_to_nothing_work(app, y):
    id = app.add(content=as_file(y))
    app.clean(id)
    assert np.allclose(app.heard(id, stop=len(y) / SR)[0].T, y)
    assert app.client.get(f"recordings/{id}/numbers", params=AS_IT_IS).json()["sentence"]
    where = {"start": 0, "stop": 1, "columns": 80, "track": "after", **AS_IT_IS}
    assert app.client.get(f"recordings/{id}/picture", params={**where, "stop": len(y) / SR}).status_code == 200
    assert len(app.save(id).content)


def test_a_damaged_recording_is_told(app):
    content = as_file(sound(), format="FLAC", subtype="PCM_16")
    id = app.add("cut.flac", content[: len(content) // 2])
    app.client.post(f"recordings/{id}/clean", json=PLAIN)
    error = app.wait(id, "clean")["error"]
    assert "cut.flac" in error and str(app.folder) not in error
    answer = app.client.get(f"recordings/{id}/sound", params={"start": 1.5, "stop": 2, **AS_IT_IS})
    assert answer.status_code == 422 and "cut.flac: cannot be cleaned as far as 2.0 s" in error_of(answer)


def test_many_that_wait_for_sound_keep_the_app_from_nothing(app):
    id = app.add()
    recording, folder = app.recordings[id], app.folder / "masks"
    folder.mkdir()
    recording.preview = Preview(recording.path, recording._denoiser(recording.prepared), folder)  # that is not at work

    def wait():
        return app.client.get(f"recordings/{id}/sound", params={"start": 1, "stop": 2, **AS_IT_IS})

    with anyio.from_thread.start_blocking_portal() as app.client.portal, ThreadPoolExecutor(41) as pool:
        relief = threading.Timer(20, recording.preview.stop)
        relief.start()
        answers = [pool.submit(wait) for _ in range(41)]  # more than the server has threads
        began = time.monotonic()
        assert app.client.get("recordings").status_code == 200
        assert time.monotonic() - began < 15
        assert {answer.result().status_code for answer in answers} == {409}
        relief.cancel()
    app.client.portal = None


def test_all_are_saved_at_once_each_with_its_own_strength(app):
    a, b, c = (
        app.add("talk.wav"),
        app.add("talk.wav"),
        app.add("other.flac", as_file(sound(), format="FLAC", subtype="PCM_16")),
    )
    off = {"strength": 0.0, "attenuation_limit_db": 40.0}
    wishes = {a: {"settings": PLAIN, "options": off}, b: {"settings": PLAIN, "options": AS_IT_IS}}
    job = app.save_all({**wishes, c: wishes[b]})
    assert job["error"] is None and job["part"] == 1
    archive = zipfile.ZipFile(io.BytesIO(app.client.get("saved.zip").content))
    assert archive.namelist() == ["talk_cleaned.wav", "2 talk_cleaned.wav", "other_cleaned.flac"]
    first, second = (sf.read(io.BytesIO(archive.read(name)), always_2d=True)[0] for name in archive.namelist()[:2])
    assert np.allclose(first, sound(), atol=1e-6) and not np.allclose(second, sound(), atol=1e-3)


def test_a_recording_that_was_removed_is_missed_when_all_are_saved(app, monkeypatch):
    id = app.add("talk.wav")
    wish = {"settings": PLAIN, "options": AS_IT_IS}
    words = "one of the recordings was removed meanwhile: save the others again"
    assert app.save_all({id: wish, "gone": wish})["error"] == words
    save = recordings_module.Recording.save

    def removed(recording, *args):
        app.recordings.remove(id)
        return save(recording, *args)

    monkeypatch.setattr(recordings_module.Recording, "save", removed)
    assert app.save_all({id: wish})["error"] == words


def test_a_recording_may_have_the_name_of_a_folder_of_the_app(app):
    y, _ = samples(app.save(app.add("saved"), options={"strength": 0.0, "attenuation_limit_db": 0.0}))
    assert np.allclose(y, sound(), atol=1e-4)


def test_only_want_of_room_is_said_to_be_one(app):
    say = app.recordings.line
    assert say(OSError(errno.ENOSPC, "No space left")) == "No space left: make room in the folder for temporary files"
    lost = str(app.folder / "0a1b" / ".saved" / "talk_cleaned.wav")
    assert say(FileNotFoundError(errno.ENOENT, "No such file", lost)) == "talk_cleaned.wav: No such file"


def test_a_report_names_the_commands_that_do_the_same(app):
    id = app.add("my talk.wav")
    settings = {"noise": [0, 0.5], "damage": ["clipped", "dropouts"], "channels": "independent"}
    text = app.save(id, "report", settings=settings).text
    repair = "nmfaudio repair &#x27;my talk.wav&#x27; &#x27;my talk_repaired.wav&#x27; --clipped --dropouts &amp;&amp; "
    assert repair + "nmfaudio report &#x27;my talk_repaired.wav&#x27; --strength 1" in text
    assert "--noise 0-0.5 --channels independent" in text


def test_a_report_can_be_saved(app):
    id = app.add("my talk.wav")
    answer = app.save(id, "report")
    assert "<title>my talk.wav: before and after" in answer.text
    assert "nmfaudio report &#x27;my talk.wav&#x27; --strength 1 --attenuation-limit 40" in answer.text


def long_repair(*files, progress, **options):
    for _ in range(600):
        progress(0.0)
        time.sleep(0.05)
    raise AssertionError("was not stopped")


def test_a_long_repair_delays_no_mix_and_ends_with_the_app(app, monkeypatch):
    class Stems:
        names = ("vocals",)

        def write(self, target, like, levels):
            target.write_bytes(b"mix")

    monkeypatch.setattr(recordings_module, "repair_file", long_repair)
    id = app.add("song.wav")
    app.recordings[id].stems = Stems()
    settings = {**PLAIN, "damage": ["clicks"]}
    assert app.client.post(f"recordings/{id}/clean", json=settings).status_code == 202
    assert app.save(id, "mix", settings, {"vocals": 1.0}).content == b"mix"
    assert not app.client.get(f"recordings/{id}").json()["jobs"]["clean"]["done"]
    app.recordings.close()
    assert app.wait(id, "clean")["error"] == "stopped"


def test_only_the_last_recording_that_was_asked_for_is_cleaned(app, monkeypatch):
    monkeypatch.setattr(recordings_module, "repair_file", long_repair)
    repaired, waiting, last = (app.add(content=as_file(sound(0.5))) for _ in range(3))
    app.client.post(f"recordings/{repaired}/clean", json={**PLAIN, "damage": ["clicks"]})
    app.client.post(f"recordings/{waiting}/clean", json=PLAIN)
    app.clean(last)
    assert app.wait(repaired, "clean")["error"] == app.wait(waiting, "clean")["error"] == "stopped"


def test_stems_are_separated_once_however_often_they_are_asked_for(app, monkeypatch):
    made, go_on = [], threading.Event()

    class Stems:
        names = ("vocals",)

        def __init__(self, source, folder, progress):
            made.append(folder)
            go_on.wait(20)

    monkeypatch.setattr(recordings_module, "Stems", Stems)
    id = app.add("song.wav")
    for _ in range(2):
        assert app.client.post(f"recordings/{id}/separate").status_code == 202
    go_on.set()
    assert app.do(id, "separate", "separate")["stems"] == ["vocals"]
    app.save(id)  # by the thread that separates
    assert len(made) == 1


def held(monkeypatch, name):
    """Let work wait for an event; return it, and a list with an item for each time that the work is begun."""
    begun, go_on, work = [], threading.Event(), getattr(recordings_module, name)

    def wait(*args, **options):
        begun.append(args)
        go_on.wait(20)
        return work(*args, **options)

    monkeypatch.setattr(recordings_module, name, wait)
    return go_on, begun


def test_the_same_is_saved_once_however_often_it_is_asked_for(app, monkeypatch):
    go_on, begun = held(monkeypatch, "process_file")
    id, wish = app.add(), {"settings": PLAIN, "options": AS_IT_IS}
    for _ in range(2):
        assert app.client.post(f"recordings/{id}/save", json={"what": "cleaned", **wish}).status_code == 202
        assert app.client.post("save", json={id: wish}).status_code == 202
    go_on.set()
    app.save(id, "removed")
    assert len(begun) == 3


def test_other_options_are_saved_though_the_former_are_not_yet(app, monkeypatch):
    go_on, _ = held(monkeypatch, "process_file")
    id, off = app.add(), {"strength": 0.0, "attenuation_limit_db": 40.0}
    for options in (AS_IT_IS, off):
        app.client.post(f"recordings/{id}/save", json={"what": "cleaned", "settings": PLAIN, "options": options})
        app.client.post("save", json={id: {"settings": PLAIN, "options": options}})
    go_on.set()
    app.save(id, "removed")
    archive = zipfile.ZipFile(io.BytesIO(app.client.get("saved.zip").content))
    for file in (archive.read("talk_cleaned.wav"), app.client.get(f"recordings/{id}/files/cleaned").content):
        assert np.allclose(sf.read(io.BytesIO(file), always_2d=True)[0], sound(), atol=1e-6)


def test_a_cleaning_goes_on_when_it_is_asked_for_again(app, monkeypatch):
    go_on, begun = held(monkeypatch, "repair_file")
    id = app.add("loud.wav", as_file(np.clip(4 * sound(), -0.3, 0.3)))
    for _ in range(2):
        app.client.post(f"recordings/{id}/clean", json={**PLAIN, "damage": ["clipped"]})
    go_on.set()
    assert app.wait(id, "clean")["error"] is None
    assert len(begun) == 1


@pytest.mark.needs_jit
def test_stems_add_up_and_are_mixed(app):
    y = sound(1.0, channels=2)
    id = app.add("song.wav", as_file(y, subtype="PCM_16"))
    names = app.do(id, "separate", "separate")["stems"]
    assert len(names) >= 2
    answer = app.client.get(f"recordings/{id}/stems/sound", params={"start": 0, "stop": 1})
    stems = np.frombuffer(answer.content, "<f4").reshape(len(names), 2, -1)
    assert np.allclose(stems.sum(axis=0).T, y, atol=1e-3)
    peaks = np.frombuffer(app.client.get(f"recordings/{id}/stems/peaks").content, "<f4").reshape(len(names), -1)
    assert np.allclose(peaks.max(axis=1), np.abs(stems).max(axis=(1, 2)), atol=1e-6)
    levels = {name: i / 2 for i, name in enumerate(names)}
    mix, _ = samples(app.save(id, "mix", options=levels))
    assert np.allclose(mix.T, sum(levels[name] * stem for name, stem in zip(names, stems, strict=True)), atol=1e-4)
    one, _ = samples(app.save(id, names[0]))
    assert np.allclose(one.T, stems[0], atol=1e-4)
    assert (
        app.client.post(f"recordings/{id}/save", json={"what": "x", "settings": PLAIN, "options": {}}).status_code
        == 404
    )


def test_what_is_removed_is_deleted(app):
    id = app.add()
    app.clean(id)
    app.save(id)
    assert app.client.delete(f"recordings/{id}").status_code == 200
    assert not list(app.folder.iterdir())
    assert app.client.get(f"recordings/{id}").status_code == 404


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NmfaudioError, match=f"port {port}: cannot be used .* give another with --port"):
            serve(port)


def test_the_command_refuses_a_port_that_is_none(capsys):
    with pytest.raises(SystemExit):
        nmfaudio_command.main(["app", "--port", "99999"])
    assert "'99999' is not a port" in capsys.readouterr().err
