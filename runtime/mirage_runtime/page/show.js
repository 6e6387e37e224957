// The show: its cues and presets, where it is, and what people do with it (protocol/SPEC.md section 4.11).

const COUNT_EVERY = 100; // milliseconds between two looks at how much is left of a fade
const SAME = 300; // milliseconds that two reports of one end may differ by
const SURE_WITHIN = 4000; // milliseconds in which the second click of a deletion has to come
const NOTHING = { name: "", file: "", presets: [], cues: [], fading: 0, devices: [], sound: "", problems: [] };

/**
 * Fill `panel` with the show.
 * @param {HTMLElement} panel
 * @param {(action: string, fields?: Record<string, any>) => Promise<any>} play asks the server; rejects with its error
 */
export function createShow(panel, play) {
  const $ = (/** @type {string} */ id) => /** @type {any} */ (panel.querySelector(`#${id}`));
  const clock = createClock($("show-bar"), $("show-time"));
  let show = NOTHING;
  let enabled = false;
  let editing = false;
  /** @type {string | null} the number of the cue that is in the form, null for a new one */
  let edited = null;

  /** Ask the server; why it refuses is said at the place where it was asked. Returns whether it did. */
  async function act(place, action, fields) {
    $(`${place}-problem`).textContent = "";
    try {
      await play(action, fields);
      return true;
    } catch (error) {
      $(`${place}-problem`).textContent = sentence(error.message);
      return false;
    }
  }

  const go = () => act("cue", "go");
  const cueOf = (number) => show.cues.find((cue) => cue.number === number);

  function update(message) {
    const before = show;
    show = message;
    panel.hidden = !isThere(show);
    if (panel.hidden) return clock.stop();
    $("show-name").textContent = show.name || "Show";
    $("show-name").title = show.file;
    $("show-edit").hidden = $("preset-form").hidden = !show.file;
    $("show-hint").hidden = show.cues.length > 0 || !show.file;
    if (!show.file) edit(false);
    showTransport();
    if (differ(before, show, "cues")) buildCues();
    if (differ(before, show, "presets")) buildPresets();
    markCues(before.current !== show.current || differ(before, show, "cues"));
    clock.set(show, cueOf(show.current), before.current !== show.current);
    showLines();
    apply();
  }

  // The cues.

  function showTransport() {
    const [current, next] = [cueOf(show.current), cueOf(show.next)];
    $("transport").hidden = !show.cues.length;
    write($("show-now"), current ? `Cue ${called(current)}` : "Before the first cue");
    write($("go-next"), next ? called(next) : "that was the last cue");
    // A button that can do nothing now keeps the focus: so it is only said to be disabled.
    $("go").setAttribute("aria-disabled", String(!next));
    $("back").setAttribute("aria-disabled", String(!current));
  }

  function buildCues() {
    const focused = document.activeElement?.closest?.("#cues li")?.dataset.cue;
    $("cues").replaceChildren(...show.cues.map(cueRow));
    rowOf(focused)?.querySelector(".cue").focus({ preventScroll: true });
    if (edited !== null && !cueOf(edited)) fill(null);
  }

  function cueRow(cue) {
    const row = make("li");
    row.dataset.cue = cue.number;
    const button = make("button", { type: "button", className: "cue", title: `${called(cue)}: ${described(cue)}` });
    button.append(
      make("b", { textContent: cue.number }),
      make("span", { textContent: cue.name || cue.preset }),
      make("i", { textContent: cue.fade ? seconds(cue.fade) : "cut" }),
      make("i", { textContent: cue.follow === undefined ? "" : seconds(cue.follow) }),
    );
    button.addEventListener("click", () => act("cue", "goto", { cue: cue.number }));
    const change = make("button", { type: "button", className: "change", textContent: "Edit" });
    change.ariaLabel = `Edit cue ${cue.number}`;
    change.addEventListener("click", () => {
      fill(cueOf(cue.number) ?? null);
      $("cue-name").focus();
    });
    row.append(button, change);
    return row;
  }

  const rowOf = (number) => [...$("cues").children].find((row) => row.dataset.cue === number);

  /** Mark the cue that is on and the one that stands by. @param {boolean} moved whether the list is to follow */
  function markCues(moved) {
    for (const row of $("cues").children) {
      const { cue: number } = row.dataset;
      const place = number === show.current ? "current" : number === show.next ? "next" : "";
      row.className = place;
      const button = row.firstChild;
      button.ariaCurrent = place === "current" ? "step" : null;
      button.ariaLabel = `${button.title}${place === "next" ? " Standing by." : ""}`;
    }
    if (moved) showCurrent();
  }

  const showCurrent = () => keepInView($("cues"), rowOf(show.current) ?? $("cues").firstChild);

  // The form for a cue.

  /** Put a cue into the form, or make it empty for a new one. */
  function fill(cue) {
    edited = cue?.number ?? null;
    $("cue-form-name").textContent = cue ? `Cue ${cue.number}` : "New cue";
    $("cue-save").textContent = cue ? "Save cue" : "Add cue";
    $("cue-delete").hidden = $("cue-cancel").hidden = !cue;
    $("cue-preset").value = cue?.preset ?? show.presets[0] ?? "";
    $("cue-name").value = cue?.name ?? "";
    $("cue-fade").value = cue?.fade || "";
    $("cue-curve").value = cue?.curve ?? "linear";
    $("cue-follow").value = cue?.follow ?? "";
    $("cue-form-problem").textContent = "";
  }

  async function saveCue() {
    const follow = $("cue-follow").value;
    const fields = {
      preset: $("cue-preset").value,
      name: $("cue-name").value.trim(),
      fade: Number($("cue-fade").value),
      curve: $("cue-curve").value,
      ...(follow !== "" && { follow: Number(follow) }),
      ...(edited !== null && { cue: edited }),
    };
    if (await act("cue-form", "save-cue", fields)) fill(null);
  }

  function edit(wanted) {
    if (wanted === editing) return;
    editing = wanted;
    panel.classList.toggle("editing", editing);
    $("show-edit").setAttribute("aria-pressed", String(editing));
    $("show-edit").textContent = editing ? "Done" : "Edit";
    $("cue-form").hidden = !editing;
    fill(null);
  }

  // Presets.

  function buildPresets() {
    const chosen = $("cue-preset").value;
    $("presets").replaceChildren(...show.presets.map(presetChip));
    $("cue-preset").replaceChildren(...show.presets.map((name) => make("option", { textContent: name, value: name })));
    if (show.presets.includes(chosen)) $("cue-preset").value = chosen;
    foresee();
  }

  function presetChip(name) {
    const chip = make("span", { className: "preset" });
    const button = make("button", { type: "button", textContent: name, title: `Fade to “${name}”` });
    button.addEventListener("click", () => {
      const fade = $("preset-fade");
      if (fade.reportValidity()) act("preset", "recall", { preset: name, fade: Number(fade.value) });
    });
    const remove = make("button", { type: "button", className: "change", textContent: "Delete" });
    remove.ariaLabel = `Delete the preset ${name}`;
    askTwice(remove, () => act("preset", "delete-preset", { preset: name }));
    chip.append(button, remove);
    return chip;
  }

  const newName = () => $("preset-name").value.trim();

  /** Say what saving under this name would do. */
  function foresee() {
    const replaces = show.presets.includes(newName());
    $("preset-save").textContent = replaces ? "Replace" : "Save preset";
    write($("preset-note"), replaces ? `“${newName()}” is there: what is set now takes its place.` : "");
  }

  async function savePreset() {
    const name = newName();
    if (!name || !(await act("preset", "save-preset", { preset: name }))) return;
    $("preset-name").value = "";
    foresee();
    $("preset-note").textContent = `“${name}” is saved.`;
  }

  /** What is listened to, and what is wrong: one line each. */
  function showLines() {
    const lines = [
      ...show.devices.map((name) => ["", `MIDI: ${name}`]),
      ...(show.sound ? [["", `Sound: ${show.sound}`]] : []),
      ...show.problems.map((problem) => ["problem", sentence(problem)]),
    ];
    const items = lines.map(([className, textContent]) => make("li", { className, textContent, title: textContent }));
    $("show-lines").replaceChildren(...items);
  }

  function apply() {
    for (const each of panel.querySelectorAll("button, input, select")) each.disabled = !enabled;
    $("cue-save").disabled = !enabled || !show.presets.length;
    $("cue-save").title = show.presets.length ? "" : "A cue needs a preset: save one first";
  }

  $("go").addEventListener("click", go);
  $("back").addEventListener("click", () => act("cue", "back"));
  $("show-edit").addEventListener("click", () => edit(!editing));
  $("cue-cancel").addEventListener("click", () => fill(null));
  askTwice($("cue-delete"), async () => (await act("cue-form", "delete-cue", { cue: edited })) && fill(null));
  $("preset-name").addEventListener("input", foresee);
  for (const [form, save] of [["cue-form", saveCue], ["preset-form", savePreset]]) {
    $(form).addEventListener("submit", (event) => {
      event.preventDefault();
      save();
    });
  }
  panel.addEventListener("keydown", (event) => {
    // A key that is held down is one GO.
    if (event.repeat && event.key === "Enter" && event.target.closest("button")) event.preventDefault();
  });
  new ResizeObserver(showCurrent).observe($("cues"));
  fill(null);

  return {
    update,
    go,
    /** Whether there is a cue that GO could go to. */
    get hasCues() {
      return !panel.hidden && show.cues.length > 0;
    },
    /** @param {boolean} wanted */
    enable(wanted) {
      enabled = wanted;
      apply();
    },
    /** Forget it: what comes next is of another connection. */
    clear: () => update(NOTHING),
  };
}

