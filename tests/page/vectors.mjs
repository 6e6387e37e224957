// Checks sdk/javascript/mirage.js against protocol/vectors: node vectors.mjs MIRAGE_JS VECTORS [OUTCOMES]
// Prints one line for each vector that fails, and then how many passed; exits with 1 when one failed.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";

const [moduleFile, folder, outcomes] = process.argv.slice(2);
const { MirageError, decode, encode } = await import(pathToFileURL(moduleFile));
const read = (file) => JSON.parse(readFileSync(file, "utf-8"));
const bytesOf = (base64) => new Uint8Array(Buffer.from(base64, "base64"));
let [passed, failed] = [0, 0];

/** A message as the vectors write it; `like` says where a number is an integer, which JavaScript cannot tell. */
function written(value, like) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map((item, index) => written(item, like?.[index]));
  if (typeof value === "number" && typeof like === "string") return String(value);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, written(item, like?.[key])]));
}

function outcome(bytes, sender) {
  try {
    return { message: decode(bytes, sender), error: null };
  } catch (error) {
    if (!(error instanceof MirageError)) throw error;
    return { message: null, error: { code: error.code, field: error.field ?? null } };
  }
}

function check(name, actual, expected) {
  if (isDeepStrictEqual(actual, expected)) return void passed++;
  failed++;
  console.log(`${name}: ${JSON.stringify(actual)?.slice(0, 400)}, not ${JSON.stringify(expected)?.slice(0, 400)}`);
}

function good(sender, { name, bytes, message }) {
  const { message: decoded, error } = outcome(bytesOf(bytes), sender);
  check(`${sender}: ${name}`, error ?? written(decoded, message), message);
  if (decoded) check(`${sender}: ${name}, encoded again`, written(decode(encode(decoded), sender), message), message);
}

for (const sender of ["client", "server"]) for (const vector of read(`${folder}/${sender}.json`)) good(sender, vector);
for (const { name, bytes, direction, error } of read(`${folder}/malformed.json`)) {
  check(`${direction}: ${name}`, outcome(bytesOf(bytes), direction).error, error);
}

// The worked examples of section 5: what the pixels of a decoded message mean.
const view = ({ data }) => new DataView(data.slice().buffer);
const half = (plane, at) => {
  const bits = view(plane).getUint16(at, true);
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  if (exponent === 31) return fraction ? "unknown" : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
};
const sRGB = (light) => Math.round(255 * (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055));
const times = (matrix, vector) =>
  [0, 4, 8, 12].map((row) => vector.reduce((sum, each, at) => sum + matrix[row + at] * each, 0));
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const meanings = {
  linear_rgb: ({ planes }, rgb) => isDeepStrictEqual(rgb.map(sRGB), [...planes.color.data.slice(0, 3)]),
  alpha: ({ planes }, alpha) => Math.round(alpha * 255) === planes.color.data[3],
  metres: ({ planes }, metres) =>
    view(planes.depth).getFloat32(0, true) === (metres === "infinity" ? Infinity : metres),
  motion: ({ planes }, motion) => {
    const back = [half(planes.motion, 0), half(planes.motion, 2)];
    return isDeepStrictEqual(back, motion === "unknown" ? ["unknown", "unknown"] : motion);
  },
  normal: ({ planes }, normal) =>
    isDeepStrictEqual(
      normal.map((each) => Math.round((each * 0.5 + 0.5) * 255)),
      [...planes.normal.data.slice(0, 3)],
    ),
  id: ({ planes }, id) => view(planes.ids).getUint32(0, true) === Number(id),
  top_left: ({ planes }, pixel) => hex(planes.color.data.slice(0, 3)) === pixel,
  top_right: ({ planes }, pixel) => hex(planes.color.data.slice(3, 6)) === pixel,
  bottom_left: ({ planes }, pixel) => hex(planes.color.data.slice(6, 9)) === pixel,
  bottom_right: ({ planes }, pixel) => hex(planes.color.data.slice(9, 12)) === pixel,
  ndc: ({ camera }, ndc, { world, tolerance }) => {
    const clip = times(camera.projection, times(camera.view, [...world, 1]));
    return ndc.every((each, axis) => Math.abs(clip[axis] / clip[3] - each) < tolerance);
  },
};
const context = new Set(["world", "tolerance", "moved_right", "moved_down"]); // not in the pixels themselves
for (const vector of read(`${folder}/conventions.json`)) {
  good("client", vector);
  const { message } = outcome(bytesOf(vector.bytes), "client");
  if (vector.pixel)
    check(
      `${vector.section}: pixel`,
      hex(message?.planes[vector.name].data.slice(0, vector.pixel.length / 2)),
      vector.pixel,
    );
  for (const [name, value] of Object.entries(vector.meaning)) {
    if (!context.has(name)) check(`${vector.section}: ${name}`, meanings[name]?.(message, value, vector.meaning), true);
  }
}

// What the reference made of arbitrary bytes, this client has to make of them too.
if (outcomes) {
  for (const { bytes, direction, error } of read(outcomes)) {
    check(`${direction}: ${bytes}`, outcome(bytesOf(bytes), direction).error, error);
  }
}

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
