"""The app in a real browser and through the real server: skipped without Chromium and `pip install playwright`."""

import base64
import io
import os
import signal
import subprocess
import sys
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile as sf
from browsers import CHROMIUM, LISTEN, chromium, position

from nmfaudio.cli import main as nmfaudio_command

pytest.importorskip("starlette")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.needs_jit,
]
SR = 16000

DROP = """([name, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  }
}"""


def talk(seconds=8.0):
    """Syllables of a voice of 150 Hz in steady noise, which is alone in the first second."""
    t = np.arange(int(seconds * SR)) / SR
    voice = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    syllables = np.maximum(np.sin(2 * np.pi * 1.5 * t), 0) * (t > 1)
    return 0.1 * voice * syllables + 0.02 * np.random.default_rng(0).standard_normal(len(t))


@contextmanager
def running(folder):
    """Run the app with its temporary files below a folder, and give its address."""
    script = "import sys; from nmfaudio.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "app", "--no-browser"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as app:
        try:
            yield app, app.stdout.readline().split()[0]
        finally:
            app.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running(tmp_path_factory.mktemp("app")) as (_, address):
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p, chromium(p) as browser:
        yield browser


@contextmanager
def opened(browser, address, **screen):
    screen = {"viewport": {"width": 1280, "height": 1400}, **screen}
    context = browser.new_context(bypass_csp=True, **screen)  # Playwright evaluates strings
    context.set_default_timeout(60_000)
    context.add_init_script(LISTEN)
    page = context.new_page()
    said = []
    refused = "Failed to load resource"  # a question that the server has no answer to any more
    page.on("console", lambda message: None if message.text.startswith(refused) else said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda r: said.append(r.url) if not r.url.startswith(("blob:", address)) else None)
    page.goto(address)
    page.wait_for_function("defaults !== null && document.getElementById('progress').hidden")
    yield page
    while page.locator(".remove").count():
        n = page.locator(".remove").count()
        page.evaluate("document.querySelector('.remove').click()")
        page.wait_for_function(f"document.querySelectorAll('.remove').length < {n}")
    context.close()
    assert not said


@pytest.fixture
def page(browser, address):
    with opened(browser, address) as page:
        yield page


def drop(page, name="talk.wav", y=None, **format):
    file = io.BytesIO()
    sf.write(file, talk() if y is None else y, SR, **{"format": "WAV", "subtype": "PCM_16", **format})
    page.evaluate(DROP, [name, base64.b64encode(file.getvalue()).decode()])
    page.get_by_role("heading", name=name).wait_for()
    page.wait_for_selector("#view canvas", state="attached")
    page.wait_for_function("document.getElementById('progress').hidden")
    return file.getvalue()


WAVEFORMS = """[...document.querySelector("#view > div").shadowRoot.querySelectorAll("canvas")]
  .map((canvas) => canvas.toDataURL()).join()"""


def noise_level(page):
    """Mean level of what is played between 4 and 7 kHz, over more than a second."""
    levels = []
    while len(levels) < 25:
        level = page.evaluate("Math.max(...[4, 4.5, 5, 5.5, 6, 6.5, 7].map((khz) => level(1000 * khz)))")
        if level > -180:  # or the sound is not there yet
            levels.append(level)
        page.wait_for_timeout(50)
    return np.mean(levels)


def saved(page, button, scope="body"):
    with page.expect_download() as download:
        page.locator(scope).get_by_role("button", name=button).first.click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def focused(page):
    return page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent")


def this_is_the_noise(page, start, end):
    for id, seconds in (("from", start), ("to", end)):
        page.locator(f"#{id}").fill(str(seconds))
        page.locator(f"#{id}").press("Enter")
    page.get_by_role("button", name="This is the noise").click()


