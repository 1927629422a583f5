"""The report's page in a real browser: needs Chromium and `pip install playwright`, and is skipped without them."""

import numpy as np
import pytest
import soundfile as sf
from browsers import CHROMIUM, LISTEN, chromium, heard, position

from nmfaudio import Denoiser, report
from nmfaudio.dictionary import Dictionary
from nmfaudio.spectra.front_end import FrontEnd

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
SR = 16000


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    bins = np.eye(257, dtype=np.float32)
    settings = {"n_free": 0, "speech_penalty": 0.0, "noise_penalty": 0.0}
    dictionary = Dictionary("sparse", {"speech": bins[:, :128], "noise": bins[:, 128:]}, FrontEnd(), settings)
    t = np.arange(20 * SR) / SR
    wander = np.cumsum(np.random.default_rng(0).standard_normal(len(t))) * 0.1  # else it would be taken for a hum
    y = 0.1 * np.sin(2 * np.pi * 1000 * t + wander) + 0.1 * np.sin(2 * np.pi * 6000 * t)
    path = tmp_path_factory.mktemp("report") / "page.html"
    path.write_text(report.page(y, SR, Denoiser(dictionary), title="sines.wav", command="nmfaudio report sines.wav"))
    return path


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p, chromium(p) as browser:
        yield browser


@pytest.fixture(params=[(1280, 900, "light"), (360, 740, "dark")], ids=["wide", "narrow"])
def page(request, browser, path):
    width, height, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.add_init_script(LISTEN)
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    own = ("data:", "blob:", path.as_uri())
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith(own) else None)
    page.goto(path.as_uri())
    page.wait_for_selector("#view canvas", state="attached")
    yield page
    context.close()
    assert not said


def lanes(page):
    return page.locator(".lane").all_text_contents()


def width_of_the_whole(page):
    return page.evaluate("document.querySelector('#view > div').shadowRoot.querySelector('.wrapper').clientWidth")


def test_players_switch_in_place(page):
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("Number(document.getElementById('position').value) > 0.2")
    heard(page, hz1000=True, hz6000=False)
    for name, low, high in (("Before", True, True), ("Removed", False, True), ("After", True, False)):
        at = position(page)
        page.locator(".choice").get_by_text(name, exact=True).click()
        heard(page, hz1000=low, hz6000=high)
        assert at <= position(page) < at + 5  # it went on, and did not begin anew
    page.get_by_role("button", name="Pause").click()
    at = position(page)
    page.wait_for_timeout(200)
    assert position(page) == at > 0.2


def test_before_and_after_are_both_in_view(page):
    assert lanes(page) == ["Before", "After"] * 2
    for name in ("Before", "After"):
        picture = page.locator(f"#view img[alt='Spectrogram: {name}']")
        picture.wait_for()
        assert picture.bounding_box()["width"] > 300
    page.keyboard.press("3")
    assert lanes(page) == ["Before", "Removed"] * 2


def test_sound_that_cannot_be_played_is_told(page):
    page.evaluate("document.getElementById('before').href = 'data:audio/flac;base64,AAAA'")
    page.get_by_role("button", name="Play").click()
    page.get_by_role("alert").get_by_text("This browser cannot play the sound").wait_for()


def test_keys_alone_do(page):
    page.keyboard.press("Space")
    heard(page, hz1000=True, hz6000=False)
    page.keyboard.press("1")
    heard(page, hz1000=True, hz6000=True)
    page.keyboard.press("3")
    heard(page, hz1000=False, hz6000=True)
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
    assert page.locator("[name=heard]:checked").get_attribute("value") == "after"


