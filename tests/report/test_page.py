import base64
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import image
from signals import voice_in_noise
from unfolded_helpers import LOOKING_AHEAD, random_dictionary

from nmfaudio import Denoiser, NmfaudioError, display, report
from nmfaudio.cli import denoise as denoise_command
from nmfaudio.cli import main as nmfaudio_command
from nmfaudio.denoising.atom_usage import atom_usage
from nmfaudio.denoising.decomposition import decomposition_for
from nmfaudio.denoising.gain import GainRule
from nmfaudio.dictionary import Dictionary
from nmfaudio.report.numbers import Summary, loudness_lufs, sentence
from nmfaudio.report.numbers import summary as summary_of_powers
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.spectra.stft import STFT

SR = 16000
EMPTY = {"meta", "link", "img", "input", "path"}


class Page(HTMLParser):
    """Elements of a page, by tag: their attributes and the text in them; balanced or it is an error."""

    def __init__(self, html):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.elements.append(element)
        if tag not in EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_startendtag(self, tag, attrs):
        self.elements.append({"tag": tag, "text": "", **dict(attrs)})

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def __call__(self, tag, **attributes):
        found = [e for e in self.elements if e["tag"] == tag and all(e.get(k) == v for k, v in attributes.items())]
        assert found, (tag, attributes)
        return found

    def data(self, tag, attribute, **attributes):
        (element,) = self(tag, **attributes)
        return base64.b64decode(element[attribute].split("base64,")[1])


def atoms_of_bins():
    """A dictionary of single bins: speech below 4 kHz, noise above, and nothing learnt from the recording."""
    bins = np.eye(257, dtype=np.float32)
    settings = {"n_free": 0, "speech_penalty": 0.0, "noise_penalty": 0.0, "n_iter": 2}  # one would do
    return Dictionary("sparse", {"speech": bins[:, :128], "noise": bins[:, 128:]}, FrontEnd(), settings, {}, "bins")


def sines(seconds=0.4, sr=SR, level=0.1):
    t = np.arange(int(seconds * sr)) / sr
    return level * np.sin(2 * np.pi * 1000 * t) + level * np.sin(2 * np.pi * 6000 * t)


@pytest.fixture(scope="module")
def denoiser():
    return Denoiser(atoms_of_bins())


@pytest.fixture(scope="module")
def page(denoiser):
    return Page(report.page(sines(), SR, denoiser, title="sines.wav", command="nmfaudio report sines.wav"))


@pytest.mark.needs_jit
def test_a_page_of_music_says_what_to_do_instead():
    t = np.arange(6 * SR) / SR
    chords = sum(np.sin(2 * np.pi * hz * (1 + np.floor(2 * t) % 4 / 8) * t) for hz in (300, 380, 450, 610))
    hiss = np.diff(np.random.default_rng(0).standard_normal(len(t) + 4), 4)  # above 4 kHz, where all is noise
    y = 0.02 * chords + 0.02 * hiss
    assert "This is mostly music" in report.page(y, SR)
    assert "mostly music" not in report.page(y, SR, Denoiser(attenuation_limit_db=1.0))


def test_page_needs_nothing_from_elsewhere(page):
    for element in page.elements:
        for attribute in ("src", "href"):
            assert element.get(attribute, "data:").startswith("data:"), element
    text = "".join(e["text"] for e in page.elements).replace("http://www.w3.org/1999/xhtml", "")  # a mere name
    assert not re.search(r"https?://|@import|url\(", text)


def test_page_holds_the_sounds_before_and_after(page, denoiser):
    before, sr = sf.read(io.BytesIO(page.data("a", "href", id="before")))
    after, _ = sf.read(io.BytesIO(page.data("a", "href", id="after")))
    assert sr == SR
    assert np.allclose(before, sines(), atol=1e-4)
    assert np.allclose(after, denoiser(sines(), SR), atol=1e-4)


def test_sound_beyond_full_scale_is_not_clipped(denoiser):
    loud = Page(report.page(sines(level=4.0), SR, denoiser))
    before, _ = sf.read(io.BytesIO(loud.data("a", "href", id="before")))
    assert np.corrcoef(before, sines())[0, 1] > 0.999


@pytest.mark.parametrize(
    ("name", "low", "high"), [("before", True, True), ("after", True, False), ("removed", False, True)]
)
def test_pictures_show_the_sines_that_are_there(page, name, low, high):
    def row(hz):
        return int(192 * np.log1p(hz / 700) / np.log1p(8000 / 700))

    (element,) = page("img", **{"data-name": name})
    pixels = image.imread(io.BytesIO(base64.b64decode(element["src"].split("base64,")[1])))[::-1, :, :3].sum(axis=2)
    assert pixels.shape == (192, STFT.for_rate(SR).n_frames(len(sines())))
    assert (pixels[row(1000), 5:20] > 1.5).all() == low
    assert (pixels[row(6000), 5:20] > 1.5).all() == high
    assert (pixels[row(3000), 5:20] < 0.5).all()