def test_dropped_recordings_are_heard_before_and_after_and_sliders_at_once(page):
    drop(page)
    assert "lower" in page.locator("#sentence").text_content()
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("Number(document.getElementById('position').value) > 0.1")
    page.locator("#loop").check()
    after = noise_level(page)
    page.keyboard.press("1")
    before = noise_level(page)
    assert before > after + 10
    page.keyboard.press("2")
    at, drawn = position(page), page.evaluate(WAVEFORMS)
    page.locator("#strength").fill("0")
    page.wait_for_function(f"(drawn) => {WAVEFORMS} !== drawn", arg=drawn)
    page.wait_for_timeout(400)
    assert noise_level(page) == pytest.approx(before, abs=5)
    assert page.locator("#strength-value").text_content() == "0 %"
    assert (position(page) - at) % 8 < 6  # it went on, in its loop of 8 s
    page.locator("#strength").fill("1")
    page.locator("#limit").fill("6")
    page.wait_for_timeout(400)
    assert before - 10 < noise_level(page) < before - 2
    page.get_by_text("With these settings", exact=False).wait_for(state="hidden")


def test_marked_noise_is_learnt_and_the_saved_file_is_that_of_the_command_line(page, tmp_path):
    content = drop(page)
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.01, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 60, steps=8)
    page.mouse.up()
    this_is_the_noise(page, 0.1, 0.9)
    page.get_by_text("Learnt from 0:00.10 to 0:00.90").wait_for()
    page.wait_for_function("document.getElementById('progress').hidden")
    page.locator("#strength").fill("1.2")
    page.locator("#limit").fill("30")
    name, cleaned = saved(page, "Save cleaned")
    assert name == "talk_cleaned.wav"
    (tmp_path / "talk.wav").write_bytes(content)
    args = "--noise 0.1-0.9 --strength 1.2 --attenuation-limit 30".split()
    assert nmfaudio_command.main(["denoise", str(tmp_path / "talk.wav"), str(tmp_path / "out.wav"), *args, "-q"]) == 0
    assert cleaned == (tmp_path / "out.wav").read_bytes()
    name, removed = saved(page, "Save removed")
    assert name == "talk_removed.wav"
    parts = [sf.read(io.BytesIO(part))[0] for part in (cleaned, removed)]
    assert np.allclose(sum(parts), sf.read(io.BytesIO(content))[0], atol=1e-4)
    name, report = saved(page, "Save report")
    assert name == "talk.html" and b"<title>talk.wav: before and after" in report


def test_sound_that_is_wanted_no_more_is_waited_for_no_more(page):
    drop(page)
    held, given_up = [], []
    page.on("requestfailed", lambda request: given_up.append(request) if "/sound?" in request.url else None)
    page.route("**/sound?*", lambda route: held.append(route))  # as if the cleaning had not come so far
    page.get_by_role("button", name="Play").click()
    for strength in ("0.5", "0.6", "0.7", "0.8"):
        page.locator("#strength").fill(strength)
        page.wait_for_timeout(200)
    assert len(held) == len(given_up) + 1 == 5
    page.get_by_role("button", name="Wait…").or_(page.get_by_role("button", name="Pause")).click()
    page.wait_for_timeout(200)
    assert len(given_up) == 5
    page.unroute("**/sound?*")


@pytest.mark.parametrize(("end", "words"), [(0.1, "too short"), (0.5, "silence")])
def test_noise_that_cannot_be_learnt_is_told_and_changes_nothing(page, end, words):
    y = talk(3)
    y[:SR] = 0
    asked = []

    def while_it_is_cleaned(route):
        answer = route.fetch()
        found = answer.json()
        if len(asked) < 3:
            for state in found["recordings"]:
                state["cleaned"] = min(state["cleaned"], 0.5)
        route.fulfill(response=answer, json=found)

    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/clean") else None)
    page.route("**/recordings", while_it_is_cleaned)
    drop(page, "talk.wav", y)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("i")
    this_is_the_noise(page, 0, end)
    page.get_by_role("alert").get_by_text(words).wait_for()
    page.get_by_text("Steady noise is removed better").wait_for()
    page.wait_for_function("document.getElementById('progress').hidden")
    assert len(asked) == (2 if end < 0.25 else 3)  # what was given up for it goes on
    page.wait_for_function("remote !== null")
    saved(page, "Save cleaned")
    assert page.get_by_role("alert").is_hidden()
    page.unroute("**/recordings")


