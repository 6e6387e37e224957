// Controls generated from the server's parameter table (protocol/SPEC.md section 6).

const FLASH = 900; // milliseconds that a value stays lit which somebody else changed
const TYPES = ["text", "float", "integer"]; // others, as `blend` and `integers`, have no control here
const WIDEST_SLIDER = 1000; // an integer with more values than this is typed, not dragged

/**
 * Fill `form` with a control for each parameter but the prompt, which the page has its own place for.
 * @param {HTMLFormElement} form
 * @param {(values: Record<string, any>) => void} change called with what the person at the page changed
 */
export function createControls(form, change) {
  /** @type {Map<string, { row: HTMLElement, show: (value: any) => void }>} */
  const controls = new Map();
  form.addEventListener("submit", (event) => event.preventDefault());
  return {
    /** @param {any[]} table */
    build(table) {
      controls.clear();
      for (const parameter of table) {
        if (parameter.name === "prompt" || !TYPES.includes(parameter.type)) continue;
        controls.set(parameter.name, control(parameter, change));
      }
      form.replaceChildren(...[...controls.values()].map(({ row }) => row));
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
      for (const input of form.querySelectorAll("input, button")) input.disabled = !enabled;
    },
  };
}

function control(parameter, change) {
  const { name, type, unit, help, minimum, maximum } = parameter;
  const row = Object.assign(document.createElement("div"), { className: "parameter", title: help });
  row.dataset.parameter = name;
  const label = Object.assign(document.createElement("label"), {
    htmlFor: `parameter-${name}`,
    textContent: name.replaceAll("_", " "),
  });
  const input = Object.assign(document.createElement("input"), { id: label.htmlFor, ariaDescription: help });
  const dragged = type === "float" || (type === "integer" && maximum - minimum <= WIDEST_SLIDER);
  const made =
    type === "text" ? typed(input, parameter) : dragged ? slider(input, parameter) : number(input, parameter);
  const read = () => (type === "text" ? input.value : Number(input.value));
  let held = false;
  input.addEventListener("pointerdown", () => (held = true));
  for (const end of ["pointerup", "pointercancel"]) input.addEventListener(end, () => (held = false));
  input.addEventListener(dragged ? "input" : "change", () => {
    if (!input.checkValidity()) return void input.reportValidity();
    made.show(read());
    change({ [name]: read() });
  });
  const reset = () => {
    made.show(parameter.default);
    change({ [name]: parameter.default });
  };
  row.addEventListener("dblclick", reset);
  input.addEventListener("keydown", (event) => {
    if (dragged && ["Delete", "Backspace"].includes(event.key)) reset();
  });
  made.other?.addEventListener("click", () =>
    change({ [name]: Math.floor(minimum + Math.random() * (maximum - minimum + 1)) }),
  );
  row.title = `${help} (${range(parameter)}; a double click resets it)`.trim();
  row.append(label, input, made.other ?? made.output);
  return { row, show: (value) => held || made.show(value), unit };
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

function range({ type, minimum, maximum, max_length: length, unit }) {
  return type === "text" ? `up to ${length} characters` : `${minimum} to ${maximum}${unit ? ` ${unit}` : ""}`;
}

function flash(row) {
  row?.classList.add("changed");
  setTimeout(() => row?.classList.remove("changed"), FLASH);
}
