// Latency over the last ten seconds: glass to glass as a line, and under it the stages of each frame, one on the other.

import { inOrder } from "./figures.js";

const SPAN = 10_000; // milliseconds from the left edge to the right one
const REDRAW = 100; // milliseconds between two pictures
const CALM = 1_000; // the same for who wants little to move
const COLUMN = 3; // pixels; of the frames that fall into one, the slowest is drawn
const GAP = 2_000; // milliseconds without a result that are left empty, as when the stream was paused
const PATIENCE = 1_000; // milliseconds until the scale follows when the latency falls
const PEAK = 2.5; // times the 95th percentile: what is higher leaves through the top, or the rest could not be read
const UNSEEN = 0.2; // pixels; a stage that is nowhere thicker is not worth the time
const [LEFT, RIGHT, TOP, BOTTOM] = [48, 6, 8, 18]; // margins, for labels and the dot
/** The highest value of a scale, in ones, tens, hundreds …, and its lines. */
const SCALES = [[1, 2], [1.5, 3], [2, 2], [3, 3], [4, 2], [5, 2], [6, 3], [8, 2], [10, 2]];

/**
 * A plot in `canvas` of what `client()` measures. Call `tick` with each animation frame: it draws at most ten times a
 * second, and nothing while the plot is out of sight.
 * @param {HTMLCanvasElement} canvas
 * @param {() => import("./mirage.js").MirageClient} client
 */
export function createPlot(canvas, client) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const scale = { top: 0, lines: 2, since: 0 };
  let style = look(canvas);
  let [visible, drawn, blank] = [false, -Infinity, false];

  new IntersectionObserver((entries) => (visible = entries.at(-1)?.isIntersecting ?? false)).observe(canvas);
  new ResizeObserver(() => {
    style = look(canvas);
    const [width, height] = [style.width, style.height].map((each) => Math.round(each * style.density));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    [drawn, blank] = [-Infinity, false];
  }).observe(canvas);

  return {
    /** @param {number} now as `performance.now()` counts */
    tick(now) {
      if (!visible || document.hidden || now - drawn < (calm.matches ? CALM : REDRAW)) return;
      const { recent, recentDrops } = client();
      const measured = recent.filter(({ latency }) => latency !== null);
      const nothing = !measured.length && !recentDrops.length;
      if (nothing && blank) return;
      [drawn, blank] = [now, nothing];
      draw(context, style, scale, measured, recentDrops, now);
    },
  };
}

/** The page's own colours and type, as they are now. @param {HTMLCanvasElement} canvas */
function look(canvas) {
  const computed = getComputedStyle(canvas);
  const read = (/** @type {string} */ name) => computed.getPropertyValue(name).trim();
  const [ground, line, muted, text, bad] = ["--ground", "--line", "--muted", "--text", "--bad"].map(read);
  /** @type {Record<string, string>} */
  const stages = {};
  return {
    ...{ ground, line, muted, text, bad },
    width: canvas.clientWidth,
    height: canvas.clientHeight,
    density: Math.min(devicePixelRatio || 1, 2), // more is not seen, and would cost
    font: `11px ${computed.fontFamily}`,
    stage: (/** @type {string} */ name) => (stages[name] ??= read(`--stage-${name}`) || read("--stage-other")),
  };
}

function draw(context, style, scale, measured, drops, now) {
  const { width, height, density } = style;
  const [right, bottom] = [width - RIGHT, height - BOTTOM];
  const across = (right - LEFT) / SPAN;
  const x = (at) => Math.max(right - (now - at) * across, LEFT);
  const frames = slowest(measured, COLUMN / across);
  follow(scale, frames, now);
  const up = (bottom - TOP) / scale.top;

  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  axes(context, style, scale, right, bottom);
  context.save();
  context.beginPath();
  context.rect(LEFT, TOP - 4, width - LEFT, bottom - TOP + 4);
  context.clip();
  const runs = split(frames).map((run) => ({ frames: run, xs: run.map(({ at }) => x(at)) }));
  stack(context, style, runs, bottom, up);
  shade(context, style, right, bottom);
  line(context, style, runs, bottom, up);
  context.fillStyle = style.bad;
  for (const { at } of drops) context.fillRect(x(at) - 1, TOP - 4, 2, 7);
  context.restore();
}

/** Lines and labels: milliseconds upwards, seconds to the left. */
function axes(context, { line, muted, font }, { top, lines }, right, bottom) {
  Object.assign(context, { fillStyle: muted, strokeStyle: line, lineWidth: 1, font, textBaseline: "middle" });
  context.textAlign = "right";
  context.beginPath();
  for (let index = 0; index <= lines; index++) {
    const y = Math.round(bottom - ((bottom - TOP) * index) / lines) + 0.5;
    context.moveTo(LEFT, y);
    context.lineTo(right, y);
    const label = `${Number(((top * index) / lines / (top < 1000 ? 1 : 1000)).toPrecision(3))}`;
    context.fillText(index === lines ? `${label} ${top < 1000 ? "ms" : "s"}` : label, LEFT - 7, y);
  }
  context.stroke();
  context.textBaseline = "alphabetic";
  const y = bottom + 14;
  context.fillText("now", right, y);
  context.textAlign = "center";
  context.fillText("−5 s", (LEFT + right) / 2, y);
  context.textAlign = "left";
  context.fillText("−10 s", LEFT, y);
}