class Held:
    """Answers that the page gets when the test lets it: numbers that say which strength they are of."""

    def __init__(self, page):
        self._page, self._routes = page, []
        page.route("**/numbers?*", lambda route: self._routes.append(route))

    def wait(self, n=1):
        for _ in range(200):
            if len(self._routes) >= n:
                return
            self._page.wait_for_timeout(50)
        raise AssertionError("is not asked for")

    def answer(self, i=0):
        route = self._routes[i]
        found = route.fetch().json()
        route.fulfill(json={**found, "sentence": route.request.url.split("strength=")[1].split("&")[0]})
        self._page.wait_for_timeout(100)


def test_a_late_answer_is_not_shown_under_another_recording(page):
    for name in ("a.wav", "b.wav"):
        drop(page, name, talk(1))
    held = Held(page)
    page.locator("#strength").fill("0.5")
    held.wait()
    page.get_by_role("button", name="a.wav", exact=True).click()
    page.get_by_role("heading", name="a.wav").wait_for()
    held.answer()
    assert page.locator("#sentence").text_content() != "0.5"
    held.wait(2)
    held.answer(1)
    assert page.locator("#sentence").text_content() == "1"
    assert page.get_by_role("alert").is_hidden()
    page.unroute("**/numbers?*")


def test_the_last_strength_is_told_whatever_is_answered_last(page):
    drop(page, "a.wav", talk(1))
    held = Held(page)
    for n, strength in enumerate(("0.5", "0.6"), 1):
        page.locator("#strength").fill(strength)
        held.wait(n)
    held.answer(1)
    held.answer(0)
    page.wait_for_timeout(300)
    assert page.locator("#sentence").text_content() == "0.6"
    page.unroute("**/numbers?*")


def test_a_recording_may_be_removed_while_its_numbers_are_asked_for(page):
    drop(page, "a.wav", talk(1))
    page.locator("#strength").fill("0.5")
    page.evaluate("document.querySelector('.remove').click()")
    page.locator("#welcome").wait_for()
    page.wait_for_timeout(400)
    assert page.get_by_role("alert").is_hidden()


def test_a_preset_that_is_chosen_while_a_recording_opens_is_heard(page):
    for name in ("a.wav", "b.wav"):
        drop(page, name, talk(1))
    held = Held(page)
    page.get_by_role("button", name="a.wav", exact=True).click()
    held.wait()
    page.get_by_role("button", name="Gentle").click()
    held.answer()
    held.wait(2)
    held.answer(1)
    page.wait_for_selector("#view canvas", state="attached")
    assert page.locator("#sentence").text_content() == "0.7"
    with page.expect_request("**/sound?*strength=0.7*"):
        page.get_by_role("button", name="Play").click()
    page.unroute("**/numbers?*")


def told(page, **facts):
    """Let the page be told other facts of all recordings."""

    def tell(route):
        answer = route.fetch()
        found = answer.json()
        for state in found["recordings"]:
            state.update(facts)
        route.fulfill(response=answer, json=found)

    page.route("**/recordings", tell)


@pytest.mark.parametrize(("first", "then"), [("After", "Removed"), ("Removed", "After")])
def test_what_is_shown_is_what_is_heard_whatever_was_pressed_over_the_stems(page, first, then):
    keys = {"After": "2", "Removed": "3"}
    drop(page, "a.wav", talk(1))
    told(page, stems=["voice", "rest"])
    page.route("**/stems/peaks", lambda route: route.fulfill(body=bytes(16)))
    page.reload()
    for name in (then, first):
        page.wait_for_selector("#view canvas", state="attached")
        page.keyboard.press(keys[name])
    page.locator(".tabs").get_by_text("Stems").click()
    page.locator(".lane").get_by_text("voice").wait_for()
    page.keyboard.press(keys[then])
    page.locator(".tabs").get_by_text("Clean").click()
    page.locator(".lane").get_by_text(then).first.wait_for()
    page.keyboard.press(keys[first])
    assert page.locator(".lane").all_text_contents() == ["Before", first] * 2
    for pattern in ("**/recordings", "**/stems/peaks"):
        page.unroute(pattern)


