// The page that a Mirage daemon serves: the picture before and after, live, and everything that shapes it.

import { MirageClient, toImageData } from "./mirage.js";
import { createControls } from "./controls.js";
import { showFigures } from "./figures.js";
import { blend } from "./lists.js";
import { createPlot } from "./plot.js";
import { createShow, isThere, sentence } from "./show.js";
import { openSource } from "./sources.js";

const SLOW_DRAW = 250; // milliseconds after which the scene moves on though no frame can be sent
const STREAM = new URLSearchParams(location.search).get("stream") ?? "main";
const URL_OF_STREAM = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/${STREAM}`;

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const before = $("before").getContext("2d", { alpha: false, willReadFrequently: true });
const after = $("after").getContext("2d");
const bind = (action, parameter) => steering.play(action, { parameter });
const controls = createControls($("parameters"), $("guiding"), change, bind);
const booth = createShow($("show"), (action, fields) => steering.play(action, fields));
const plot = createPlot(document.querySelector("#plot canvas"), () => frames);

let frames = new MirageClient(); // sends or watches
let steering = frames; // sets parameters: another connection where this page only watches
let source = null;
let watching = false;
let paused = false;
let status = { state: "waiting", message: "" };
let showKnown = false; // whether the server has said what its show is, or that it has none
let pictures = 0; // shown since the last connection
let remembered = { memory: 0, resets: 0 }; // of the last picture
let [clock, drawn] = [0, 0]; // the scene's own seconds, and when it was last drawn
let listening = new AbortController();

// ---------------------------------------------------------------------------------------------- Connection

/** Take part in the stream, as its source or as somebody who watches and steers. */
async function join(role, { takeOver = false } = {}) {
  const ours = frames.state === "connected" && !watching; // the source's place, which the server may not know as left
  leave();
  watching = role === "viewer";
  frames = new MirageClient();
  steering = watching ? new MirageClient() : frames;
  listening = new AbortController();
  const on = (client, event, listener) => client.addEventListener(event, listener, { signal: listening.signal });
  on(frames, "state", refresh);
  on(frames, "status", ({ detail }) => {
    status = detail;
    refresh();
  });
  on(frames, "result", ({ detail }) => show(detail));
  on(frames, "error", ({ detail }) => explain(detail));
  on(steering, "state", refresh);
  on(steering, "parameters", ({ detail }) =>
    detail.type === "ready" ? prepare(detail.parameters) : learn(detail.parameters),
  );
  on(steering, "show", ({ detail }) => showShow(detail));
  document.body.classList.toggle("watching", watching);
  $("source-form").hidden = watching;
  tell(null);
  refresh();
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
  const options = { role, token, takeOver: takeOver || (ours && role === "source"), client: "mirage page" };
  // Why a connection was refused comes as an `error` event too, which also tells of later ones.
  const joined = [frames.connect(URL_OF_STREAM, options)];
  if (watching) joined.push(steering.connect(URL_OF_STREAM, { ...options, role: "controller" }));
  const [steers] = joined.slice(-1);
  steers.then(() => steering.play("watch")).catch(() => (showKnown = steering.state === "connected"));
  await Promise.allSettled(joined);
}

function leave() {
  listening.abort();
  frames.disconnect();
  steering.disconnect();
  [status, pictures] = [{ state: "waiting", message: "" }, 0];
  showShow(null);
}

/** The server has accepted us: build what depends on it. */
function prepare(parameters) {
  const { model, stream, server, parameters: table, capabilities } = steering.server;
  $("about").textContent = [model.name, model.description].filter(Boolean).join(" — ");
  $("about").title = `${server}, stream “${stream}”`;
  document.title = stream === "main" ? "Mirage" : `Mirage · ${stream}`;
  const prompt = table.find(({ name }) => name === "prompt");
  $("prompt-form").hidden = !prompt;
  Object.assign($("prompt"), { maxLength: prompt?.max_length ?? 1000, title: prompt?.help ?? "" });
  $("looks").replaceChildren(...(model.looks ?? []).map(chip));
  for (const input of document.querySelectorAll("input[name=size]")) {
    input.disabled = Number.parseInt(input.value) > (capabilities.max_width ?? Infinity);
  }
  controls.build(table.filter(({ name }) => !model.unused?.includes(name)));
  learn(parameters, false);
  tell(null);
  refresh();
}

function explain(error) {
  const watch = ["Watch and steer", () => join("viewer")];
  if (error.code === "unauthorized") {
    const wrong = location.hash.includes("token=");
    const problem = wrong ? "This is not the server's token." : "This server asks for a token.";
    tell(`${problem} Whoever started it with --token knows it.`, [], true);
  } else if (error.code === "source-taken") {
    tell(`Somebody else is the source of the stream “${STREAM}”.`, [
      watch,
      ["Take over", () => join("source", { takeOver: true })],
    ]);
  } else if (error.code !== "unreachable") {
    tell(
      `${error.message}.`.replace(/\.\.$/, "."),
      frames.state === "disconnected" ? [["Try again", () => join("source")]] : [],
    );
  }
  refresh();
}

/** Show a notice with what can be done about it, or none. */
function tell(text, actions = [], token = false) {
  $("notice").hidden = text === null;
  $("notice-text").textContent = text ?? "";
  $("token-form").hidden = !token;
  $("notice-actions").replaceChildren(
    ...actions.map(([label, action], index) => {
      const button = Object.assign(document.createElement("button"), {
        type: "button",
        textContent: label,
        onclick: action,
      });
      button.classList.toggle("main", index === 0);
      return button;
    }),
  );
  if (token) $("token").focus();
}

/** Bring state, veil and controls in line with what is known. */
function refresh() {
  const live = frames.state === "connected";
  const waiting = live && watching && status.state === "waiting";
  const recovering = live && status.state === "recovering";
  const held = live && status.state === "paused";
  const running = paused || held ? "paused" : "live";
  $("state").textContent = recovering ? "recovering" : waiting ? "waiting" : live ? running : frames.state;
  $("state").dataset.state = recovering ? "recovering" : frames.state;
  $("veil-text").textContent = veil(live, waiting, recovering, held);
  $("veil").hidden = !$("veil-text").textContent;
  const enabled = steering.state === "connected";
  $("resume").hidden = !held || !enabled;
  controls.enable(enabled);
  booth.enable(enabled);
  for (const input of $("prompt-form").querySelectorAll("input, button")) input.disabled = !enabled;
  if (waiting && $("notice").hidden)
    tell("Nobody sends pictures to this stream.", [["Send from this page", () => join("source")]]);
  if (watching && ["streaming", "paused"].includes(status.state)) tell(null);
}

function veil(live, waiting, recovering, held) {
  if (frames.state === "connecting") return "Looking for the server…";
  if (frames.state === "reconnecting") return "The connection was lost. Trying again…";
  if (recovering) return status.message || "The model is being started again…";
  if (waiting) return "Waiting for a source…";
  if (held) return "Somebody has paused the stream.";
  if (live && !pictures) return paused ? "Paused" : "The first picture is on its way…";
  return "";
}

// ------------------------------------------------------------------------------------------------- Pictures

function show({ id, lag, planes, memory, resets }) {
  remembered = { memory, resets };
  const picture = toImageData(planes.color);
  const { width, height } = picture;
  if ($("after").width !== width || $("after").height !== height) Object.assign($("after"), { width, height });
  after.putImageData(picture, 0, 0);
  frames.shown(id - lag);
  const late = lag ? `, ${lag} ${lag > 1 ? "frames" : "frame"} behind` : "";
  $("after-note").textContent = `frame ${(id - lag).toLocaleString("en")}${late}, ${width} × ${height}`;
  if (!pictures++) refresh();
}

function tick(now) {
  requestAnimationFrame(tick);
  plot.tick(now);
  if (!source || paused || watching) return void (drawn = now);
  const ended = source.ended();
  if (ended) return void choose("scene", ended);
  const held = status.state === "paused";
  if ((held || !frames.canSend) && now - drawn < SLOW_DRAW) return;
  clock += Math.min((now - drawn) / 1000, 0.25);
  drawn = now;
  source.draw(before, clock);
  const { width, height } = before.canvas;
  if (held && frames.stats().inFlight) return; // one frame that waits there is enough: more would only be dropped
  if (frames.canSend) frames.send(before.getImageData(0, 0, width, height));
}

/** Change the source; a source that cannot be had is explained, and the scene takes its place. */
async function choose(kind, problem = null) {
  source?.stop();
  source = null;
  try {
    source = await openSource(kind);
    if (problem) tell(problem);
    else if (frames.state === "connected") tell(null);
    $("before-note").textContent = source.note;
    for (const input of document.querySelectorAll("input[name=source]")) input.checked = input.value === kind;
  } catch (error) {
    await choose("scene", error.message);
  }
}

function pause(wanted) {
  paused = wanted;
  $("pause").textContent = paused ? "Start" : "Pause";
  $("pause").setAttribute("aria-pressed", String(paused));
  refresh();
}

// ----------------------------------------------------------------------------------------------- Parameters

/** @type {Record<string, any>} what is still to be sent */
let wanted = {};
let setting = false;
/** The blend that stands in the prompt's field as it was typed. */
let appliedBlend = "";

/** Send changes, one request at a time: what a dragged slider does meanwhile goes with the next one. */
async function change(parameters) {
  Object.assign(wanted, parameters);
  if (setting) return;
  setting = true;
  while (Object.keys(wanted).length) {
    const asked = wanted;
    wanted = {};
    try {
      const ack = await steering.set(asked);
      learn(ack.parameters, false);
      if ("prompt" in asked || "prompts" in asked) note(ack.prompt);
    } catch (error) {
      learn(steering.parameters, false);
      if (error.code !== "disconnected") note(null, error.message);
    }
  }
  setting = false;
}

/** Set what the prompt's field says: one prompt, or a blend such as `lava: 3 | ice: 1`. */
function applyPrompt() {
  const text = $("prompt").value;
  const parts = blend(text);
  appliedBlend = parts ? text : "";
  change(parts ? { prompts: parts } : { prompt: text });
}

/** Show parameters as they are now; `lit` where somebody else changed them. */
function learn(parameters, lit = true) {
  controls.show(parameters, lit);
  if ("prompts" in parameters) showBlend(parameters.prompts);
  if (!("prompt" in parameters)) return;
  const { prompt } = parameters;
  if (lit) note(null);
  if (lit || document.activeElement !== $("prompt")) $("prompt").value = prompt;
  const words = ` ${prompt.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ")} `;
  for (const button of $("looks").children) {
    button.setAttribute("aria-pressed", String(words.includes(` ${button.value} `)));
  }
}