/** Whether a show has anything in it, or a file to keep something in. */
export const isThere = ({ file, cues, presets }) => Boolean(file || cues.length || presets.length);

/** Text for a person, as a sentence. @param {string} text */
export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.replace(/([.?!])\.$/, "$1");

/** What is left of a fade and until the next cue, as a bar and in words. */
function createClock(bar, text) {
  /** @typedef {{ end: number, whole: number }} Span when it ends, as `performance.now()` counts, and how long it is */
  /** @type {Span | null} */ let fade = null;
  /** @type {Span | null} */ let follow = null;
  /** @type {any} */ let timer = 0;

  function tick() {
    const now = performance.now();
    const [fading, following] = [fade, follow].map((span) => span && Math.max(0, span.end - now));
    const words = [
      fading ? `fading, ${left(fading)} left` : "",
      following === null ? "" : `next cue in ${left(following)}`,
    ];
    write(text, words.filter(Boolean).join("; "));
    const [span, rest] = fading ? [fade, fading] : [follow, following];
    bar.style.setProperty("--gone", span ? String(1 - Math.min(1, rest / span.whole)) : "0");
    bar.classList.toggle("following", !fading);
    if (!fading && !following) stop();
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
  }

  return {
    /** @param {boolean} moved whether the fade is the current cue's, and not that of a preset */
    set({ fading, following }, cue, moved) {
      fade = fading > 0 ? spanOf(fading, fade, moved ? cue?.fade : 0) : null;
      follow = following === undefined ? null : spanOf(following, follow, cue?.follow);
      // It is counted from the fade's end: the bar runs once for the fade, and then once more.
      if (follow && cue?.follow) follow.whole = cue.follow * 1000;
      if (!timer) timer = setInterval(tick, COUNT_EVERY);
      tick();
    },
    stop,
  };
}