def test_a_recording_may_be_left_while_its_stems_are_drawn(page):
    for name in ("a.wav", "b.wav"):
        drop(page, name, talk(1))
    held = []
    told(page, stems=["voice", "rest"])
    page.route("**/stems/peaks", lambda route: held.append(route))
    page.reload()
    page.get_by_role("button", name="b.wav", exact=True).click()
    page.wait_for_selector("#view canvas", state="attached")
    page.locator(".tabs").get_by_text("Stems").click()
    page.wait_for_timeout(200)
    page.get_by_role("button", name="a.wav", exact=True).click()
    page.get_by_role("heading", name="a.wav").wait_for()
    (route,) = held
    route.fulfill(body=bytes(16))
    page.wait_for_selector("#view canvas", state="attached")
    page.wait_for_timeout(100)
    assert page.get_by_role("alert").is_hidden()
    assert not page.locator("#mixer section").count()
    for pattern in ("**/recordings", "**/stems/peaks"):
        page.unroute(pattern)


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.wav", "In the format of the recording, WAV."), ("a.flac", "As FLAC, since its name ends in .flac.")],
)
def test_the_format_that_will_be_written_is_told(page, name, words):
    drop(page, name, talk(1), format="WAV")
    assert page.locator("#format").text_content() == words


def test_presets_and_repair(page):
    drop(page, "loud.flac", np.clip(8 * talk(3), -0.5, 0.5), format="FLAC")
    assert page.locator("[aria-pressed=true][value]").text_content() == "Default"
    page.get_by_role("button", name="Gentle").click()
    assert page.locator("#limit-value").text_content() == "12 dB"
    assert page.locator("#strength-value").text_content() == "70 %"
    page.get_by_label("Clipped peaks").check()
    page.get_by_text("samples restored").wait_for()
    name, cleaned = saved(page, "Save cleaned")
    assert name == "loud_cleaned.flac"
    assert sf.info(io.BytesIO(cleaned)).subtype == "PCM_16"


def test_many_files_are_saved_at_once(page):
    for name in ("a.wav", "b.wav"):
        drop(page, name, talk(2))
    page.get_by_role("button", name="b.wav", exact=True).click()
    page.get_by_role("heading", name="b.wav").wait_for()
    page.locator("#strength").fill("0")
    page.get_by_role("button", name="Same settings for all").click()
    name, archive = saved(page, "Save all 2 cleaned")
    files = zipfile.ZipFile(io.BytesIO(archive))
    assert sorted(files.namelist()) == ["a_cleaned.wav", "b_cleaned.wav"]
    for name in files.namelist():
        assert np.allclose(sf.read(io.BytesIO(files.read(name)))[0], talk(2), atol=1e-4)


def test_what_is_saved_at_once_waits_for_no_other_work(page):
    for name in ("a.wav", "b.wav"):
        drop(page, name, talk(1))
    told(page, jobs={"separate": {"done": False, "error": None, "part": 0.5, "settings": None}})
    saved(page, "Save all 2 cleaned")
    page.unroute("**/recordings")


def test_what_others_are_told_is_heard_in_them_too(page):
    for name in ("a.wav", "b.wav"):
        drop(page, name, np.clip(8 * talk(2), -0.5, 0.5))
    page.get_by_label("Clipped peaks").check()
    page.get_by_text("samples restored").wait_for()
    page.get_by_role("button", name="Same settings for all").click()
    page.get_by_role("button", name="a.wav", exact=True).click()
    page.get_by_role("heading", name="a.wav").wait_for()
    page.get_by_text("samples restored").wait_for()


def test_a_reload_keeps_the_channels_as_they_are_heard(page):
    drop(page, "call.wav", np.stack([talk(2), talk(2)[::-1]], axis=1))
    page.get_by_role("button", name="Call").click()
    page.wait_for_function("recordings.get(current).state.settings.channels === 'independent'")
    page.wait_for_function("document.getElementById('progress').hidden")
    page.reload()
    page.wait_for_selector("#view canvas", state="attached")
    assert not page.locator("#presets [aria-pressed=true]").count()  # none of them is all of what is heard
    with page.expect_request("**/save") as request:
        saved(page, "Save cleaned")
    assert request.value.post_data_json["settings"]["channels"] == "independent"