def test_pictures_lie_where_the_sound_is(page):
    (image,) = page("img", **{"data-name": "after"})
    left, width = (float(x) for x in re.search(r"left: (-[\d.]+)%; width: ([\d.]+)%", image["style"]).groups())
    n_samples, hop = len(sines()), STFT.for_rate(SR).hop_length
    n_frames = STFT.for_rate(SR).n_frames(n_samples)
    assert left == pytest.approx(-100 * hop / 2 / n_samples, abs=1e-3)
    assert left + width == pytest.approx(100 * (n_frames - 0.5) * hop / n_samples, abs=1e-3)


def test_page_tells_command_dictionary_and_length(page, denoiser):
    assert page("code", id="command")[0]["text"] == "nmfaudio report sines.wav"
    assert denoiser.dictionary.sha256 in page("footer")[0]["text"]
    assert page("title")[0]["text"] == "sines.wav: before and after"
    assert "16000 Hz, mono, 0:00.4 long" in page("p")[0]["text"]
    assert json.loads(page("script", id="data")[0]["text"])["duration"] == pytest.approx(0.4)


def test_saved_sounds_have_the_name_of_the_recording(page):
    assert page("a", id="before")[0]["download"] == "sines_before.flac"
    assert page("a", id="after")[0]["download"] == "sines_cleaned.flac"
    assert page("button", id="removed")[0]["data-file"] == "sines_removed.wav"


def test_one_sentence_tells_what_happened(page):
    (sentence,) = page("p", **{"class": "sentence"})
    assert re.fullmatch(r"The noise is \d+ dB lower, about an? \w+ as loud as before; the voice .+\.", sentence["text"])


@pytest.mark.parametrize(
    ("facts", "rule", "words"),
    [
        (
            (-50, -70, 12, 30, 10),
            GainRule(),
            "20 dB lower, about a quarter as loud as before; the voice keeps its level",
        ),
        ((-50, -53, 12, 14.5, 2), GainRule(), "3 dB lower, a little softer than before"),
        ((-50, -70, 12, 26, 10), GainRule(), "the voice lost 6 dB, too: take a lower strength"),
        ((-80, -90, 45, 54, 1), GainRule(), "clean already"),
        ((-20, -50, -20, 0, 30), GainRule(), "Hardly any speech was found"),
        ((-20, -50, None, None, 30), GainRule(), "Hardly any speech was found"),
        ((None, None, None, None, 0), GainRule(), "No noise was found"),
        ((None, None, None, None, 0), GainRule(0), "nothing is removed"),
        ((None, None, None, None, None), GainRule(), "There is no sound"),
    ],
)
def test_the_sentence_fits_what_happened(facts, rule, words):
    assert words in sentence(Summary(*facts, 0.01), rule)


@pytest.mark.parametrize(("amplitude", "lufs"), [(1.0, -3.01), (0.1, -23.01)])
def test_loudness_is_that_of_the_standard(amplitude, lufs):
    """A sine of 997 Hz has -3.01 LUFS at full scale, as ITU-R BS.1770 says."""
    stft = STFT.for_rate(48000)
    y = amplitude * np.sin(2 * np.pi * 997 * np.arange(96000) / 48000)
    power = 2 / (stft.n_fft * np.square(stft.analysis_window).sum()) * np.abs(stft(y)) ** 2
    assert loudness_lufs(power, 48000, 1) == pytest.approx(lufs, abs=0.1)
    assert loudness_lufs(power, 48000, 2) == pytest.approx(lufs + 3.01, abs=0.1)
    for silence in (0, 1e-8):  # the latter is below -70 LUFS
        assert loudness_lufs(silence * power, 48000, 1) is None


def test_numbers_tell_speech_from_noise(page):
    numbers = {dt["text"]: dd["text"] for dt, dd in zip(page("dt"), page("dd")[::2], strict=True)}
    noise, noise_after = (float(x) for x in re.findall(r"−?([\d.]+) dB", numbers["Background noise"]))
    assert noise == pytest.approx(23.0, abs=0.5) and noise_after > 50
    snr, snr_after = (
        float(x) for x in re.findall(r"(−?[\d.]+) dB", numbers["Voice above the noise"].replace("−", "-"))
    )
    assert snr == pytest.approx(0, abs=0.5) and snr_after > 30
    assert 0 < float(re.search(r"[\d.]+", numbers["Speed"])[0]) < 1e4


