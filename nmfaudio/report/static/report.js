"use strict";
// The recording that is frozen in a report.

class Frozen {
  tracks = ["before", "after", "removed"];
  #facts;
  #sounds = null;

  constructor(facts) {
    this.#facts = facts;
    Object.assign(this, { duration: facts.duration, sr: facts.sr, channels: facts.channels, nyquist: facts.nyquist, loudness: facts.loudness });
  }

  async peaks() {
    return Object.fromEntries(Object.entries(this.#facts.peaks).map(([track, text]) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      return [track, new Float32Array(bytes.buffer)];
    }));
  }

  picture(track) {
    const image = document.querySelector(`[data-name=${track}]`), part = (name) => parseFloat(image.style[name]) / 100 * this.duration;
    return { url: image.src, start: part("left"), stop: part("left") + part("width") };
  }

  async sound(start, stop) {
    const sounds = await (this.#sounds ??= this.#decode());
    const cut = (samples) => samples.subarray(Math.round(start * this.sr), Math.round(stop * this.sr));
    return Object.fromEntries(Object.entries(sounds).map(([track, channels]) => [track, channels.map(cut)]));
  }

  // Removed: what there was before, less what there is after, as a WAV file.
  async removed() {
    const { removed } = await (this.#sounds ??= this.#decode());
    const [frames, width] = [removed[0].length, 2 * removed.length], file = new DataView(new ArrayBuffer(44 + frames * width));
    [..."RIFF    WAVEfmt "].forEach((letter, i) => file.setUint8(i, letter.charCodeAt(0)));
    file.setUint32(4, 36 + frames * width, true);
    file.setUint32(16, 16, true);
    file.setUint16(20, 1, true);
    file.setUint16(22, removed.length, true);
    file.setUint32(24, this.sr, true);
    file.setUint32(28, this.sr * width, true);
    file.setUint16(32, width, true);
    file.setUint16(34, 16, true);
    [..."data"].forEach((letter, i) => file.setUint8(36 + i, letter.charCodeAt(0)));
    file.setUint32(40, frames * width, true);
    removed.forEach((samples, c) => samples.forEach((sample, i) => {
      file.setInt16(44 + i * width + 2 * c, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true);
    }));
    return new Blob([file.buffer], { type: "audio/wav" });
  }

  async #decode() {
    const context = new OfflineAudioContext(this.channels, 1, this.sr);
    const decode = async (id) => {
      const text = byId(id).href.split("base64,")[1];
      const buffer = await context.decodeAudioData(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
      return Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
    };
    try {
      const [before, after] = await Promise.all([decode("before"), decode("after")]);
      const removed = before.map((samples, c) => samples.map((sample, i) => sample - after[c][i]));
      return { before, after, removed };
    } catch {
      throw new Error("This browser cannot play the sound: save it below.");
    }
  }
}

const frozen = new Frozen(JSON.parse(byId("data").textContent)), listening = new Listening();
document.body.classList.add("live"); // what is shown in the view need not be shown twice
listening.open(frozen);
let file = null; // of what was removed: it is made once, since the browser keeps it as long as the page
byId("removed").addEventListener("click", async () => {
  const link = document.createElement("a");
  try {
    file ??= frozen.removed().then((wav) => URL.createObjectURL(wav));
    Object.assign(link, { href: await file, download: byId("removed").dataset.file });
    link.click();
  } catch (error) {
    listening.say(error.message);
  }
});
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    byId("copied").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("command"));
    byId("copied").textContent = "Selected: copy it with Ctrl+C";
  }
});