def test_separating_is_shown_while_the_cleaning_goes_on(page):
    drop(page, "song.wav", talk(1))
    job = {"done": False, "error": None, "settings": None}
    page.route("**/separate", lambda route: route.fulfill(status=202, json={}))
    told(page, jobs={"clean": {**job, "part": 0.25}, "separate": {**job, "part": 0.5}})
    page.locator(".tabs").get_by_text("Stems").click()
    page.get_by_role("button", name="Separate into stems").click()
    page.get_by_text("Separating… 50 %").wait_for()
    assert page.get_by_role("button", name="Separate into stems").is_disabled()
    page.wait_for_timeout(200)
    assert focused(page) == "Separate into stems"
    page.locator(".tabs").get_by_text("Clean").click()
    page.get_by_text("Cleaning… 25 %").wait_for()
    for pattern in ("**/recordings", "**/separate"):
        page.unroute(pattern)


def test_stems_are_mixed(page):
    t = np.arange(2 * SR) / SR
    y = 0.2 * np.sin(2 * np.pi * 1000 * t) + 0.2 * np.sin(2 * np.pi * 5000 * t) * (t % 0.5 < 0.1)
    drop(page, "song.wav", y)
    page.locator(".tabs").get_by_text("Stems").click()
    page.get_by_role("button", name="Separate into stems").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#mixer section")
    page.wait_for_timeout(200)
    assert focused(page) == "song.wav"
    strips = page.locator("#mixer section")
    names = strips.get_by_role("heading").all_text_contents()
    assert len(names) >= 2 and page.locator(".lane").all_text_contents() == names
    _, whole = saved(page, "Save the mix")
    assert np.allclose(sf.read(io.BytesIO(whole))[0], y, atol=1e-3)
    strips.nth(0).get_by_role("button", name="solo").click()
    strips.nth(0).get_by_role("slider").fill("-6")
    name, mix = saved(page, "Save the mix")
    assert name == "song_mix.wav"
    name, stem = saved(page, "save", "#mixer section:first-child")
    assert name == f"song_{names[0]}.wav"
    parts = [sf.read(io.BytesIO(part))[0] for part in (mix, stem)]
    assert np.allclose(parts[0], 10 ** (-6 / 20) * parts[1], atol=1e-3)
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    page.wait_for_function("Number(document.getElementById('position').value) > 0.1")
    page.locator(".tabs").get_by_text("Clean").click()
    page.get_by_text("After").first.wait_for()


def test_what_is_no_recording_is_told(page):
    page.evaluate(DROP, ["notes.txt", base64.b64encode(b"words").decode()])
    page.get_by_role("alert").get_by_text("notes.txt").wait_for()
    page.wait_for_timeout(100)
    assert page.locator("#welcome").is_visible()
    assert "\n" not in page.locator("#fault").text_content()


def test_each_of_several_that_are_no_recordings_is_told(page, tmp_path):
    for name in ("notes.txt", "list.txt"):
        (tmp_path / name).write_text("words")
    sf.write(tmp_path / "talk.wav", talk(1), SR)
    page.set_input_files("#choose", [tmp_path / name for name in ("notes.txt", "talk.wav", "list.txt")])
    page.get_by_role("alert").get_by_text("list.txt").wait_for()
    page.get_by_role("heading", name="talk.wav").wait_for()
    said = page.locator("#fault").text_content().split("\n")
    assert [line.partition(":")[0] for line in said] == ["notes.txt", "list.txt"]


def test_a_folder_and_a_file_that_is_gone_are_told(page, tmp_path):
    (tmp_path / "songs").mkdir()
    (tmp_path / "gone.wav").touch()
    paths = [str(tmp_path / name) for name in ("songs", "gone.wav")]
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": paths, "dragOperationsMask": 1}
        if kind == "drop":
            (tmp_path / "gone.wav").unlink()
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 200, "data": data})
    said = page.get_by_role("alert")
    said.get_by_text("gone.wav: cannot be read").wait_for()
    assert "songs: cannot be read; of a folder, drop the files in it\n" in said.text_content()