def test_the_atom_at_a_sine_fires_most(page):
    captions = [caption["text"] for caption in page("figcaption")]
    speech, noise = captions[0], captions[8]
    assert speech.endswith("1.0 kHz") and noise.endswith("6.0 kHz")
    assert float(speech.split()[0]) > 25 and float(noise.split()[0]) > 25
    assert len(page("svg")) == len(captions)


def test_names_are_text_not_html(denoiser):
    html = report.page(sines(0.1), SR, denoiser, title="<b>&.wav", command="denoise '<script>'")
    page = Page(html)
    assert page("h1")[0]["text"] == "<b>&.wav: before and after"
    assert page("code")[0]["text"] == "denoise '<script>'"


def test_of_a_long_recording_the_beginning_is_shown(denoiser, monkeypatch):
    monkeypatch.setattr(sys.modules["nmfaudio.report.page"], "_SAMPLES", SR // 5)
    page = Page(report.page(sines(), SR, denoiser, start_s=3600, whole_s=7200))
    about = page("p")[0]["text"]
    assert "2:00:00.0 long" in about and "1:00:00.0 to 1:00:00.2" in about and "--start" in about
    assert len(sf.read(io.BytesIO(page.data("a", "href", id="before")))[0]) == SR // 5


@pytest.mark.parametrize("shape", [(1, 20000), (2, 10000)])
def test_page_stays_small_whatever_the_sound(monkeypatch, shape):
    keeps_all = Denoiser(atoms_of_bins(), attenuation_limit_db=0)
    seconds = report.seconds_shown(SR, shape[0])
    noise = np.random.default_rng(0).uniform(-1, 1, shape)
    monkeypatch.setattr(sys.modules["nmfaudio.report.page"], "_SAMPLES", 20_000)
    monkeypatch.setattr(display, "_COLUMNS", 6000 * shape[1] // int(seconds * SR))
    html = report.page(noise, SR, keeps_all)
    uris = [e.get("src") or e.get("href") for e in Page(html).elements if e["tag"] in ("a", "img")]
    media = sum(map(len, uris))
    assert len(uris) == 5
    assert media * 3_000_000 / 20_000 + (len(html) - media) * 4 < 20e6


def test_more_than_two_channels_are_shown_as_their_mean(denoiser):
    y = np.concatenate([[sines()], np.zeros((3, len(sines())))])
    before, _ = sf.read(io.BytesIO(Page(report.page(y, SR, denoiser)).data("a", "href", id="before")))
    assert np.allclose(before, sines() / 4, atol=1e-4)


@pytest.mark.parametrize(("sr", "played"), [(6000, 8000), (11025, 11025), (192000, 96000)])
def test_sound_is_kept_at_a_rate_that_browsers_play(denoiser, sr, played):
    t = np.arange(sr // 2) / sr
    page = Page(report.page(0.1 * np.sin(2 * np.pi * 440 * t), sr, denoiser))
    before, kept = sf.read(io.BytesIO(page.data("a", "href", id="before")))
    assert kept == played
    middle = before[played // 8 : 3 * played // 8]
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(440 * len(middle) / played, abs=1)


def test_silence_has_a_page_without_numbers(denoiser):
    page = Page(report.page(np.zeros(SR // 4), SR, denoiser))
    assert page("p")[0]["text"].endswith("long, silent")
    for name in ("before", "after", "removed"):
        pixels = image.imread(io.BytesIO(page.data("img", "src", **{"data-name": name})))[..., :3]
        assert pixels.max() < 0.05
    numbers = [dd["text"] for dd in page("dd")[::2]]
    assert numbers[:3] == ["– → –", "– → –", "–"]
    assert [h["text"] for h in page("h3")] == ["Speech: none active", "Noise: none active"]


def test_no_sound_has_no_page(denoiser):
    with pytest.raises(NmfaudioError, match="tone: has no sound"):
        report.page(np.zeros(0), SR, denoiser, title="tone")


def spectra(scale=1.0):
    rng = np.random.default_rng(1)
    Y = scale * (rng.standard_normal((1, 9, 50)) + 1j * rng.standard_normal((1, 9, 50)))
    return Y, rng.uniform(0.05, 0.95, Y.shape)


def summary(Y, Z, *rest):
    return summary_of_powers(*(np.abs(X[0]) ** 2 for X in (Y, Z)), *rest)


@given(scale=st.floats(1e-4, 1e4), strength=st.floats(0.2, 5), limit_db=st.floats(1, 30))
def test_estimates_do_not_depend_on_level_nor_the_snr_before_on_strength(scale, strength, limit_db):
    Y, gain = spectra()
    plain = summary(Y, gain * Y, GainRule(), 0.1, 0.5)
    other = summary(scale * Y, scale * gain**strength * Y, GainRule(strength, 200), 0.1 * scale**2, 0.5)
    assert other.snr_db == pytest.approx(plain.snr_db, abs=1e-6)
    assert other.attenuation_db == pytest.approx(strength * plain.attenuation_db, rel=1e-6)
    assert other.noise_db == pytest.approx(plain.noise_db + 20 * np.log10(scale), abs=1e-6)
    rule = GainRule(1, limit_db)
    limited = summary(Y, rule(gain) * Y, rule, 0.1, 0.5)
    assert limited.attenuation_db <= limit_db + 1e-9
    assert limited.noise_after_db >= limited.noise_db - limit_db - 1e-6


def test_estimated_snr_is_that_of_a_gain_that_knows():
    Y, _ = spectra()
    speech = np.random.default_rng(2).random(Y.shape) < 0.5
    facts = summary(Y, np.where(speech, 1, 0.1) * Y, GainRule(1, 20), 1.0, 0.5)
    ratio_db = 10 * np.log10((np.abs(Y[speech]) ** 2).sum() / (np.abs(Y[~speech]) ** 2).sum())
    assert facts.snr_db == pytest.approx(ratio_db, abs=1e-6)
    assert facts.snr_after_db == pytest.approx(ratio_db + 20, abs=1e-6)


def test_estimated_snr_is_that_of_a_wiener_filter_before_and_after():
    rng = np.random.default_rng(3)
    s, n = (10 ** rng.normal(0, 1, (9, 4000)) for _ in range(2))
    S, N = (np.sqrt(x / 2) * (rng.standard_normal(x.shape) + 1j * rng.standard_normal(x.shape)) for x in (s, n))
    Y, gain = (S + N)[None], s / (s + n)
    facts = summary(Y, gain * Y, GainRule(), 1.0, 0.5)
    for found, g in ((facts.snr_db, 1), (facts.snr_after_db, gain)):
        want = 10 * np.log10(np.sum(np.abs(g * S) ** 2) / np.sum(np.abs(g * N) ** 2))
        assert found == pytest.approx(want, abs=0.5)


def test_figures_of_what_changes_nothing():
    Y, _ = spectra()
    facts = summary(Y, Y, GainRule(0, 40), 1.0, 0.5)
    assert (facts.snr_db, facts.noise_db, facts.attenuation_db) == (None, None, 0)


@pytest.mark.parametrize("kind", ["sparse", "unfolded", "one stage"])
def test_parts_of_all_atoms_are_the_spectrogram(kind):
    V = np.random.default_rng(3).random((9, 60)).astype(np.float32)
    V[:, 20:25] = 0
    if kind == "sparse":
        dictionary = Dictionary("sparse", {"speech": np.eye(9)[:, :4], "noise": np.eye(9)[:, 4:]}, FrontEnd(n_bins=9))
    else:
        dictionary = random_dictionary(LOOKING_AHEAD[: 1 if kind == "one stage" else 2])
    found = atom_usage(decomposition_for(dictionary), V)
    for usage in found.values():
        assert usage.parts.shape == (usage.atoms.shape[1], 60)
        assert (usage.parts >= 0).all() and (usage.adaptive >= 0).all()
        assert 0 < usage.shares.sum() <= 1 + 1e-6
    total = sum(usage.parts.sum(axis=0) + usage.adaptive for usage in found.values())
    assert np.allclose(total, V.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_parts_are_shares_of_the_estimates():
    V = np.random.default_rng(4).random((9, 60)).astype(np.float32)
    decomposition = decomposition_for(random_dictionary(LOOKING_AHEAD[:1]))
    for stage in decomposition.stages:
        stage.weights = stage.weights._replace(power=np.ones_like(stage.weights.power))
    S = V * decomposition(V)
    found = atom_usage(decomposition, V)
    assert np.allclose(found["speech"].parts.sum(axis=0) + found["speech"].adaptive, S.sum(axis=0), rtol=1e-4)
    assert np.allclose(found["noise"].parts.sum(axis=0) + found["noise"].adaptive, (V - S).sum(axis=0), rtol=1e-4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    sf.write("in.wav", sines(), SR)
    atoms_of_bins().save("bins.npz")
    return tmp_path


def one_line(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_report_command_writes_a_page_that_tells_the_command(folder, capsys):
    args = ["report", "in.wav", "-d", "bins.npz", "--start", "0.1", "--end", "0:00.3"]
    assert nmfaudio_command.main(args) == 0
    assert capsys.readouterr().out == "in.html\n"
    page = Page(Path("in.html").read_text())
    assert page("code")[0]["text"] == "nmfaudio " + " ".join(args)
    before, _ = sf.read(io.BytesIO(page.data("a", "href", id="before")))
    assert np.allclose(before, sines()[SR // 10 : 3 * SR // 10], atol=1e-4)


def test_names_that_are_not_unicode(folder):
    name = os.fsdecode(b"caf\xe9.wav")
    try:
        Path("in.wav").rename(name)
    except OSError:
        pytest.skip("the file system has Unicode names only")
    script = "import sys; from nmfaudio.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "report", "-d", "bins.npz", name]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [b"caf\xe9.html"], b"")
    assert Path(os.fsdecode(b"caf\xe9.html")).exists()
    os.mkdir(os.fsdecode(b"\xe9"))
    assert denoise_command.main([name, os.fsdecode(b"\xe9"), "-d", "bins.npz"]) == 0
    assert Path(os.fsdecode(b"\xe9"), name).exists()


def test_report_command_learns_the_noise_of_a_part(folder):
    assert nmfaudio_command.main(["report", "in.wav", "a.html", "-d", "bins.npz", "--noise", "0-0.25"]) == 0
    assert "Noise" in Path("a.html").read_text()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("in.wav there.html", "there.html: exists already: give --overwrite"),
        ("in.wav out.wav", "out.wav: a page's name ends in .html"),
        ("missing.wav", "missing.wav"),
        (".", ".: is a folder"),
        ("in.wav out.html --start 5", "in.wav: has no sound after 5 s"),
        ("in.wav out.html --start 2 --end 1", "--start 2 s is not before --end 1 s"),
        ("in.wav out.html --end 0", "--start 0 s is not before --end 0 s"),
        ("nothing.wav", "nothing.wav: has no sound in it"),
        ("in.wav no/such/folder.html", "no/such/folder.html: cannot be written"),
        ("in.wav out.html -d unknown", "no dictionary named 'unknown'"),
    ],
)
def test_report_command_names_what_is_wrong(folder, capsys, args, words):
    Path("there.html").write_text("mine")
    sf.write("nothing.wav", np.zeros(0), 16000)
    args = args.split() + ([] if "-d" in args else ["-d", "bins.npz"])
    assert nmfaudio_command.main(["report", *args]) == 2
    line = one_line(capsys)
    assert line.startswith("nmfaudio report: error: ") and words in line
    assert sorted(path.name for path in folder.iterdir()) == ["bins.npz", "in.wav", "nothing.wav", "there.html"]
    assert Path("there.html").read_text() == "mine"


def test_denoise_writes_a_page_beside_the_sound(folder):
    args = ["in.wav", "out.wav", "-d", "bins.npz", "--report", "page.html", "--attenuation-limit", "20"]
    assert denoise_command.main(args) == 0
    page = Page(Path("page.html").read_text())
    assert page("code")[0]["text"] == "denoise " + " ".join(args)
    after, _ = sf.read(io.BytesIO(page.data("a", "href", id="after")))
    assert np.allclose(after, sf.read("out.wav")[0], atol=1e-4)


@pytest.mark.parametrize("args", ["in.wav in2.wav --out-dir out", "- out.wav"])
def test_denoise_refuses_a_page_of_more_or_less_than_a_file(folder, capsys, args):
    sf.write("in2.wav", sines(), SR)
    assert denoise_command.main([*args.split(), "-d", "bins.npz", "--report", "page.html"]) == 2
    assert "page.html: a page shows one sound file" in one_line(capsys)
    assert not Path("page.html").exists() and not Path("out").exists()


def test_denoise_makes_no_page_of_what_failed(folder, capsys):
    Path("bad.wav").write_text("no sound")
    assert denoise_command.main(["bad.wav", "out.wav", "-d", "bins.npz", "--report", "page.html"]) == 2
    assert "bad.wav" in one_line(capsys)
    assert not Path("page.html").exists()


@pytest.mark.parametrize("sr", [16_000, 48_000])
def test_atoms_of_the_default_dictionary_are_drawn_at_any_rate(sr):
    speech, noise = voice_in_noise(sr, seconds=2)
    shown = report.page((speech + noise).astype(np.float32), sr, Denoiser())
    assert "Speech: these 8 make up" in shown and "kHz</figcaption>" in shown
