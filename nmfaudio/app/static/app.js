"use strict";
// The app: recordings come in, are cleaned on the server, heard and seen here, and go out again.

async function api(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The app has ended: start `nmfaudio app` again.");
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let error = text.trim();
  try {
    ({ error } = JSON.parse(text));
  } catch { /* it is plain text */ }
  throw new Error(error);
}
const STOPPED = "stopped"; // an error that is none: other settings, or another recording, have taken the place
const NOT_YET = "not yet"; // nor is this: the cleaning has not come so far
const post = (path, value) => api(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });
const samples = async (path, options) => new Float32Array(await (await api(path, options)).arrayBuffer());
const split = (all, tracks, channels) => {
  const n = all.length / tracks.length / channels;
  const channel = (i, c) => all.subarray((i * channels + c) * n, (i * channels + c + 1) * n);
  return Object.fromEntries(tracks.map((track, i) => [track, Array.from({ length: channels }, (_, c) => channel(i, c))]));
};

// A recording on the server, cleaned with its options.
class Remote {
  tracks = ["before", "after", "removed"];
  loudness = null;
  #recording;
  #version = 0;

  constructor(address, recording) {
    const { duration, sr, played } = recording.state;
    Object.assign(this, { address, duration, sr, channels: played, nyquist: sr / 2 });
    this.#recording = recording;
  }

