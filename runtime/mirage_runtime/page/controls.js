// Controls generated from the server's parameter table (protocol/SPEC.md section 6).

import { integers } from "./lists.js";
import { sentence } from "./show.js";

const FLASH = 900; // milliseconds that a value stays lit which somebody else changed
const TYPES = ["text", "float", "integer", "integers"]; // a blend is typed where the prompt is
const INTEGERS = "7, 12";
const WIDEST_SLIDER = 1000; // an integer with more values than this is typed, not dragged

/** @typedef {{ learning: string | null, controls: Map<string, string[]> }} Midi  the parameter that a control is to be
 *   moved for, and which controls move which parameters */

const GUIDING = ["negative_prompt", "guidance"]; // these belong to the prompt

/**
 * Fill `form`, and `guiding` beside the prompt, with a control for each parameter but the prompt itself.
 * @param {HTMLFormElement} form
 * @param {HTMLFormElement} guiding
 * @param {(values: Record<string, any>) => void} change called with what the person at the page changed
 * @param {(action: "learn" | "stop-learning" | "forget", parameter: string) => Promise<any>} bind called where MIDI
 *   controls are bound to a parameter; rejects with why not
 */
export function createControls(form, guiding, change, bind) {
  const forms = [guiding, form];
  /** @type {Map<string, { row: HTMLElement, show: (value: any) => void, showMidi?: (midi: Midi) => void }>} */
  const controls = new Map();
  /** @type {Midi | null} */ let midi = null;
  const showMidi = () => {
    for (const each of forms) each.classList.toggle("midi", midi !== null);
    for (const control of controls.values()) if (midi) control.showMidi?.(midi);
  };
  for (const each of forms) each.addEventListener("submit", (event) => event.preventDefault());
  return {
    /** @param {any[]} table */
    build(table) {
      controls.clear();
      for (const parameter of table) {
        if (parameter.name === "prompt" || !TYPES.includes(parameter.type)) continue;
        controls.set(parameter.name, control(parameter, change, bind));
      }
      const rows = [...controls.values()].map(({ row }) => row);
      guiding.replaceChildren(...rows.filter(({ dataset }) => GUIDING.includes(dataset.parameter)));
      form.replaceChildren(...rows.filter(({ dataset }) => !GUIDING.includes(dataset.parameter)));
      guiding.hidden = !guiding.children.length;
      showMidi();
    },
    /** Show what MIDI controls move, or nothing of MIDI. @param {Midi | null} known */
    showMidi(known) {
      midi = known;
      showMidi();
    },
    /** The parameter that a control is to be moved for, if any. */
    get learning() {
      return midi?.learning ?? null;
    },
    /** Show values; `lit` where somebody else set them. @param {Record<string, any>} values */
    show(values, lit = false) {
      for (const [name, value] of Object.entries(values)) {
        controls.get(name)?.show(value);
        if (lit) flash(controls.get(name)?.row);
      }
    },
    /** @param {boolean} enabled */
    enable(enabled) {
      for (const each of forms) for (const input of each.querySelectorAll("input, button")) input.disabled = !enabled;
    },
  };
}

function control(parameter, change, bind) {
  const { name, type, unit, help, minimum, maximum } = parameter;
  const row = Object.assign(document.createElement("div"), { className: "parameter", title: help });
  row.dataset.parameter = name;
  const label = Object.assign(document.createElement("label"), {
    htmlFor: `parameter-${name}`,
    textContent: name.replaceAll("_", " "),
  });
  const input = Object.assign(document.createElement("input"), { id: label.htmlFor, ariaDescription: help });
  const dragged = type === "float" || (type === "integer" && maximum - minimum <= WIDEST_SLIDER);
  const list = type === "integers";
  const made = list
    ? numbers(input)
    : type === "text"
      ? typed(input, parameter)
      : dragged
        ? slider(input, parameter)
        : number(input, parameter);
  const read = made.read ?? (() => (type === "text" ? input.value : Number(input.value)));
  let held = false; // under somebody's hand: what others set meanwhile must not take it out of it
  let missed = parameter.default;
  const release = () => {
    if (held) made.show(missed);
    held = false;
  };
  input.addEventListener("pointerdown", () => (held = dragged));
  for (const end of ["pointerup", "pointercancel"]) input.addEventListener(end, () => dragged && (held = false));
  if (!dragged) {
    input.addEventListener("input", () => (held = true));
    input.addEventListener("blur", release);
  }
  input.addEventListener(dragged ? "input" : "change", () => {
    if (!dragged) held = false;
    made.check?.();
    if (!input.checkValidity()) return void input.reportValidity();
    made.show(read());
    change({ [name]: read() });
  });
  const reset = () => {
    made.show(parameter.default);
    change({ [name]: parameter.default });
  };
  row.addEventListener("dblclick", ({ target }) => target.closest("button") || reset());
  input.addEventListener("keydown", (event) => {
    if (dragged && ["Delete", "Backspace"].includes(event.key)) reset();
  });
  made.other?.addEventListener("click", () =>
    change({ [name]: Math.floor(minimum + Math.random() * (maximum - minimum + 1)) }),
  );
  row.title = `${help} (${range(parameter)}; a double click resets it)`.trim();
  row.append(label, input, made.other ?? made.output);
  const show = (value) => {
    missed = value;
    if (!held) made.show(value);
  };
  const showMidi = type === "text" || list ? undefined : learner(row, name, label.textContent, bind);
  return { row, show, unit, showMidi };
}