def test_what_is_read_is_told_whatever_else_goes_on(page, tmp_path):
    held = []
    page.route("**/recordings?name=b.wav", lambda route: held.append(route))
    for name in ("a.wav", "b.wav"):
        sf.write(tmp_path / name, talk(1), SR)
    page.set_input_files("#choose", [tmp_path / name for name in ("a.wav", "b.wav")])
    page.wait_for_selector("#view canvas", state="attached")
    page.wait_for_function("!polling")
    assert page.get_by_text("Reading b.wav…").is_visible()
    held[0].continue_()
    page.get_by_role("button", name="b.wav", exact=True).wait_for()
    page.get_by_text("Reading").wait_for(state="hidden")
    page.unroute("**/recordings?name=b.wav")


def test_a_recording_that_lost_its_turn_is_asked_for_again_while_it_is_open(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/clean") else None)

    def lost(route):
        answer = route.fetch()
        found = answer.json()
        if len(asked) == 1:  # as if another recording had been wanted meanwhile
            for state in found["recordings"]:
                job = {"kind": "clean", "part": 0, "done": True, "error": "stopped"}
                state.update(cleaned=0, jobs={"clean": job})
        route.fulfill(response=answer, json=found)

    page.route("**/recordings", lost)
    drop(page, "kept.wav", talk(2))
    page.unroute("**/recordings")
    assert len(asked) == 2


def test_a_reload_finds_the_recordings_again(page):
    drop(page, "kept.wav", talk(2))
    page.reload()
    page.get_by_role("heading", name="kept.wav").wait_for()
    page.wait_for_selector("#view canvas", state="attached")


def test_the_keyboard_alone_does_it_all(page, tmp_path):
    sf.write(tmp_path / "keys.wav", talk(3), SR)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    page.locator("#choose:focus").set_input_files(tmp_path / "keys.wav")  # the browser's own dialog is left out
    page.wait_for_selector("#view canvas", state="attached")

    def tab_to(words):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({words!r})"):
                return
        raise AssertionError(f"{words} cannot be reached")

    assert focused(page) == "keys.wav"
    page.keyboard.press("Space")
    page.wait_for_function("Number(document.getElementById('position').value) > 0.1")
    page.keyboard.press("i")
    page.keyboard.press("l")
    page.keyboard.press("o")
    tab_to("#selection-actions button")
    page.keyboard.press("Enter")
    page.get_by_text("Learnt from").wait_for()
    assert focused(page) in ("Play", "Pause")
    tab_to("#strength")
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#strength-value").text_content() == "80 %"
    tab_to("[name=damage][value=clicks]")
    page.keyboard.press("Space")
    page.wait_for_function("document.getElementById('repairs').textContent !== ''")
    tab_to("[data-save=cleaned]")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "keys_cleaned.wav"


def test_the_keyboard_stays_where_it_is_in_the_list_of_recordings(page):
    for name in ("a.wav", "b.wav", "c.wav"):
        drop(page, name, talk(1))
    page.get_by_role("button", name="a.wav", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="a.wav").wait_for()
    assert focused(page) == "a.wav"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="b.wav").wait_for()
    assert focused(page) == "Remove b.wav"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="c.wav").wait_for()
    page.wait_for_timeout(200)  # a browser takes the focus away when it paints
    assert focused(page) == "c.wav"
    assert page.locator("#list").is_hidden()


def test_a_key_that_is_held_removes_one_recording_alone(page):
    for name in ("a.wav", "b.wav", "c.wav"):
        drop(page, name, talk(1))
    page.get_by_role("button", name="Remove a.wav").focus()
    page.keyboard.down("Enter")
    page.get_by_role("button", name="a.wav", exact=True).wait_for(state="detached")
    assert focused(page) == "Remove b.wav"
    page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.wait_for_timeout(300)
    assert page.locator(".remove").count() == 2


def test_a_recording_may_come_while_a_time_is_typed(page):
    drop(page, "a.wav", talk(2))
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("i")
    page.locator("#from").focus()
    page.keyboard.type("1")
    drop(page, "b.wav", talk(2))  # no fault is said in the console
    assert page.locator("#selection").is_hidden()
    assert focused(page) == "b.wav"


def test_noise_that_is_forgotten_leaves_the_focus_beside_it(page):
    drop(page)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("i")
    this_is_the_noise(page, 0, 0.9)
    page.get_by_role("button", name="Forget it").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert focused(page).startswith("Steady noise is removed better")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "dropouts"