  get #how() {
    const { strength, attenuation_limit_db } = this.#recording.options;
    return String(new URLSearchParams({ strength, attenuation_limit_db }));
  }

  async #ask(what) { // and again, if the options have changed meanwhile
    for (;;) {
      const how = this.#how, answer = await api(`${this.address}/${what}?${how}`);
      if (how === this.#how) return answer;
    }
  }

  changed() { this.#version++; } // of the masks: pictures are drawn anew

  async numbers() {
    const found = await (await this.#ask("numbers")).json();
    this.loudness = found.loudness;
    const { loudness_lufs: wanted } = this.#recording.options, { after } = found.loudness;
    this.raisedDb = Number.isFinite(wanted) && Number.isFinite(after) ? wanted - after : 0; // when it is saved
    return found;
  }

  async peaks() {
    const peaks = new Float32Array(await (await this.#ask("peaks")).arrayBuffer()), n = peaks.length / 3;
    return Object.fromEntries(this.tracks.map((track, i) => [track, peaks.subarray(i * n, (i + 1) * n)]));
  }

  picture(track, start, stop, columns) {
    const where = new URLSearchParams({ track, start, stop, columns, version: this.#version });
    return { url: `${this.address}/picture?${where}&${this.#how}`, start, stop };
  }

  async sound(start, stop, signal) {
    let both = null;
    while (!both) {
      try {
        both = await samples(`${this.address}/sound?start=${start}&stop=${stop}&${this.#how}`, { signal });
      } catch (error) {
        if (error.message !== NOT_YET || signal.aborted) throw error;
        await sleep(0.3);
      }
    }
    const { before, after } = split(both, ["before", "after"], this.channels);
    return { before, after, removed: before.map((x, c) => x.map((sample, i) => sample - after[c][i])) };
  }
}

const listening = new Listening(), mixer = new Mixer(byId("mixer"), (name, button) => save(name, button));
const recordings = new Map(); // id -> { state, item, options, settings, preset, tab, strips }
let current = null, remote = null, defaults = null, presets = {}, polling = false, asked = false, drawn = null;

const address = () => `recordings/${current}`;
const now = () => recordings.get(current);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b); // settings
const busy = ({ state }) => Object.values(state.jobs).some((job) => !job.done);
const say = (text) => {
  byId("fault").textContent = text;
  byId("fault").hidden = !text;
};
const attempt = (work) => async (...given) => {
  try {
    await work(...given);
  } catch (error) {
    if (error.message !== STOPPED) say(error.message);
  }
};
// A button whose work goes on takes no clicks. It keeps the focus, which `disabled` would take from it.
const block = (button, going) => button.setAttribute("aria-disabled", going);
document.addEventListener("click", (event) => {
  if (event.target.closest("[aria-disabled=true]")) event.stopPropagation();
}, true);
document.addEventListener("keydown", (event) => { // a key that is held would press what gets the focus next, too
  if (event.repeat && event.key === "Enter" && event.target.closest("button")) event.preventDefault();
}, true);
const during = async (button, work) => {
  block(button, true);
  try {
    await work();
  } finally {
    block(button, false);
  }
};
const later = (seconds, work) => { // once, some time after the last call
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, 1000 * seconds);
  };
};

// --- recordings come in ---

const isReadable = (file) => file.stream().getReader().read().then(() => true, () => false);

const add = attempt(async (files) => {
  const faults = [];
  say("");
  for (const file of files) {
    byId("reading").textContent = `Reading ${file.name}…`;
    try {
      const state = await (await api(`recordings?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file })).json();
      take(state);
      if (file === files[0] || !current) await open(state.id);
    } catch (error) { // to fetch, a file that cannot be read is like an app that has ended
      faults.push(await isReadable(file) ? error.message : `${file.name}: cannot be read; of a folder, drop the files in it`);
    }
    if (faults.length) say(faults.join("\n")); // which opening a recording has wiped away
  }
  byId("reading").textContent = "";
  list();
});

function take(state) {
  const like = now(), { noise, damage, channels } = state.settings;
  recordings.set(state.id, {
    state,
    item: inList(state),
    options: { ...(like?.options ?? defaults) },
    settings: { noise, damage: [...(like?.settings.damage ?? damage)], channels: like?.settings.channels ?? channels },
    preset: like ? like.preset : channels === "linked" ? "default" : null,
    tab: "clean",
    strips: null,
  });
  list();
}

function inList({ id, name }) { // once, so that what has the focus keeps it
  const item = document.createElement("li"), button = document.createElement("button"), remove = document.createElement("button");
  Object.assign(button, { type: "button", className: "open", textContent: name });
  button.addEventListener("click", () => open(id));
  Object.assign(remove, { type: "button", className: "remove", textContent: "×" });
  remove.setAttribute("aria-label", `Remove ${name}`);
  remove.addEventListener("click", attempt(() => discard(id)));
  item.append(button, remove);
  byId("recordings").append(item);
  return item;
}

function list() {
  byId("welcome").hidden = recordings.size > 0;
  byId("work").hidden = byId("more").hidden = recordings.size === 0;
  byId("list").hidden = recordings.size < 2;
  refocus(byId(recordings.size ? "name" : "choose"));
  for (const [id, { item }] of recordings) item.firstChild.setAttribute("aria-current", id === current);
  byId("save-all").textContent = `Save all ${recordings.size} cleaned`;
}

async function discard(id) {
  const { item } = recordings.get(id);
  await during(item.lastChild, () => api(`recordings/${id}`, { method: "DELETE" }));
  const beside = item.nextSibling ?? item.previousSibling;
  if (item.contains(document.activeElement)) beside?.lastChild.focus();
  item.remove();
  recordings.delete(id);
  if (id === current) {
    current = remote = null;
    listening.close();
    const next = [...recordings.keys()][0];
    if (next) await open(next);
  }
  list();
}

// --- one of them is open ---

const open = attempt(async (id) => {
  current = id;
  remote = null;
  say("");
  listening.close();
  list();
  document.querySelector("#recordings [aria-current=true]").scrollIntoView({ block: "nearest", inline: "nearest" });
  const { state, tab } = now();
  byId("name").textContent = state.name;
  const channels = { 1: "mono", 2: "stereo" }[state.channels] ?? `${state.channels} channels`;
  byId("facts").textContent = `${clock(state.duration)} long, ${state.sr / 1000} kHz, ${channels}, ${state.format}`;
  byId("format").textContent = state.reason ? `As ${state.saved_as}, since ${state.reason}.` : `In the format of the recording, ${state.format}.`;
  byId("sentence").textContent = "";
  document.querySelector(`[name=tab][value=${tab}]`).checked = true;
  controls();
  await show();
});

const show = attempt(async () => {
  const { tab, state, settings } = now(), id = current, clean = tab === "clean", job = state.jobs.clean;
  const there = state.cleaned && same(state.settings, settings) && job?.error !== STOPPED;
  byId("clean").hidden = byId("measured").hidden = !clean;
  byId("stems").hidden = clean;
  byId("sentence").hidden = !clean;
  for (const part of document.querySelectorAll(".listen .choice, .toggle:has(#equal)")) part.hidden = !clean;
  byId("unseparated").hidden = Boolean(state.stems);
  byId("mixed").hidden = !state.stems;
  byId("mixer").hidden = !state.stems;
  byId("listen").hidden = clean ? !there : !state.stems;
  refocus(byId("name"));
  if (!clean) {
    remote = null;
    listening.close();
    if (!state.stems) return;
    const source = new Stems(address(), state.stems, state);
    await listening.open(source, source.lanes());
    if (id !== current || now().tab !== tab) return;
    now().strips = mixer.open(state.stems, listening.player, now().strips);
  } else if (there) {
    const source = new Remote(address(), now());
    const found = await source.numbers();
    if (id !== current || now().tab !== tab) return;
    remote = source;
    drawn = state;
    controls();
    numbers(found);
    await listening.open(remote);
  } else if (!job || job.done) {
    await clean_();
  }
});

async function clean_() {
  const recording = now();
  await post(`${address()}/clean`, recording.settings);
  recording.state.cleaned = 0;
  poll();
}

function numbers(found) {
  byId("sentence").textContent = found.sentence;
  byId("numbers").replaceChildren(...Object.entries(found.numbers).map(([name, [value, meaning]]) => {
    const row = document.createElement("div");
    for (const [tag, text] of [["dt", name], ["dd", value], ["dd", meaning]]) {
      const cell = document.createElement(tag);
      cell.textContent = text;
      row.append(cell);
    }
    row.lastChild.className = "quiet";
    return row;
  }));
  listening.balance();
}

// --- how it is cleaned ---

const hear = later(0.04, () => remote && listening.player.refresh());
const redraw = later(0.2, attempt(async () => {
  const source = remote, found = await source?.numbers();
  if (!source || source !== remote) return; // another one is open by now
  numbers(found);
  await listening.view.refresh();
}));

function controls() {
  const { options, settings, preset, state } = now();
  byId("strength").value = options.strength;
  byId("limit").value = options.attenuation_limit_db;
  byId("strength-value").value = `${Math.round(100 * options.strength)} %`;
  byId("limit-value").value = `${options.attenuation_limit_db} dB`;
  byId("loudness").hidden = options.loudness_lufs === undefined;
  byId("loudness").textContent = `Saved at ${options.loudness_lufs} LUFS.`.replace("-", "−");
  byId("noise-known").hidden = !settings.noise;
  byId("noise-unknown").hidden = Boolean(settings.noise);
  refocus(byId("noise-unknown"));
  if (settings.noise) byId("noise-span").textContent = settings.noise.map((s) => clock(s, 2)).join(" to ");
  for (const box of document.querySelectorAll("[name=damage]")) box.checked = settings.damage.includes(box.value);
  byId("repairs").textContent = !state.settings.damage.length ? "" : state.repairs.length ? `Done: ${state.repairs.join("; ")}.` : "No such damage was found.";
  for (const button of byId("presets").children) button.setAttribute("aria-pressed", button.value === preset);
}

for (const [id, option] of [["strength", "strength"], ["limit", "attenuation_limit_db"]]) {
  byId(id).addEventListener("input", () => {
    now().options[option] = Number(byId(id).value);
    now().preset = null;
    controls();
    hear();
    redraw();
  });
}

const change = attempt(async (settings) => {
  const recording = now(), former = recording.settings;
  say("");
  recording.settings = { ...former, ...settings };
  controls();
  try {
    await clean_();
  } catch (error) {
    goBack(recording, former);
    throw error;
  }
});

function goBack(recording, settings) { // to those that work
  recording.settings = structuredClone(settings);
  if (recording === now()) controls();
}

function choose(name) {
  const { purpose, channels = "linked", ...options } = presets[name] ?? {};
  Object.assign(now(), { options: { ...defaults, ...options }, preset: name });
  controls();
  hear();
  redraw();
  if (channels !== now().settings.channels) change({ channels });
}

function drawPresets() {
  byId("presets").replaceChildren(...["default", ...Object.keys(presets)].map((name) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", value: name, textContent: name === "asr" ? "Speech recognition" : name[0].toUpperCase() + name.slice(1), title: presets[name]?.purpose ?? "as trained" });
    button.addEventListener("click", () => choose(name));
    return button;
  }));
}

for (const box of document.querySelectorAll("[name=damage]")) {
  box.addEventListener("change", () => change({ damage: [...document.querySelectorAll("[name=damage]:checked")].map(({ value }) => value) }));
}
byId("forget").addEventListener("click", () => change({ noise: null }));
const learn = document.createElement("button");
Object.assign(learn, { type: "button", textContent: "This is the noise" });
learn.addEventListener("click", () => {
  const { start, end } = listening.view.selection;
  listening.view.select(0, 0);
  change({ noise: [start, end] });
});
byId("selection-actions").append(learn);
listening.addEventListener("select", () => { learn.hidden = now().tab !== "clean"; });

for (const tab of document.querySelectorAll("[name=tab]")) {
  tab.addEventListener("change", () => {
    now().tab = tab.value;
    show();
  });
}
byId("separate").addEventListener("click", attempt(async () => {
  await post(`${address()}/separate`, {});
  poll();
}));

// --- what the server is doing ---

const poll = attempt(async () => {
  asked = true;
  if (polling) return;
  polling = true;
  try {
    while (asked) {
      asked = false;
      if (await look()) {
        asked = true;
        await sleep(0.3);
      }
    }
  } finally {
    polling = false;
  }
});

async function look() {
  const found = await (await api("recordings")).json();
  for (const state of found.recordings) {
    const known = recordings.get(state.id);
    if (known) known.state = state;
  }
  progress(found);
  if (current) await follow();
  return !found.ready || found.saving && !found.saving.done || [...recordings.values()].some(busy);
}

// Show more of the recording that is open as it becomes ready.
async function follow() {
  const { state, tab, settings } = now(), job = state.jobs[tab === "clean" ? "clean" : "separate"];
  if (job?.done && job.error && job.error !== STOPPED) {
    say(job.error);
    if (same(job.settings, settings) && !same(settings, state.settings)) {
      goBack(now(), state.settings);
      if (state.cleaned < 1) return clean_(); // which was given up for the others
    }
  }
  if (tab === "stems") {
    if (state.stems && byId("unseparated").hidden === false) await show();
  } else if (!remote && (state.cleaned || job?.error === STOPPED)) {
    await show();
  } else if (remote && (state.version !== drawn.version || state.cleaned > drawn.cleaned + 0.2 || state.cleaned === 1 && drawn.cleaned < 1)) {
    if (state.version !== drawn.version) hear();
    drawn = state;
    remote.changed();
    controls();
    redraw();
  }
}

function progress({ ready, saving }) {
  const { state, tab } = now() ?? { state: { jobs: {} } };
  const { clean, separate } = state.jobs, stems = tab === "stems", job = stems ? separate : clean;
  block(byId("separate"), Boolean(separate && !separate.done));
  byId("progress").hidden = !job || job.done;
  const bar = byId("progress").firstElementChild;
  if (job?.part) bar.value = job.part;
  else bar.removeAttribute("value");
  byId("progress").lastElementChild.textContent = ready ? `${stems ? "Separating" : "Cleaning"}… ${Math.round(100 * (job?.part ?? 0))} %` : "Getting ready: compiling, this once";
  byId("state").textContent = saving && !saving.done ? `Saving all… ${Math.round(100 * saving.part)} %` : "";
}

// --- what goes out ---

const save = attempt((what, button) => during(button, async () => {
  say("");
  const id = current, kind = `save ${what}`, text = button.textContent;
  const options = what === "mix" ? mixer.levels() : now().options;
  try {
    await post(`recordings/${id}/save`, { what, settings: now().settings, options });
    for (;;) {
      const state = await (await api(`recordings/${id}`)).json(), job = state.jobs[kind];
      if (job.done) {
        if (job.error) throw new Error(job.error);
        download(`recordings/${id}/files/${encodeURIComponent(what)}`, state.files[what]);
        return;
      }
      button.textContent = `Saving… ${Math.round(100 * job.part)} %`;
      await sleep(0.15);
    }
  } finally {
    button.textContent = text;
  }
}));

function download(href, name) {
  const link = document.createElement("a");
  Object.assign(link, { href, download: name });
  link.click();
}

for (const button of document.querySelectorAll("[data-save]")) button.addEventListener("click", () => save(button.dataset.save, button));
byId("save-all").addEventListener("click", attempt(() => during(byId("save-all"), async () => {
  await post("save", Object.fromEntries([...recordings].map(([id, { settings, options }]) => [id, { settings, options }])));
  poll(); // shows how far it is, and goes on as long as other work does
  for (;;) {
    const { saving } = await (await api("recordings")).json();
    if (saving.done) {
      if (saving.error) throw new Error(saving.error);
      download("saved.zip", "cleaned.zip");
      return;
    }
    await sleep(0.2);
  }
})));
byId("same").addEventListener("click", () => {
  const { options, settings, preset } = now();
  for (const [id, other] of recordings) {
    if (id === current) continue;
    Object.assign(other, { options: { ...options }, preset });
    Object.assign(other.settings, { damage: [...settings.damage], channels: settings.channels });
  }
});

for (const id of ["add", "choose"]) {
  byId(id).addEventListener("change", () => {
    add([...byId(id).files]);
    byId(id).value = "";
  });
}
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  add([...event.dataTransfer.files]);
});

attempt(async () => {
  const found = await (await api("recordings")).json();
  defaults = { strength: 1, attenuation_limit_db: found.limit };
  presets = found.presets;
  drawPresets();
  for (const state of found.recordings) take(state);
  list();
  if (recordings.size) await open([...recordings.keys()][0]);
  poll();
})();