/** A button that binds a MIDI control to a parameter, and the line that says which one is. Returns how it is shown. */
function learner(row, name, label, bind) {
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const button = make("button", { type: "button", className: "learn", textContent: "MIDI" });
  const line = make("p", { className: "binding", role: "status" });
  const [text, end] = [make("span", {}), make("button", { type: "button" })];
  line.append(text, end);
  row.append(button, line);
  let learning = false;
  const say = (words, problem = false) => {
    if (text.textContent !== words) Object.assign(text, { textContent: words, title: words });
    line.hidden = !words;
    line.classList.toggle("problem", problem);
  };
  const ask = (action) =>
    bind(action, name).catch((error) => {
      end.hidden = true;
      say(sentence(error.message), true);
    });
  button.addEventListener("click", () => ask(learning ? "stop-learning" : "learn"));
  end.addEventListener("click", () => ask(learning ? "stop-learning" : "forget"));
  say("");
  return (/** @type {Midi} */ midi) => {
    const bound = midi.controls.get(name) ?? [];
    learning = midi.learning === name;
    button.setAttribute("aria-pressed", String(learning));
    button.ariaLabel = `Learn a MIDI control for ${label}`;
    button.classList.toggle("bound", bound.length > 0);
    button.title = bound.length ? `${bound.join("; ")}: click to learn another` : "Learn a MIDI control";
    end.hidden = !learning && !bound.length;
    end.textContent = learning ? "Cancel" : "Forget";
    end.title = learning ? "Escape" : `Forget what moves ${label}`;
    say(learning ? "Move a control…" : bound.join("; "));
  };
}

/** A slider, its value beside it. */
function slider(input, { type, minimum, maximum, unit }) {
  const step = type === "integer" ? 1 : maximum - minimum <= 2 ? 0.01 : 0.1;
  Object.assign(input, { type: "range", min: minimum, max: maximum, step });
  const output = Object.assign(document.createElement("output"), { htmlFor: input.id });
  const digits = type === "integer" ? 0 : step === 0.01 ? 2 : 1;
  const show = (value) => {
    input.value = value;
    output.textContent = `${Number(value).toFixed(digits)}${unit ? ` ${unit}` : ""}`;
    input.style.setProperty("--filled", `${((value - minimum) / (maximum - minimum)) * 100}%`);
  };
  return { show, output };
}

/** A number that is typed, with a button for any other. */
function number(input, { minimum, maximum }) {
  Object.assign(input, { type: "number", min: minimum, max: maximum, step: 1, inputMode: "numeric" });
  const other = Object.assign(document.createElement("button"), { type: "button", textContent: "Shuffle" });
  return { show: (value) => (input.value = value), other };
}

function typed(input, { max_length: maxLength }) {
  Object.assign(input, { type: "text", maxLength, autocomplete: "off" });
  return { show: (value) => (input.value = value), output: document.createElement("output") };
}

/** Numbers that are typed; what is none is told at the field. */
function numbers(input) {
  Object.assign(input, { type: "text", placeholder: INTEGERS, autocomplete: "off", spellcheck: false });
  const check = () => {
    input.setCustomValidity("");
    try {
      integers(input.value);
    } catch (error) {
      input.setCustomValidity(error.message);
    }
  };
  input.addEventListener("input", () => input.setCustomValidity(""));
  const show = (value) => (input.value = value.join(", "));
  return { show, check, read: () => integers(input.value), output: document.createElement("output") };
}

function range({ type, minimum, maximum, max_length: length, max_items: items, unit }) {
  if (type === "integers") return `up to ${items}, such as ${INTEGERS}`;
  return type === "text" ? `up to ${length} characters` : `${minimum} to ${maximum}${unit ? ` ${unit}` : ""}`;
}

function flash(row) {
  row?.classList.add("changed");
  setTimeout(() => row?.classList.remove("changed"), FLASH);
}
