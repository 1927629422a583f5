"use strict";
// Player of several tracks of one recording in step, piece by piece, so that an hour needs no more memory than a
// minute. Any mix of the tracks is heard; what is heard changes in place, to the sample. It has the face of an audio
// element, which wavesurfer.js expects.

const AHEAD_S = 6, FIRST_S = 1, PIECE_S = 4, LEAD_S = 0.03, FADE_S = 0.005;
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

class Player extends EventTarget {
  paused = true;
  ended = false;
  waiting = false; // for sound that is not there yet
  seeking = false;
  readyState = 4;
  volume = 1;
  muted = false;
  playbackRate = 1;
  src = "";
  #source;
  #context = null;
  #levels = {};
  #gains = {};
  #parts = []; // that are scheduled: from position `start` to `stop`, at the time `at` of the context
  #position = 0; // while nothing is scheduled
  #cursor = 0; // where the next part begins
  #fresh = true; // the next part does not go on where the last one ends
  #filling = new AbortController(); // of what is asked for now
  #loop = null;

  // A source has duration, sr, channels, tracks, and sound(start, stop, signal): a promise of the channels of each
  // track, which nobody waits for any more once the signal is aborted.
  constructor(source) {
    super();
    this.#source = source;
    for (const track of source.tracks) this.#levels[track] = 1;
  }

  get duration() { return this.#source.duration; }

  get loop() { return this.#loop; }

  set loop(range) { // { start, end } in seconds, or null
    this.#loop = range;
    if (!this.paused) this.refresh();
  }

  get currentTime() {
    if (this.paused || !this.#context) return this.#position;
    const now = this.#context.currentTime;
    const part = this.#parts.findLast((part) => part.at <= now);
    return part ? Math.min(part.stop, part.start + now - part.at) : this.#position;
  }

  set currentTime(seconds) {
    this.#position = Math.max(0, Math.min(this.duration, seconds));
    this.ended = false;
    this.#tell("seeking");
    if (!this.paused) {
      this.#silence();
      this.refresh(this.#position);
    }
    this.#tell("timeupdate", "seeked");
  }

  // The loudness of a track, as a factor.
  setLevel(track, level) {
    this.#levels[track] = level;
    if (this.#gains[track]) this.#gains[track].gain.setTargetAtTime(level, this.#context.currentTime, FADE_S);
  }

  level(track) { return this.#levels[track]; }

  async play() {
    if (!this.paused) return;
    if (!this.#context) this.#open();
    this.#context.resume();
    const { start, end } = this.#loop ?? { start: 0, end: this.duration };
    if (this.#position >= end - 0.02 || this.#loop && this.#position < start) this.#position = start;
    this.paused = this.ended = false;
    this.#tell("play");
    this.refresh(this.#position);
    this.#tick();
  }

  pause() {
    if (this.paused) return;
    this.#position = this.currentTime;
    this.paused = true;
    this.#filling.abort();
    this.#silence();
    this.waiting = false;
    this.#tell("pause", "timeupdate");
  }

  // Get the sound anew from here on, after the source has changed.
  refresh(from = this.currentTime) {
    this.#filling.abort();
    this.#filling = new AbortController();
    this.#cursor = from;
    this.#fresh = true;
    if (!this.paused) this.#fill(this.#filling.signal);
  }

  close() {
    this.pause();
    this.#context?.close();
    this.#context = null;
  }

  #open() {
    try {
      this.#context = new AudioContext({ sampleRate: this.#source.sr }); // else parts would be resampled one by one
    } catch {
      this.#context = new AudioContext();
    }
    for (const track of this.#source.tracks) {
      const gain = new GainNode(this.#context, { gain: this.#levels[track] });
      gain.connect(this.#context.destination);
      this.#gains[track] = gain;
    }
  }

  get #horizon() {
    const last = this.#parts.at(-1);
    return last ? last.at + last.stop - last.start : 0;
  }

  async #fill(signal) {
    while (!signal.aborted) {
      if (!this.#fresh && this.#horizon - this.#context.currentTime > AHEAD_S) {
        await sleep(0.1);
        continue;
      }
      const inLoop = this.#loop && this.#cursor < this.#loop.end;
      const limit = inLoop ? this.#loop.end : this.duration;
      if (this.#cursor >= limit - 1e-6) return;
      const start = this.#cursor, stop = Math.min(limit, start + (this.#fresh ? FIRST_S : PIECE_S));
      let sound;
      try {
        sound = await this.#source.sound(start, stop, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.pause();
        this.dispatchEvent(new CustomEvent("trouble", { detail: error.message }));
        return;
      }
      if (signal.aborted) return;
      this.#schedule(sound, start, stop);
      this.#cursor = inLoop && stop >= limit - 1e-6 ? this.#loop.start : stop;
    }
  }

  #schedule(sound, start, stop) {
    const context = this.#context;
    let at = Math.max(this.#horizon, context.currentTime + LEAD_S), offset = 0;
    if (this.#fresh) {
      at = context.currentTime + LEAD_S;
      if (this.#parts.length) { // it still plays: go on at the place where it will be by then
        offset = this.currentTime + LEAD_S - start;
        if (offset < 0 || offset >= stop - start) offset = 0;
        this.#silence(at);
      }
    }
    const nodes = [];
    for (const [track, channels] of Object.entries(sound)) {
      if (!channels[0].length) continue;
      const buffer = context.createBuffer(channels.length, channels[0].length, this.#source.sr);
      channels.forEach((samples, c) => buffer.copyToChannel(samples, c));
      const source = new AudioBufferSourceNode(context, { buffer });
      const fade = new GainNode(context, { gain: this.#fresh ? 0 : 1 });
      if (this.#fresh) fade.gain.setTargetAtTime(1, at, FADE_S);
      source.connect(fade).connect(this.#gains[track]);
      source.start(at, offset);
      nodes.push({ source, fade });
    }
    this.#parts.push({ at, start: start + offset, stop, nodes });
    this.#fresh = false;
  }

  #silence(at = this.#context.currentTime) {
    for (const { nodes } of this.#parts) {
      for (const { source, fade } of nodes) {
        fade.gain.setTargetAtTime(0, at, FADE_S);
        source.stop(at + 10 * FADE_S);
      }
    }
    this.#parts = [];
  }

  #tick() {
    if (this.paused) return;
    const now = this.#context.currentTime, late = this.#horizon < now;
    this.#position = this.currentTime;
    while (this.#parts.length > 1 && this.#parts[1].at < now) this.#parts.shift();
    if (late && this.#parts.length && this.#cursor >= this.duration - 1e-6) {
      this.pause();
      this.#position = this.duration;
      this.ended = true;
      this.#tell("timeupdate", "ended");
      return;
    }
    if (late !== this.waiting) {
      this.waiting = late;
      this.#tell("waiting");
    }
    this.#tell("timeupdate");
    requestAnimationFrame(() => this.#tick());
  }

  #tell(...events) {
    for (const event of events) this.dispatchEvent(new Event(event));
  }
}
