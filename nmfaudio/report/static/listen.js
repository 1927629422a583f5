"use strict";
// Controls of the part to listen to: they bring player and view together, for one recording at a time.

const byId = (id) => document.getElementById(id);
const refocus = (place) => { // from what was hidden, which cannot have the focus
  if (document.activeElement.closest("[hidden]")) place.focus();
};
const LANES = {
  before: { track: "before", label: "Before", tone: "before", picture: true },
  after: { track: "after", label: "After", tone: "after", picture: true },
  removed: { track: "removed", label: "Removed", tone: "removed", picture: true },
};

class Listening extends EventTarget {
  player = null;
  view = null;
  #radios = [...document.querySelectorAll("[name=heard]")];
  #keys = {
    " ": () => this.toggle(), 1: () => this.hear("before"), 2: () => this.hear("after"), 3: () => this.hear("removed"),
    j: () => this.step(-1), l: () => this.step(1), i: () => this.#mark("start"), o: () => this.#mark("end"),
    r: () => byId("loop").click(), e: () => byId("equal").click(), escape: () => this.view.select(0, 0),
    "+": () => this.view.zoomBy(2), "=": () => this.view.zoomBy(2), "-": () => this.view.zoomBy(0.5), 0: () => this.view.zoomBy(0),
  };

  constructor() {
    super();
    byId("play").addEventListener("click", () => this.toggle());
    for (const radio of this.#radios) radio.addEventListener("change", () => this.hear(radio.value));
    byId("equal").addEventListener("change", () => this.balance());
    byId("loop").addEventListener("change", () => this.#loop());
    byId("position").addEventListener("input", () => { this.player.currentTime = Number(byId("position").value); });
    byId("unselect").addEventListener("click", () => this.view.select(0, 0));
    for (const [id, side] of [["from", "start"], ["to", "end"]]) {
      byId(id).addEventListener("change", () => this.view?.selection && this.#mark(side, Number(byId(id).value)));
    }
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.view.zoomBy(Number(button.dataset.zoom)));
    }
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  // Show a recording; `lanes` are those of a mixer, unless it is one of before and after.
  async open(source, lanes = null) {
    this.close();
    this.source = source;
    this.mixed = Boolean(lanes);
    this.player = new Player(source);
    this.view = new View(byId("view"), this.player, source, lanes ?? [LANES.before, this.#second()]);
    byId("view").classList.toggle("mixed", this.mixed);
    byId("position").max = source.duration;
    for (const event of ["play", "pause", "timeupdate", "waiting"]) this.player.addEventListener(event, () => this.#show());
    this.player.addEventListener("trouble", (event) => this.say(event.detail));
    this.view.addEventListener("select", () => this.#selected());
    this.say("");
    this.balance();
    this.#loop();
    this.#show();
    await this.view.open();
  }

  close() {
    this.player?.close();
    this.view?.close();
    this.player = this.view = null;
    byId("selection").hidden = true;
    refocus(byId("play"));
  }

  get heard() { return this.#radios.find((radio) => radio.checked).value; }

  toggle() { return this.player.paused ? this.player.play() : this.player.pause(); }

  step(seconds) { this.player.currentTime += seconds; }

  hear(name) {
    this.#radios.find((radio) => radio.value === name).checked = true;
    if (this.mixed) return;
    this.balance();
    this.view?.show(1, this.#second());
  }

  // Let one of the tracks be heard; of before and after the louder one is lowered, if asked for.
  balance() {
    if (this.mixed || !this.player) return;
    const { before, after } = this.source.loudness ?? {};
    const known = byId("equal").checked && Number.isFinite(before) && Number.isFinite(after);
    const equal = { before: Math.min(0, after - before), after: Math.min(0, before - after) };
    const changedDb = known ? equal : { after: this.source.raisedDb ?? 0 };
    for (const track of this.source.tracks) {
      this.player.setLevel(track, track === this.heard ? 10 ** ((changedDb[track] ?? 0) / 20) : 0);
    }
  }

  say(text) {
    byId("trouble").textContent = text;
    byId("trouble").hidden = !text;
  }

  #second() { return this.heard === "removed" ? LANES.removed : LANES.after; }

  #mark(side, at = this.player.currentTime) {
    const { start, end } = this.view.selection ?? { start: at, end: this.player.duration };
    if (side === "start") this.view.select(at, end > at ? end : this.player.duration);
    else this.view.select(start < at ? start : 0, at);
  }

  #selected() {
    const range = this.view.selection;
    byId("selection").hidden = !range;
    refocus(byId("play"));
    if (range) {
      byId("from").value = range.start.toFixed(2);
      byId("to").value = range.end.toFixed(2);
    }
    this.#loop();
    this.dispatchEvent(new Event("select"));
  }

  #loop() {
    if (!this.player) return;
    const range = byId("loop").checked ? this.view.selection ?? { start: 0, end: this.player.duration } : null;
    const now = this.player.loop;
    if (range?.start === now?.start && range?.end === now?.end) return;
    this.player.loop = range;
    if (range && !this.player.paused && (this.player.currentTime < range.start || this.player.currentTime > range.end)) {
      this.player.currentTime = range.start;
    }
  }

  #show() {
    const { currentTime, duration, paused, waiting } = this.player;
    byId("play").textContent = paused ? "Play" : waiting ? "Wait…" : "Pause";
    byId("play").setAttribute("aria-pressed", !paused);
    byId("position").value = currentTime;
    byId("position").setAttribute("aria-valuetext", clock(currentTime));
    byId("clock").value = `${clock(currentTime)} of ${clock(duration)}`;
  }

  #key(event) {
    if (!this.player || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event, typing = target.matches("input:not([type=range], [type=checkbox], [type=radio]), select, textarea");
    const pressing = event.key === " " && target.closest("button, a, summary, input:not([type=range])");
    const key = event.key.toLowerCase(), action = this.#keys[key];
    if (!action || typing && key !== "escape" || pressing) return;
    event.preventDefault();
    if (!(event.repeat && " re".includes(key))) action(); // what is turned on and off is so once, however long it is held
  }
}
