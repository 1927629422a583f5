"""The report's page in a real browser: needs Chromium and `pip install playwright`, and is skipped without them."""

import shutil

import numpy as np
import pytest

from nmfaudio import Denoiser, report
from nmfaudio.dictionary import Dictionary
from nmfaudio.spectra.front_end import FrontEnd

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
SR = 16000

# What reaches the loudspeaker also goes to analysers, so that the test hears which sine is played.
LISTEN = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    window.ear = window.ear || new AnalyserNode(this.context, { fftSize: 2048, smoothingTimeConstant: 0 });
    connect.call(this, window.ear);
  }
  return connect.call(this, target, ...rest);
};
window.levels = () => {
  if (!window.ear) return [-200, -200]; // the page opens its sound at the first key
  const bins = new Float32Array(window.ear.frequencyBinCount);
  window.ear.getFloatFrequencyData(bins);
  return [1000, 6000].map((hz) => bins[Math.round((hz / window.ear.context.sampleRate) * 2048)]);
};
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    bins = np.eye(257, dtype=np.float32)
    settings = {"n_free": 0, "speech_penalty": 0.0, "noise_penalty": 0.0}
    dictionary = Dictionary("sparse", {"speech": bins[:, :128], "noise": bins[:, 128:]}, FrontEnd(), settings)
    t = np.arange(20 * SR) / SR
    y = 0.1 * np.sin(2 * np.pi * 1000 * t) + 0.1 * np.sin(2 * np.pi * 6000 * t)
    path = tmp_path_factory.mktemp("report") / "page.html"
    path.write_text(report.page(y, SR, Denoiser(dictionary), title="sines.wav", command="nmfaudio report sines.wav"))
    return path


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, 900, "light"), (360, 740, "dark")], ids=["wide", "narrow"])
def page(request, browser, path):
    width, height, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.add_init_script(LISTEN)
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda r: said.append(r.url) if not r.url.startswith(("data:", path.as_uri())) else None)
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not said


def position(page):
    return float(page.locator("#position").input_value())


def heard(page, low, high):
    """Wait until the sines of 1 and 6 kHz are heard, or not."""
    words = [f"levels()[{i}] {'>' if loud else '<'} -60" for i, loud in enumerate((low, high))]
    page.wait_for_function(" && ".join(words))


def shown(page):
    return page.locator("#stage img:visible").get_attribute("data-name")


def test_players_switch_in_place(page):
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("Number(document.getElementById('position').value) > 0.2")
    heard(page, True, False)
    for name, low, high in (("Before", True, True), ("Removed", False, True), ("After", True, False)):
        at = position(page)
        page.get_by_text(name, exact=True).click()
        heard(page, low, high)
        assert shown(page) == name.lower()
        assert at <= position(page) < at + 5  # it went on, and did not begin anew
    page.get_by_role("button", name="Pause").click()
    at = position(page)
    page.wait_for_timeout(200)
    assert position(page) == at > 0.2


def test_sound_that_cannot_be_played_is_told(page):
    page.evaluate("document.getElementById('before').href = 'data:audio/flac;base64,AAAA'")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.getElementById('clock').value.startsWith('This browser cannot play')")


def test_keys_alone_do(page):
    page.keyboard.press("Space")
    heard(page, True, False)
    page.keyboard.press("1")
    heard(page, True, True)
    assert shown(page) == "before"
    page.keyboard.press("3")
    heard(page, False, True)
    page.keyboard.press("Space")
    at = position(page)
    for _ in range(3):
        page.keyboard.press("l")
    assert position(page) == pytest.approx(at + 3, abs=0.02)
    page.keyboard.press("j")
    assert position(page) == pytest.approx(at + 2, abs=0.02)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "play"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")  # from "removed" to "after", as radio buttons do
    assert shown(page) == "after"


def test_pictures_zoom_scroll_and_take_one_there(page):
    stage, view = page.locator("#stage"), page.locator("#view")
    width = view.evaluate("e => e.clientWidth")
    assert stage.evaluate("e => e.clientWidth") == width
    view.click(position={"x": width / 2, "y": 50})
    assert position(page) == pytest.approx(10, abs=0.1)
    for key in "++]":
        page.keyboard.press(key)
    assert stage.evaluate("e => e.clientWidth") == 4 * width
    middle = view.evaluate("e => (e.scrollLeft + e.clientWidth / 2) / document.getElementById('stage').clientWidth")
    assert middle == pytest.approx(0.5, abs=0.01)
    view.click(position={"x": width / 4, "y": 50})
    assert position(page) == pytest.approx(10 - 20 / 16, abs=0.1)
    page.get_by_role("button", name="Whole").click()
    assert stage.evaluate("e => e.clientWidth") == width
    assert page.locator(".tick.s").count() > 2 and page.locator(".tick.hz").count() > 2


def test_page_fits_the_screen(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.get_by_role("button").all():
        assert button.bounding_box()["height"] >= 44
