"use strict";
// Waveforms and spectrograms of the tracks of a recording, one above the other, over one axis of time.

const RULER = 24; // height in pixels
const STEPS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600]; // seconds
const clock = (seconds, digits = 1) => {
  const unit = 10 ** digits, whole = Math.round(seconds * unit + 1e-9) / unit;
  const rest = (whole % 60).toFixed(digits), minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
  const padded = rest.padStart(digits ? digits + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${padded}` : `${minutes}:${padded}`;
};
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

class View extends EventTarget {
  #box;
  #player;
  #source;
  #lanes;
  #wave;
  #regions;
  #pictures = [];
  #ruler;
  #peaks = null;
  #due = false;
  #turn = 0;
  #zoom = 0; // pixels a second; 0 for the whole
  #screens = ["(prefers-color-scheme: dark)", "(max-width: 40rem)"].map((query) => matchMedia(query)); // as in listen.css
  #redraw = () => this.draw();

  // A lane is { track, label, tone, picture }: `tone` names a colour of the style, `picture` asks for a spectrogram.
  constructor(box, player, source, lanes) {
    super();
    this.#box = box;
    this.#player = player;
    this.#source = source;
    this.#lanes = lanes;
    for (const screen of this.#screens) screen.addEventListener("change", this.#redraw);
  }

  async open() {
    this.#peaks = await this.#source.peaks();
    if (!this.#lanes) return; // closed meanwhile
    this.#regions = WaveSurfer.Regions.create();
    this.#wave = WaveSurfer.create({
      container: this.#box,
      media: this.#player,
      duration: this.#source.duration,
      cursorWidth: 2,
      ...this.#look(),
      plugins: [this.#regions],
    });
    const wrapper = this.#wave.getWrapper(), scroll = wrapper.parentElement;
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Waveforms and spectrograms, time to the right");
    for (const lane of this.#lanes.filter((lane) => lane.picture)) {
      const frame = document.createElement("div"), image = document.createElement("img");
      frame.setAttribute("part", "picture");
      frame.style.cssText = "position: relative; overflow: hidden";
      image.style.cssText = "position: absolute; top: 0; height: 100%; pointer-events: none; max-width: none";
      image.alt = `Spectrogram: ${lane.label}`;
      image.draggable = false;
      frame.append(image);
      wrapper.append(frame);
      this.#pictures.push({ lane, image, turn: 0 });
    }
    this.#ruler = document.createElement("div");
    this.#ruler.style.cssText = `position: relative; overflow: hidden; height: ${RULER}px; font-size: 12px; white-space: nowrap`;
    wrapper.append(this.#ruler);
    this.#label();
    this.#regions.enableDragSelection({ color: colour("selection") });
    this.#regions.on("region-created", (region) => {
      for (const other of this.#regions.getRegions()) if (other !== region) other.remove();
      this.#tell("select");
    });
    this.#regions.on("region-updated", () => this.#tell("select"));
    for (const event of ["redrawcomplete", "scroll", "zoom"]) this.#wave.on(event, () => this.#draw());
    scroll.addEventListener("wheel", (event) => { // it goes with this view; the box stays
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
    }, { passive: false });
  }

  close() {
    for (const screen of this.#screens) screen.removeEventListener("change", this.#redraw);
    this.#lanes = null;
    this.#wave?.destroy();
    this.#box.replaceChildren();
  }

  // Show a track in the place of another.
  show(i, lane) {
    if (lane === this.#lanes[i]) return;
    this.#lanes[i] = lane;
    const pictured = this.#lanes.filter((lane) => lane.picture);
    this.#pictures.forEach((picture, k) => {
      picture.lane = pictured[k];
      picture.image.alt = `Spectrogram: ${pictured[k].label}`;
    });
    if (this.#wave) this.draw();
  }

  async refresh() { // after the source has changed
    const peaks = await this.#source.peaks();
    if (!this.#wave || !this.#lanes) return;
    this.#peaks = peaks;
    this.draw();
  }

  draw() {
    if (!this.#wave) return;
    this.#wave.setOptions({ ...this.#look(), duration: this.#source.duration });
    this.#wave.getRenderer().render(this.#wave.getDecodedData()); // setOptions draws the former peaks
    this.#label();
    this.#draw();
  }

  // From and to which time is selected, or null.
  get selection() {
    const region = this.#regions?.getRegions()[0];
    return region && region.end > region.start ? { start: region.start, end: region.end } : null;
  }

  select(start, end) {
    this.#regions.clearRegions();
    if (end > start) this.#regions.addRegion({ start, end, color: colour("selection") });
    else this.#tell("select");
  }

  zoomBy(factor) {
    const width = this.#wave.getWidth(), whole = width / this.#source.duration;
    const most = Math.max(whole, Math.min(400, 8e6 / this.#source.duration));
    const wanted = factor ? Math.min(most, Math.max(this.#zoom, whole) * factor) : 0;
    this.#zoom = wanted > 1.001 * whole ? wanted : 0;
    this.#wave.zoom(this.#zoom);
    if (this.#zoom) this.#wave.setScroll(this.#player.currentTime * this.#zoom - width / 2);
  }

  #look() {
    const loudest = Math.max(1e-6, ...Object.values(this.#peaks).map((peaks) => peaks.reduce((a, b) => Math.max(a, b), 0)));
    const height = this.#height("--wave");
    return {
      peaks: this.#lanes.map(({ track }) => this.#peaks[track].map((peak) => peak / loudest)),
      splitChannels: this.#lanes.map(({ tone }) => ({ waveColor: colour(tone), progressColor: colour(tone), height })),
      cursorColor: colour("cursor"),
    };
  }

  #height(name) { return parseFloat(getComputedStyle(this.#box).getPropertyValue(name)); }

  #label() {
    this.#box.querySelectorAll(".lane, .hertz").forEach((label) => label.remove());
    const put = (text, kind, top) => {
      const label = document.createElement("span");
      label.className = kind;
      label.textContent = text;
      label.style.top = `${top}px`;
      this.#box.append(label);
    };
    const wave = this.#height("--wave"), picture = this.#height("--picture");
    this.#lanes.forEach((lane, i) => put(lane.label, "lane", i * wave + 4));
    let top = this.#lanes.length * wave;
    const mel = (hz) => Math.log1p(hz / 700), nyquist = this.#source.nyquist;
    for (const lane of this.#lanes.filter((lane) => lane.picture)) {
      put(lane.label, "lane light", top + 4);
      let above = 0;
      for (const hz of [20000, 10000, 5000, 2000, 1000, 500, 200]) {
        const y = picture * (1 - mel(hz) / mel(nyquist));
        if (y < above + 18 || y > picture - 10) continue;
        put(hz < 1000 ? `${hz} Hz` : `${hz / 1000} kHz`, "hertz", top + y);
        above = y;
      }
      top += picture;
    }
  }

  // Draw the spectrograms of what is in sight, and of a little more.
  async #draw() {
    if (this.#due) return;
    this.#due = true;
    await sleep(0.06);
    this.#due = false;
    if (!this.#lanes) return;
    const { duration } = this.#source, pixels = Math.max(this.#wave.getWidth(), 1), whole = this.#zoom ? this.#zoom * duration : pixels;
    const first = this.#wave.getScroll() / whole, span = pixels / whole;
    const start = Math.max(0, first - span / 2) * duration, stop = Math.min(1, first + 1.5 * span) * duration;
    const columns = Math.round(Math.min(2, devicePixelRatio) * pixels * (stop - start) / (span * duration));
    this.#rule(start, stop, pixels / (span * duration));
    const turn = ++this.#turn;
    for (const place of this.#pictures) {
      const next = new Image(), picture = this.#source.picture(place.lane.track, start, stop, Math.min(4000, columns));
      next.src = picture.url;
      next.decode().then(() => {
        if (turn < place.turn) return; // a later one was faster
        place.turn = turn;
        place.image.src = picture.url;
        place.image.style.left = `${100 * picture.start / duration}%`;
        place.image.style.width = `${100 * (picture.stop - picture.start) / duration}%`;
      }, () => {});
    }
  }

  #rule(start, stop, pixelsASecond) {
    const step = STEPS.find((seconds) => seconds * pixelsASecond >= 70) ?? STEPS.at(-1), marks = [];
    for (let i = Math.ceil(start / step); i * step < stop; i++) {
      const mark = document.createElement("span");
      mark.style.cssText = `position: absolute; left: ${100 * i * step / this.#source.duration}%; height: 100%; padding: 3px 0 0 5px; border-left: 1px solid`;
      if ((this.#source.duration - i * step) * pixelsASecond > 50) mark.textContent = clock(i * step, step < 0.1 ? 2 : step < 1 ? 1 : 0);
      marks.push(mark);
    }
    this.#ruler.replaceChildren(...marks);
  }

  #tell(event) { this.dispatchEvent(new Event(event)); }
}