/** The stages' areas, the last one first: each reaches down to the ground, so there is no seam between two. */
function stack(context, style, runs, bottom, up) {
  const names = inOrder(runs.flatMap(({ frames }) => frames.flatMap(({ stages }) => Object.keys(stages))));
  const tops = runs.map(({ frames }) => frames.map(({ latency }) => latency));
  for (const name of names.reverse()) {
    let thickest = 0;
    context.beginPath();
    runs.forEach(({ frames, xs }, number) => {
      const heights = tops[number];
      const [first, last] = [xs[0], xs[xs.length - 1]];
      const alone = xs.length === 1 ? 1 : 0; // pixels to each side, or a frame by itself would have no width
      context.moveTo(first - alone, bottom);
      xs.forEach((x, index) => {
        const own = frames[index].stages[name] ?? 0;
        context.lineTo(x - alone, bottom - heights[index] * up);
        if (alone) context.lineTo(x + alone, bottom - heights[index] * up);
        heights[index] = Math.max(heights[index] - own, 0);
        thickest = Math.max(thickest, own * up);
      });
      context.lineTo(last + alone, bottom);
    });
    if (thickest < UNSEEN) continue;
    context.fillStyle = style.stage(name);
    context.fill();
  }
}

/** Let the areas fade towards the ground, which gives the line the eye first. */
function shade(context, { ground }, right, bottom) {
  const fade = context.createLinearGradient(0, TOP, 0, bottom);
  fade.addColorStop(0, `${ground}00`);
  fade.addColorStop(1, `${ground}4d`);
  Object.assign(context, { fillStyle: fade, globalCompositeOperation: "source-atop" });
  context.fillRect(LEFT, TOP, right - LEFT, bottom - TOP);
  context.globalCompositeOperation = "source-over";
}

/** Glass to glass, and a dot on the newest frame. */
function line(context, { ground, text }, runs, bottom, up) {
  context.beginPath();
  for (const { frames, xs } of runs) {
    frames.forEach(({ latency }, index) => {
      const y = bottom - latency * up;
      if (index) context.lineTo(xs[index], y);
      else context.moveTo(xs[index], y);
    });
  }
  context.lineJoin = "bevel";
  for (const [strokeStyle, lineWidth] of [[ground, 3.5], [text, 1.5]]) {
    Object.assign(context, { strokeStyle, lineWidth });
    context.stroke();
  }
  const newest = runs.at(-1);
  if (!newest) return;
  const y = Math.max(bottom - newest.frames.at(-1).latency * up, TOP);
  for (const [fillStyle, radius] of [[ground, 4.5], [text, 3]]) {
    context.beginPath();
    context.arc(newest.xs.at(-1), y, radius, 0, Math.PI * 2);
    Object.assign(context, { fillStyle }).fill();
  }
}

/** Of the frames in each column the slowest. Columns belong to the clock, not the edge: nothing flickers as it moves. */
function slowest(measured, milliseconds) {
  const frames = [];
  let column = -1;
  for (const frame of measured) {
    const its = Math.floor(frame.at / milliseconds);
    if (its !== column) frames.push(frame);
    else if (frame.latency > frames[frames.length - 1].latency) frames[frames.length - 1] = frame;
    column = its;
  }
  return frames;
}

/** Frames that belong together: where there were none for long, nothing is drawn. */
function split(frames) {
  const runs = [];
  frames.forEach((frame, index) => {
    if (!index || frame.at - frames[index - 1].at > GAP) runs.push([]);
    runs.at(-1).push(frame);
  });
  return runs;
}

/** Choose the scale: up at once, down when that has been enough for a while. */
function follow(scale, frames, now) {
  const sorted = Float64Array.from(frames, ({ latency }) => latency).sort();
  const [peak, usual] = [sorted.at(-1) ?? 10, sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 10];
  const wanted = Math.max(Math.min(peak, usual * PEAK) * 1.06, 1);
  const unit = 10 ** Math.floor(Math.log10(wanted));
  const [factor, lines] = SCALES.find(([each]) => each * unit >= wanted) ?? SCALES[SCALES.length - 1];
  const top = factor * unit;
  if (top >= scale.top) scale.since = now;
  if (top > scale.top || now - scale.since > PATIENCE) Object.assign(scale, { top, lines, since: now });
}