/** Say which prompts are in force together, where somebody has set several: a prompt that is applied ends that. */
function showBlend(prompts) {
  const total = prompts.reduce((sum, { weight }) => sum + weight, 0);
  const short = (text) => (text.length > 60 ? `${[...text].slice(0, 59).join("")}…` : text);
  const parts = prompts.map(({ text, weight }) => `“${short(text)}” ${Math.round((weight / total) * 100)} %`);
  $("blend").hidden = !parts.length;
  $("blend").textContent = parts.length ? `A blend is in force instead: ${parts.join(", ")}.` : "";
  $("prompt-form").classList.toggle("blended", parts.length > 0);
}

/** Say how a prompt was understood and how surely, and kindly which words were not. */
function note(understood, problem = "") {
  const { looks = {}, modifiers = {}, unknown_words: unknown = [], confidence = 1, nearest = [] } = understood ?? {};
  const known = Object.entries({ ...looks, ...modifiers }).filter(([, amount]) => Math.abs(amount) > 0.005);
  const parts = [document.createTextNode(problem)];
  if (unknown.length) {
    const words = new Intl.ListFormat("en").format(unknown.map((word) => `“${word}”`));
    const named = Object.assign(document.createElement("em"), { textContent: words });
    parts.push(named, ` ${unknown.length > 1 ? "are" : "is"} not in this model's vocabulary yet, and had no effect. `);
  }
  const listed = known.map(([name, amount]) => `${name} ${amount < 0 ? "−" : ""}${Math.round(Math.abs(amount) * 100)} %`).join(", ");
  const sure = confidence < 0.995 ? ` (${Math.round(confidence * 100)} % sure)` : "";
  if (known.length) parts.push(`Understood as ${listed}${sure}.`);
  if (nearest.length) parts.push(` Did you mean: ${nearest.join(", ")}?`);
  $("prompt-note").replaceChildren(...parts);
}