@pytest.mark.parametrize("name", ["Save cleaned", "Save all 2 cleaned"])
def test_what_is_saved_keeps_the_focus_and_is_begun_once(page, name):
    for recording in ("a.wav", "b.wav"):
        drop(page, recording, talk(1))
    held = []
    page.route("**/save", lambda route: held.append(route))
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)  # a browser takes the focus away when it paints
    assert focused(page) == name
    page.keyboard.press("Enter")
    page.mouse.dblclick(*(button.bounding_box()[at] + 5 for at in "xy"))
    page.wait_for_timeout(200)
    assert len(held) == 1
    with page.expect_download():
        held[0].continue_()
    page.wait_for_timeout(200)
    assert focused(page) == name
    with page.expect_download():
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
        held[1].continue_()
    page.unroute("**/save")


def test_a_recording_is_removed_once_by_a_fast_double_click(page):
    for name in ("a.wav", "b.wav", "c.wav"):
        drop(page, name, talk(1))
    page.evaluate("for (let i = 0; i < 2; i++) document.querySelector('.remove').click()")
    page.get_by_role("button", name="a.wav", exact=True).wait_for(state="detached")
    page.wait_for_timeout(200)
    assert page.locator(".remove").count() == 2
    assert page.get_by_role("alert").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_can_be_used_by_all_on_any_screen(browser, address, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with opened(browser, address, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:

        def check():
            assert axe.run(page).response["violations"] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        check()
        drop(page, "a recording with a name that is quite long, as they are.wav", talk(2))
        drop(page, "b.wav", talk(2))
        page.keyboard.press("i")
        page.locator("#measured summary").click()
        page.locator(".keys summary").click()
        check()
        page.locator(".tabs").get_by_text("Stems").click()
        page.get_by_role("button", name="Separate into stems").click()
        page.wait_for_selector("#mixer section")
        check()


def test_only_the_recording_that_is_open_is_zoomed(page):
    for name in ("a.wav", "b.wav"):
        drop(page, name, talk(4))
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 60)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    width = """document.querySelector("#view > div").shadowRoot.querySelector(".wrapper").clientWidth"""
    page.wait_for_function(f"{width} > 1.2 * document.getElementById('view').clientWidth")


def test_labels_stay_on_their_pictures_when_the_window_changes(page):
    drop(page, "a.wav", talk(1))
    for width in (375, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("""() => {
          const pictures = document.querySelector("#view > div").shadowRoot.querySelectorAll("[part=picture]");
          const labels = document.querySelectorAll("#view > .lane.light");
          return labels.length === 2 && [...labels].every((label, i) => {
            const { top, height } = pictures[i].getBoundingClientRect();
            return Math.abs(label.getBoundingClientRect().top - top - 4) < 4
              && Math.abs(height - (innerWidth < 640 ? 100 : 150)) < 2;
          });
        }""")


def test_the_page_obeys_its_own_policy(browser, address):
    context = browser.new_context()
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)
    page.locator("#presets button").first.wait_for(state="attached")
    file = io.BytesIO()
    sf.write(file, talk(1), SR, format="WAV")
    page.set_input_files("#choose", {"name": "a.wav", "mimeType": "audio/wav", "buffer": file.getvalue()})
    page.locator("#view img").first.wait_for()
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").wait_for()
    context.close()
    assert not said


def test_nothing_is_left_behind(browser, tmp_path):
    with running(tmp_path) as (app, address):
        page = browser.new_page(bypass_csp=True)
        page.goto(address)
        page.locator("#presets button").first.wait_for(state="attached")
        drop(page, "secret.wav", talk(2))
        saved(page, "Save cleaned")
        (folder,) = tmp_path.iterdir()
        assert any(path.name == "secret_cleaned.wav" for path in folder.rglob("*"))
        app.send_signal(signal.SIGTERM)
        assert app.wait(timeout=60) == 0
        assert not list(tmp_path.iterdir())
        assert app.stderr.read() == ""
        page.get_by_role("button", name="Save cleaned").click()
        page.get_by_role("alert").get_by_text("start `nmfaudio app` again").wait_for()
        page.close()
