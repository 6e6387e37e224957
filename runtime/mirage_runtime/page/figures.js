// What is measured, in figures: round trip, frames a second, drops, what is remembered, and the time of each stage.

const STAGES = ["queue", "preprocess", "temporal", "diffusion", "render", "transfer"];

/**
 * @param {ReturnType<import("./mirage.js").MirageClient["stats"]> & { memory: number, resets: number }} stats
 * @param {(id: string) => any} $
 */
export function showFigures({ framesPerSecond, roundTrip, dropped, timings, memory, resets }, $) {
  $("p50").textContent = milliseconds(roundTrip.p50);
  $("p95").textContent = milliseconds(roundTrip.p95);
  $("rate").textContent = framesPerSecond ? framesPerSecond.toFixed(1) : "–";
  $("dropped").textContent = dropped.toLocaleString("en");
  if (memory || resets) $("remembered").hidden = false; // a model without a memory has nothing to say here
  $("memory").textContent = Math.round(memory * 100).toString();
  $("resets").textContent = resets ? `, ${resets.toLocaleString("en")} ${resets > 1 ? "cuts" : "cut"}` : "";
  const known = STAGES.filter((stage) => stage in timings);
  const stages = [...known, ...Object.keys(timings).filter((stage) => !STAGES.includes(stage))];
  if (!stages.length) return; // the last ones stay while the picture does
  if ($("stage-bar").dataset.stages !== stages.join()) rebuild(stages, $);
  stages.forEach((stage, index) => {
    $("stage-bar").children[index].style.flexGrow = timings[stage];
    $("stage-list").children[index].textContent = `${stage} ${timings[stage].toFixed(1)} ms`;
  });
}

function rebuild(stages, $) {
  $("stage-bar").dataset.stages = stages.join();
  for (const [list, kind] of [
    [$("stage-bar"), "span"],
    [$("stage-list"), "li"],
  ]) {
    list.replaceChildren(
      ...stages.map((stage) => {
        const element = document.createElement(kind);
        element.dataset.stage = String(Math.max(STAGES.indexOf(stage), 0));
        return element;
      }),
    );
  }
}

const milliseconds = (value) => (value === null ? "–" : value < 10 ? value.toFixed(1) : Math.round(value).toString());