function chip({ name, help = "" }) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: name, title: help });
  button.value = name.toLowerCase();
  button.addEventListener("click", () => {
    $("prompt").value = name;
    change({ prompt: name });
  });
  return button;
}

// ----------------------------------------------------------------------------------------------------- Show

/** Show what the server says of its show; null before it has said anything. */
function showShow(show) {
  showKnown = show !== null;
  if (show) booth.update(show);
  else booth.clear();
  const there = Boolean(show && isThere(show));
  document.body.classList.toggle("with-show", there);
  $("no-show").hidden = !show || there;
  $("pause").title = booth.hasCues ? "" : "Space";
  controls.showMidi(show && midiOf(show));
}

/** What of the show's MIDI is this stream's. */
function midiOf({ learning = "", bindings }) {
  const own = `${STREAM}/`;
  const bound = new Map();
  for (const { control, stream, parameter } of bindings) {
    if (stream === STREAM) bound.set(parameter, [...(bound.get(parameter) ?? []), control]);
  }
  return { learning: learning.startsWith(own) ? learning.slice(own.length) : null, controls: bound };
}

/** Whether the space bar means something to whatever has the focus. */
function takesSpace(target) {
  if (!(target instanceof Element)) return false;
  const element = /** @type {any} */ (target.closest("button, input, select, textarea, summary"));
  if (!element || !booth.hasCues) return element !== null;
  // GO comes first: a cue is gone to with Enter; a slider, and a radio button that is chosen, make nothing of it.
  return !(element.matches(".cue, input[type=range], input[type=radio]:checked"));
}

