// Where frames come from: a drawn scene, or the webcam. A source draws itself over all of a 2D context.

import { createScene } from "./scene.js";

/** @typedef {{ note: string, draw: (context: CanvasRenderingContext2D, seconds: number) => void,
 *   stop: () => void, ended: () => string | null }} Source  `ended` says why there is no more to draw, if so */

/** @param {string} kind `scene` or `webcam` @returns {Promise<Source>} @throws {Error} with a message for a person */
export function openSource(kind) {
  return kind === "webcam" ? webcam() : Promise.resolve(scene());
}

/** @returns {Source} */
function scene() {
  try {
    const drawn = createScene();
    if (drawn) return { note: "a scene drawn in this page", ...drawn };
  } catch (error) {
    console.warn("Mirage: the scene needs another WebGL:", error);
  }
  return { note: "a sketch: this browser has no WebGL 2", draw: sketch, stop() {}, ended: () => null };
}

/** @returns {Promise<Source>} */
async function webcam() {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers open the webcam only for pages from https or from this computer (localhost).");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 } } });
  } catch (error) {
    throw new Error(obstacles[error.name] ?? `The webcam could not be opened: ${error.message}`);
  }
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  const [track] = stream.getVideoTracks();
  return {
    note: track.label || "webcam",
    draw: (context) => cover(context, video),
    stop: () => track.stop(),
    ended: () => (track.readyState === "ended" ? "The webcam is gone." : null),
  };
}

const obstacles = {
  NotAllowedError:
    "The browser was not allowed to open the webcam. Allow it beside the page's address, then choose Webcam again.",
  NotFoundError: "There is no webcam on this computer.",
  NotReadableError: "The webcam is in use by another program.",
};

/** Draw a video so that it fills the picture; what is over is cut off evenly. */
function cover(context, video) {
  const { width, height } = context.canvas;
  const scale = Math.max(width / video.videoWidth, height / video.videoHeight);
  const [wide, high] = [video.videoWidth * scale, video.videoHeight * scale];
  context.drawImage(video, (width - wide) / 2, (height - high) / 2, wide, high);
}

/** Hills, a sun and balls: a scene for browsers without WebGL. */
function sketch(context, seconds) {
  const { width, height } = context.canvas;
  const fill = (style) => Object.assign(context, { fillStyle: style }).fill();
  const shade = (x0, y0, r0, x1, y1, r1, ...colors) => {
    const gradient = context.createRadialGradient(x0, y0, r0, x1, y1, r1);
    colors.forEach((color, index) => gradient.addColorStop(index / (colors.length - 1), color));
    return gradient;
  };
  const disc = (x, y, radius, ...colors) => {
    context.beginPath();
    context.arc(x, y, radius, 0, Math.PI * 2);
    fill(shade(x - radius * 0.35, y - radius * 0.4, radius * 0.1, x, y, radius, ...colors));
  };
  context.beginPath();
  context.rect(0, 0, width, height);
  const sun = [width * (0.5 + 0.3 * Math.cos(seconds * 0.2)), height * 0.3];
  fill(shade(...sun, 0, ...sun, width * 0.9, "#fff0c8", "#f6b27a", "#7f95bd", "#35507f"));
  disc(...sun, height * 0.07, "#fffbe8", "#ffe3a0");
  ["#6d7596", "#4c6b6b", "#2f5a3c", "#3d4a22"].forEach((color, layer) => {
    context.beginPath();
    context.moveTo(0, height);
    for (let x = 0; x <= width + 8; x += 8) {
      const along = (x / width) * (3 + layer) + seconds * (0.05 + layer * 0.07) + layer * 9;
      context.lineTo(x, height * (0.5 + layer * 0.11 + 0.07 * Math.sin(along) + 0.025 * Math.sin(along * 3.3)));
    }
    context.lineTo(width + 8, height);
    fill(color);
  });
  ["#e2574c", "#3f8fc4", "#e9b949", "#8a5fb0"].forEach((color, index) => {
    const radius = height * (0.07 + 0.02 * index);
    const x = width * (0.5 + 0.4 * Math.sin(seconds * (0.35 + index * 0.06) + index * 1.7));
    const y = height * 0.93 - radius - height * 0.35 * Math.abs(Math.sin(seconds * 1.5 + index));
    context.beginPath();
    context.ellipse(x, height * 0.94, radius, radius * 0.2, 0, 0, Math.PI * 2);
    fill("rgb(0 0 0 / 30%)");
    disc(x, y, radius, "#fff4e0", color, "#1a1420");
  });
}