/** @param {number} seconds that are left @param {Span | null} known @param {number} [usual] its whole length, likely */
function spanOf(seconds, known, usual = 0) {
  const end = performance.now() + seconds * 1000;
  if (known && Math.abs(known.end - end) < SAME) return known;
  return { end, whole: Math.max(seconds, usual) * 1000 };
}

/** Have a button ask once more before it does what cannot be undone. */
function askTwice(button, action) {
  const label = button.textContent;
  let asked = 0;
  const ask = (wanted) => {
    clearTimeout(asked);
    asked = wanted ? setTimeout(ask, SURE_WITHIN, false) : 0;
    button.textContent = wanted ? `${label}?` : label;
    button.classList.toggle("sure", wanted);
  };
  button.addEventListener("click", () => {
    const sure = asked !== 0;
    ask(!sure);
    if (sure) action();
  });
}

/** Scroll a list, and nothing around it, so that a row and the one behind it are seen. */
function keepInView(list, row) {
  if (!row) return;
  const [top, room] = [row.offsetTop - list.offsetTop, list.clientHeight];
  const end = top + row.offsetHeight * 2;
  if (top < list.scrollTop || end > list.scrollTop + room) list.scrollTop = top - row.offsetHeight;
}

const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);
const differ = (before, after, field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]);
const called = ({ number, name, preset }) => `${number} ${name || preset}`;

/** What happens in a cue, in words. */
function described({ preset, name, fade, curve, follow }) {
  const what = name ? `the preset “${preset}”` : "";
  const how = fade ? `fades in ${seconds(fade)}${curve === "linear" ? "" : ` (${curve})`}` : "cuts";
  const then = follow === undefined ? "waits for GO" : `the next follows after ${seconds(follow)}`;
  return `${[what, how, then].filter(Boolean).join(", ")}.`;
}

/** @param {number} count */
function seconds(count) {
  if (count < 60) return `${Number(count.toFixed(1))} s`;
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const whole = Math.round(count);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** @param {number} milliseconds */
const left = (milliseconds) => (milliseconds < 60_000 ? `${(milliseconds / 1000).toFixed(1)} s` : seconds(milliseconds / 1000));

/** Write only what is new, so that nothing is read out or laid out again for nothing. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