function pressed(event) {
  if (event.key === "Escape" && controls.learning) return void steering.play("stop-learning").catch(() => {});
  if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey || takesSpace(event.target)) return;
  if (!booth.hasCues && (watching || !showKnown)) return; // GO that comes too early must not pause the stream
  event.preventDefault(); // also where it repeats: the page must not scroll away under a held key
  if (event.repeat) return;
  if (booth.hasCues) booth.go();
  else pause(!paused);
}

// ---------------------------------------------------------------------------------------------------- Start

$("prompt-form").addEventListener("submit", (event) => {
  event.preventDefault();
  applyPrompt();
});
$("prompt").addEventListener("blur", () => {
  const { value } = $("prompt");
  if (steering.state !== "connected" || value === steering.parameters.prompt) return;
  if (value !== appliedBlend) applyPrompt();
});
$("source-form").addEventListener("submit", (event) => event.preventDefault());
$("source-form").addEventListener("change", ({ target }) => {
  if (target.name === "source") return void choose(target.value);
  const [width, height] = target.value.split("x").map(Number);
  Object.assign($("before"), { width, height });
});
$("pause").addEventListener("click", () => pause(!paused));
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = new URLSearchParams({ token: $("token").value }).toString();
});
addEventListener("hashchange", () => join(watching ? "viewer" : "source"));
$("resume").addEventListener("click", () => steering.play("play").catch(({ message }) => tell(sentence(message))));
addEventListener("keydown", pressed);
addEventListener("keyup", (event) => {
  if (event.key === " " && booth.hasCues && !takesSpace(event.target)) event.preventDefault(); // some browsers click now
});
addEventListener("click", ({ detail, target }) => {
  // Clicked with a mouse, a button must not keep the space bar from GO.
  if (detail > 0 && booth.hasCues) target.closest?.("button")?.blur();
});

setInterval(() => document.hidden || showFigures({ ...frames.stats(), ...remembered }, $), 250);
requestAnimationFrame(tick);
choose("scene");
if (/^[a-z0-9_-]{1,64}$/.test(STREAM)) join("source");
else tell(`“${STREAM}” is no name for a stream: it has 1 to 64 characters out of a-z, 0-9, - and _.`);
