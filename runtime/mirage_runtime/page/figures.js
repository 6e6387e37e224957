// What is measured, in figures: latency, rate, drops, what is remembered, and the median of each stage.

/** The stages on a frame's way, as the page calls them and in the order in which they come. */
const STAGES = {
  there: "way there",
  queue: "queue",
  decode: "decode",
  preprocess: "preprocess",
  temporal: "temporal",
  diffusion: "diffusion",
  render: "render",
  transfer: "transfer",
  encode: "encode",
  back: "way back",
  display: "display",
};
const ORDER = Object.keys(STAGES);

/**
 * The stages that there are, in their order; those that only a newer server knows come before the way back.
 * @param {Iterable<string>} found
 */
export function inOrder(found) {
  const names = [...new Set(found)];
  const place = (/** @type {string} */ name) => (name in STAGES ? ORDER.indexOf(name) : ORDER.indexOf("back") - 0.5);
  return names.sort((a, b) => place(a) - place(b));
}

/**
 * @param {ReturnType<import("./mirage.js").MirageClient["stats"]> & { memory: number, resets: number }} stats
 * @param {(id: string) => any} $
 */
export function showFigures({ p50, p95, p99, jitter, rate, drops, dropped, stages, memory, resets }, $) {
  for (const [id, value] of Object.entries({ p50, p95, p99, jitter })) write($(id), milliseconds(value));
  write($("rate"), rate ? rate.toFixed(1) : "–");
  write($("dropped"), drops.toLocaleString("en"));
  $("drops").classList.toggle("some", drops > 0); // in the colour of the plot's marks
  const all = `${dropped.toLocaleString("en")} in all`;
  $("drops").title = `Frames that a newer one replaced, in the last ten seconds; ${all}`;
  if (memory || resets) $("remembered").hidden = false; // a model without a memory has nothing to say here
  write($("memory"), Math.round(memory * 100).toString());
  write($("resets"), resets ? `, ${resets.toLocaleString("en")} ${resets > 1 ? "cuts" : "cut"}` : "");
  const names = inOrder(Object.keys(stages));
  if (!names.length) return; // the last ones stay while the picture does
  const list = $("stage-list");
  if (list.dataset.stages !== names.join()) rebuild(list, names);
  const values = [p50, ...names.map((name) => stages[name])];
  values.forEach((value, index) => write(list.children[index].querySelector("b"), milliseconds(value)));
}

/** A row for the line of the plot, which is the whole, and one for each stage. */
function rebuild(list, names) {
  list.dataset.stages = names.join();
  list.style.setProperty("--rows", Math.ceil((names.length + 1) / 2).toString());
  const rows = [["glass", "glass to glass"], ...names.map((name) => [name, STAGES[name] ?? name])];
  list.replaceChildren(
    ...rows.map(([name, label]) => {
      const row = document.createElement("li");
      row.dataset.stage = name;
      row.style.setProperty("--stage", `var(--stage-${name}, var(--stage-other))`);
      row.append(
        Object.assign(document.createElement("span"), { textContent: label }),
        " ",
        Object.assign(document.createElement("b"), { textContent: "–" }),
        " ms",
      );
      return row;
    }),
  );
}

/** Write only what is new, so that nothing is laid out again for nothing. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const milliseconds = (value) =>
  value === null || value === undefined ? "–" : value < 99.95 ? value.toFixed(1) : Math.round(value).toString();