def test_a_stretch_is_marked_by_keys_and_looped(page):
    for _ in range(4):
        page.keyboard.press("l")
    page.keyboard.press("i")
    page.keyboard.press("l")
    page.keyboard.press("o")
    start, end = (float(page.locator(f"#{id}").input_value()) for id in ("from", "to"))
    assert (start, end) == (4, 5)
    page.locator("#to").fill("4.5")
    page.locator("#to").press("Enter")
    page.locator("h1").click()
    page.keyboard.press("r")
    page.keyboard.press("Space")
    page.wait_for_function("listening.player.currentTime > 4.1")
    for _ in range(12):
        page.wait_for_timeout(100)
        assert 3.9 < page.evaluate("listening.player.currentTime") < 4.6
    heard(page, hz1000=True, hz6000=False)
    page.keyboard.press("Escape")
    assert page.locator("#selection").is_hidden()


def test_a_stretch_is_typed_and_left_by_the_keyboard(page):
    page.keyboard.press("i")
    page.locator("#to").fill("5")
    page.keyboard.press("Enter")
    page.locator("#from").fill("10")  # beyond the end, which is typed next
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "to"
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    assert [float(page.locator(f"#{id}").input_value()) for id in ("from", "to")] == [10, 12]
    page.keyboard.type("3")
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)  # a browser takes the focus away when it paints
    assert page.locator("#selection").is_hidden()
    assert page.evaluate("document.activeElement.id") == "play"


def test_a_key_that_is_held_plays_once(page):
    for _ in range(4):
        page.keyboard.down("Space")
    page.get_by_role("button", name="Pause").wait_for()
    at = position(page)
    for _ in range(3):
        page.keyboard.down("l")
    assert position(page) >= at + 2.9


def test_the_mouse_moves_and_marks(page):
    box = page.locator("#view").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 60)
    page.wait_for_function("Math.abs(listening.player.currentTime - 10) < 0.2")
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60, steps=5)
    page.wait_for_timeout(150)  # a finger has to rest for so long
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60, steps=5)
    page.mouse.up()
    page.locator("#selection").wait_for()
    assert float(page.locator("#from").input_value()) == pytest.approx(5, abs=0.5)
    assert float(page.locator("#to").input_value()) == pytest.approx(10, abs=0.5)


def test_zoom_goes_to_where_it_plays_and_back(page):
    whole = width_of_the_whole(page)
    page.evaluate("listening.player.currentTime = 10")
    for key in "++":
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert width_of_the_whole(page) == pytest.approx(4 * whole, rel=0.02)
    scroll = page.evaluate("document.querySelector('#view > div').shadowRoot.querySelector('.scroll').scrollLeft")
    assert (scroll + whole / 2) / (4 * whole) == pytest.approx(0.5, abs=0.02)
    page.get_by_role("button", name="Whole").click()
    page.wait_for_timeout(300)
    assert width_of_the_whole(page) == whole


def test_equal_loudness_lowers_the_louder(page):
    page.keyboard.press("e")
    page.keyboard.press("1")
    lowered = page.evaluate("listening.player.level('before')")
    assert 0.2 < lowered < 0.8
    page.keyboard.press("2")
    assert page.evaluate("listening.player.level('after')") == 1
    assert page.evaluate("listening.player.level('before')") == 0


def test_removed_is_saved(page, tmp_path):
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save removed").click()
    assert saved.value.suggested_filename == "sines_removed.wav"
    saved.value.save_as(tmp_path / "removed.wav")
    y, sr = sf.read(tmp_path / "removed.wav")
    assert (len(y), sr) == (20 * SR, SR)
    spectrum = np.abs(np.fft.rfft(y[SR : 2 * SR]))
    assert spectrum.argmax() == 6000 and spectrum[1000] < 0.05 * spectrum[6000]


def test_removed_is_made_once_however_often_it_is_saved(page):
    button, urls = page.get_by_role("button", name="Save removed"), set()
    for _ in range(2):
        with page.expect_download() as saved:
            button.click()
        assert saved.value.path().stat().st_size > 20 * SR
        urls.add(saved.value.url)
    assert len(urls) == 1


def test_page_fits_the_screen(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.get_by_role("button").all():
        assert button.bounding_box()["height"] >= 44
