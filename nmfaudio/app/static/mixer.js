"use strict";
// Stems of a recording: what is played and drawn of them, and a strip with mute, solo and fader for each.

const SILENT_DB = -60;

class Stems {
  constructor(address, names, { duration, sr, played }) {
    Object.assign(this, { address, tracks: names, duration, sr, channels: played, nyquist: sr / 2 });
  }

  lanes() { return this.tracks.map((track, i) => ({ track, label: track, tone: `stem-${i % 6}` })); }

  async peaks() {
    const peaks = await samples(`${this.address}/stems/peaks`), n = peaks.length / this.tracks.length;
    return Object.fromEntries(this.tracks.map((track, i) => [track, peaks.subarray(i * n, (i + 1) * n)]));
  }

  async sound(start, stop) {
    return split(await samples(`${this.address}/stems/sound?start=${start}&stop=${stop}`), this.tracks, this.channels);
  }
}

class Mixer {
  #box;
  #strips = [];
  #player;
  #save;

  constructor(box, save) {
    this.#box = box;
    this.#save = save;
  }

  open(names, player, strips) {
    this.#player = player;
    this.#strips = strips ?? names.map((name) => ({ name, mute: false, solo: false, db: 0 }));
    this.#box.replaceChildren(...this.#strips.map((strip, i) => this.#draw(strip, i)));
    this.#apply();
    return this.#strips;
  }

  // The factor of each stem.
  levels() {
    const solo = this.#strips.some((strip) => strip.solo);
    const heard = ({ mute, solo: alone, db }) => !mute && (alone || !solo) && db > SILENT_DB;
    return Object.fromEntries(this.#strips.map((strip) => [strip.name, heard(strip) ? 10 ** (strip.db / 20) : 0]));
  }

  #apply() {
    for (const [name, level] of Object.entries(this.levels())) this.#player.setLevel(name, level);
  }

  #draw(strip, i) {
    const box = document.createElement("section"), title = document.createElement("h2"), keys = document.createElement("div");
    box.className = "panel strip";
    box.style.setProperty("--tone", `var(--stem-${i % 6})`);
    title.textContent = strip.name;
    keys.className = "group";
    for (const what of ["mute", "solo"]) {
      const button = this.#button(what[0].toUpperCase() + what.slice(1), `${what} ${strip.name}`);
      button.setAttribute("aria-pressed", strip[what]);
      button.addEventListener("click", () => {
        strip[what] = !strip[what];
        button.setAttribute("aria-pressed", strip[what]);
        this.#apply();
      });
      keys.append(button);
    }
    const save = this.#button("Save", `save ${strip.name}`);
    save.addEventListener("click", () => this.#save(strip.name, save));
    keys.append(save);
    const label = document.createElement("label"), value = document.createElement("output"), fader = document.createElement("input");
    Object.assign(fader, { type: "range", min: SILENT_DB, max: 6, step: 0.5, value: strip.db, id: `fader-${i}` });
    label.htmlFor = fader.id;
    label.append("Level ", value);
    const show = () => {
      value.value = strip.db > SILENT_DB ? `${strip.db.toFixed(1)} dB` : "silent";
      fader.setAttribute("aria-valuetext", `${strip.name}: ${value.value}`);
    };
    fader.addEventListener("input", () => {
      strip.db = Number(fader.value);
      show();
      this.#apply();
    });
    show();
    box.append(title, keys, label, fader);
    return box;
  }

  #button(text, label) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: text });
    button.setAttribute("aria-label", label);
    return button;
  }
}
