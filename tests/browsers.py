"""Chromium for tests of pages, with an ear for what they play and an eye for what they lack."""

import shutil
from contextlib import contextmanager

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# What reaches the loudspeaker also goes to an analyser, so that the test hears which sine is played.
LISTEN = """
const connect = AudioNode.prototype.connect, ears = new WeakMap();
window.ear = null;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const settings = { fftSize: 2048, smoothingTimeConstant: 0 };
    if (!ears.has(this.context)) ears.set(this.context, new AnalyserNode(this.context, settings));
    window.ear = ears.get(this.context);
    connect.call(this, window.ear);
  }
  return connect.call(this, target, ...rest);
};
window.level = (hz) => {
  if (!window.ear) return -200; // the page opens its sound at the first key
  const bins = new Float32Array(window.ear.frequencyBinCount);
  window.ear.getFloatFrequencyData(bins);
  return bins[Math.round((hz / window.ear.context.sampleRate) * 2048)];
};
"""


@contextmanager
def chromium(playwright):
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()


def heard(page, **loud):
    """Wait until sines are heard, or not: ``heard(page, hz1000=True, hz6000=False)``."""
    words = [f"level({hz[2:]}) {'>' if there else '<'} -60" for hz, there in loud.items()]
    page.wait_for_function(" && ".join(words))


def position(page):
    return float(page.locator("#position").input_value())
