// Mirage's browser client: sends frames to a Mirage server and gets them back transformed. Apache-2.0.
//
//   const client = new MirageClient();
//   client.addEventListener("result", ({ detail }) => context.putImageData(toImageData(detail.planes.color), 0, 0));
//   await client.connect("ws://127.0.0.1:8765/main", { parameters: { prompt: "watercolour" } });
//   client.send(source.getImageData(0, 0, 768, 432)); // false while two frames are on their way
//   await client.set({ prompt: "lava" });
//
// One module without dependencies: first the bytes (protocol/SPEC.md sections 2, 4 and 5), then the conversation.
// Messages are plain objects with the field names of SPEC.md.

/** @typedef {"source" | "viewer" | "controller"} Role */
/** @typedef {"connecting" | "connected" | "reconnecting" | "disconnected"} State */
/** @typedef {{ format: string, width: number, height: number, data: Uint8Array, stride?: number,
 *   bottom_up?: boolean }} Plane */
/** @typedef {{ width: number, height: number, data: ArrayBufferView, format?: string, stride?: number,
 *   bottom_up?: boolean }} Picture ImageData or alike */
/** @typedef {{ id: number, at: number, latency: number | null, stages: Record<string, number> }} Measured one result:
 *   when it was in hand (as `performance.now()` counts), and milliseconds */
/** @typedef {{ view: ArrayLike<number>, projection: ArrayLike<number>, near: number, far: number }} Camera */
/** @typedef {{ type: string, [field: string]: any }} Message */
/** @typedef {(value: any, path: string) => any} Check */
/** @typedef {Check | { check: Check, fallback: any }} Field */

export const SUBPROTOCOL = "mirage.v1";

const PROTOCOL_VERSION = 1;
const ALIGNMENT = 16;
const MAX_HEADER_SIZE = 65_536;
const MAX_DEPTH = 8;
const MAX_ENTRIES = 1_024;
const MAX_TEXT = 8_192; // characters, which take up to four bytes each
const MAX_DIMENSION = 16_384;
const MAX_WINDOW = 64;

const SILENCE = 10_000; // milliseconds without an answer after which a connection counts as lost
const PING_EVERY = 1_000;
const EXCHANGES = 16; // pings that are remembered, to find the one that travelled fastest
const FIRST_EXCHANGES = 4; // sent one right after the other, so that there is a good one soon
const LONGEST_WAIT = 5_000; // between two attempts to reconnect
const STATS_WINDOW = 10_000;
const DEFAULT_QUALITY = 85;

/** What is wrong with a message or a connection. */
export class MirageError extends Error {
  /**
   * @param {string} code of SPEC.md section 8; also `unreachable` and `disconnected`, which this client says itself
   * @param {string} message one line for a person
   * @param {string} [field] the path of the field at fault, as `planes.color.width`
   */
  constructor(code, message, field) {
    super(message);
    this.name = "MirageError";
    this.code = code;
    this.field = field;
  }
}

// ---------------------------------------------------------------------------------------------- MessagePack

/** A float that has an integer's value: what tells 1.0 from 1, which a check must. Only checks see one. */
class Float {
  /** @param {number} value */
  constructor(value) {
    this.value = value;
  }
}

/** @param {string} problem */
const malformed = (problem) => new MirageError("malformed", problem);

/** Reads MessagePack as strictly as SPEC.md section 2 asks. */
class Reader {
  #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #position = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @returns {Record<string, any>} the one map that the bytes are */
  header() {
    let header;
    try {
      header = this.#value(0);
    } catch (error) {
      throw error instanceof RangeError ? malformed("the header ends too early") : error;
    }
    if (this.#position < this.bytes.length) throw malformed("there is something after the header's map");
    if (kindOf(header) !== "a map") throw malformed("the header must be a MessagePack map");
    return header;
  }

  /** @param {number} depth of the map or array around this value @returns {any} */
  #value(depth) {
    const tag = this.#uint(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 15, depth + 1);
    if (tag < 0xa0) return this.#array(tag & 15, depth + 1);
    if (tag < 0xc0) return this.#text(tag & 31);
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.#take(this.#uint(1 << (tag - 0xc4)), "binary").slice();
      case 0xca: return float(this.view.getFloat32(this.#skip(4)));
      case 0xcb: return float(this.view.getFloat64(this.#skip(8)));
      case 0xcc: case 0xcd: case 0xce: return this.#uint(1 << (tag - 0xcc));
      case 0xcf: return safe(this.view.getBigUint64(this.#skip(8)));
      case 0xd0: return this.view.getInt8(this.#skip(1));
      case 0xd1: return this.view.getInt16(this.#skip(2));
      case 0xd2: return this.view.getInt32(this.#skip(4));
      case 0xd3: return safe(this.view.getBigInt64(this.#skip(8)));
      case 0xd9: case 0xda: case 0xdb: return this.#text(this.#uint(1 << (tag - 0xd9)));
      case 0xdc: case 0xdd: return this.#array(this.#uint(2 << (tag - 0xdc)), depth + 1);
      case 0xde: case 0xdf: return this.#map(this.#uint(2 << (tag - 0xde)), depth + 1);
      case 0xc1: throw malformed("0xc1 is no MessagePack");
      default: throw malformed("MessagePack extension types are not allowed");
    }
  }

  /** @param {number} size @param {number} depth @returns {any[]} */
  #array(size, depth) {
    enter(size, depth);
    return Array.from({ length: size }, () => this.#value(depth));
  }

  /** @param {number} size @param {number} depth */
  #map(size, depth) {
    enter(size, depth);
    const map = new Map();
    for (let index = 0; index < size; index++) {
      const key = this.#value(depth);
      if (typeof key !== "string") throw malformed("map keys must be strings");
      if (map.has(key)) throw malformed(`the key '${shorten(key)}' stands twice in one map`);
      map.set(key, this.#value(depth));
    }
    return Object.fromEntries(map); // unlike assignment, safe for a key such as __proto__
  }

  /** @param {number} size */
  #text(size) {
    const bytes = this.#take(size, "a string");
    try {
      return this.#decoder.decode(bytes);
    } catch {
      throw malformed("a string is not valid UTF-8");
    }
  }

  /** @param {number} size @param {string} what */
  #take(size, what) {
    if (size > MAX_TEXT * 4) throw malformed(`${what} may have ${MAX_TEXT * 4} bytes, not ${size}`);
    const start = this.#skip(size);
    if (this.#position > this.bytes.length) throw new RangeError();
    return this.bytes.subarray(start, this.#position);
  }

  /** @param {number} size 1, 2 or 4 */
  #uint(size) {
    const at = this.#skip(size);
    if (size === 1) return this.view.getUint8(at);
    return size === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  /** @param {number} size @returns {number} where the skipped bytes start */
  #skip(size) {
    this.#position += size;
    return this.#position - size;
  }
}

/** @param {number} size @param {number} depth */
function enter(size, depth) {
  if (depth > MAX_DEPTH) throw malformed(`maps and arrays may be nested ${MAX_DEPTH} deep`);
  if (size > MAX_ENTRIES) throw malformed(`a map or array may have ${MAX_ENTRIES} entries, not ${size}`);
}

/** @param {number} value */
const float = (value) => (Number.isInteger(value) ? new Float(value) : value);

/** @param {bigint} value */
const safe = (value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

/** @param {string} text */
const shorten = (text) => [...text].slice(0, 40).join("");

/** Append a value's MessagePack to `out`. @param {any} value @param {number[]} out */
function write(value, out) {
  if (value === null || value === undefined) out.push(0xc0);
  else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    writeSize(bytes.length, out, 0xa0, 32, [0xd9, 0xda, 0xdb]);
    for (const byte of bytes) out.push(byte);
  } else if (typeof value === "number" || typeof value === "bigint") writeNumber(value, out);
  else if (value instanceof Uint8Array) {
    writeSize(value.length, out, 0, 0, [0xc4, 0xc5, 0xc6]);
    for (const byte of value) out.push(byte);
  } else if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const items = Array.from(/** @type {any} */ (value));
    writeSize(items.length, out, 0x90, 16, [0, 0xdc, 0xdd]);
    for (const item of items) write(item, out);
  } else {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    writeSize(entries.length, out, 0x80, 16, [0, 0xde, 0xdf]);
    for (const [key, item] of entries) {
      write(key, out);
      write(item, out);
    }
  }
}

/** @param {number} size @param {number[]} out @param {number} small @param {number} limit @param {number[]} tags */
function writeSize(size, out, small, limit, [tag8, tag16, tag32]) {
  if (size < limit) out.push(small | size);
  else if (tag8 && size < 0x100) out.push(tag8, size);
  else if (size < 0x10000) out.push(tag16, size >> 8, size & 255);
  else out.push(tag32, size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255);
}

/** @param {number | bigint} value @param {number[]} out */
function writeNumber(value, out) {
  const whole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (whole && value >= 0 && value < 0x80) return void out.push(Number(value));
  if (whole && value < 0 && value >= -32) return void out.push(Number(value) + 256);
  const view = new DataView(new ArrayBuffer(8));
  if (!whole) view.setFloat64(0, Number(value));
  else if (value < 0) view.setBigInt64(0, BigInt(value));
  else view.setBigUint64(0, BigInt(value));
  out.push(whole ? (value < 0 ? 0xd3 : 0xcf) : 0xcb, ...new Uint8Array(view.buffer));
}

// --------------------------------------------------------------------------------------------------- Checks

/** @param {any} value */
function kindOf(value) {
  if (value === null || value === undefined) return "nil";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Uint8Array) return "binary";
  if (value instanceof Float) return "a float";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a float";
  const names = { bigint: "an integer", boolean: "a boolean", string: "a string", object: "a map" };
  return names[/** @type {"object"} */ (typeof value)];
}

/** @param {any} value @param {string} path @param {...string} kinds */
function demand(value, path, ...kinds) {
  const kind = kindOf(value);
  if (!kinds.includes(kind)) throw new MirageError("wrong-type", `${path} must be ${kinds[0]}, not ${kind}`, path);
}

/** @param {boolean} fits @param {string} path @param {string} expected */
function inRange(fits, path, expected) {
  if (!fits) throw new MirageError("out-of-range", `${path} must be ${expected}`, path);
}

/** @returns {Check} */
const integer = (minimum = 0, maximum = Number.MAX_SAFE_INTEGER) => (value, path) => {
  demand(value, path, "an integer");
  inRange(value >= minimum && value <= maximum, path, `${minimum} to ${maximum}, not ${value}`);
  return value;
};

/** @returns {Check} */
const number = (minimum = -Infinity, maximum = Infinity) => (value, path) => {
  demand(value, path, "a float", "an integer");
  const plain = value instanceof Float ? value.value : Number(value);
  const fits = Number.isFinite(plain) && plain >= minimum && plain <= maximum;
  inRange(fits, path, `a finite number, ${minimum} to ${maximum}, not ${plain}`);
  return plain;
};

/** @type {Check} */
const flag = (value, path) => {
  demand(value, path, "a boolean");
  return value;
};

/** @returns {Check} */
const text = (limit = MAX_TEXT) => (value, path) => {
  demand(value, path, "a string");
  inRange(value.length <= limit || [...value].length <= limit, path, `at most ${limit} characters long`);
  return value;
};

/** @param {...string} choices @returns {Check} */
const choice = (...choices) => (value, path) => {
  demand(value, path, "a string");
  inRange(choices.includes(value), path, `one of ${choices.join(", ")}; not '${shorten(value)}'`);
  return value;
};

/** @param {number} size @returns {Check} */
const binary = (size) => (value, path) => {
  demand(value, path, "binary");
  inRange(value.length === size, path, `${size} bytes, not ${value.length}`);
  return value;
};

/** @param {Check} item @param {number} [length] @returns {Check} */
const listOf = (item, length) => (value, path) => {
  demand(value, path, "an array");
  inRange(length === undefined || value.length === length, path, `an array of ${length}, not ${value.length}`);
  return value.map((/** @type {any} */ each, /** @type {number} */ index) => item(each, `${path}.${index}`));
};

/** @param {Check} item @returns {Check} */
const mapOf = (item) => (value, path) => {
  demand(value, path, "a map");
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, item(each, `${path}.${key}`)]));
};

/** Let every value pass, as JavaScript has it. @param {any} value @returns {any} */
function anything(value) {
  if (value instanceof Float) return value.value;
  if (Array.isArray(value)) return value.map(anything);
  return kindOf(value) === "a map" ? mapOf(anything)(value, "") : value;
}

// --------------------------------------------------------------------------------------------------- Planes

/** @type {Record<string, number>} */
const BYTES_PER_PIXEL = { rgba8: 4, rgb8: 3, r32f: 4, rg16f: 4, r32u: 4 };

/** Bytes of one number of a pixel, of which a stride is a multiple. @type {Record<string, number>} */
const BYTES_PER_NUMBER = { rgba8: 1, rgb8: 1, r32f: 4, rg16f: 2, r32u: 4 };

/** @type {Record<string, string[]>} */
const PLANE_FORMATS = {
  color: ["rgba8", "rgb8", "jpeg"],
  depth: ["r32f"],
  motion: ["rg16f"],
  normal: ["rgb8", "rgba8"],
  ids: ["r32u"],
};

/** @param {Uint8Array} payload @returns {Check} */
const planesIn = (payload) => (described, path) => {
  demand(described, path, "a map");
  if (absent(described.color)) throw missing(`${path}.color`);
  const names = Object.keys(PLANE_FORMATS).filter((name) => !absent(described[name]));
  const read = (/** @type {string} */ name) => readPlane(name, described[name], payload, `${path}.${name}`);
  const planes = Object.fromEntries(names.map((name) => [name, read(name)]));
  for (const name of names) checkFraction(planes[name], planes.color, `${path}.${name}`);
  return planes;
};

/** @param {string} name @param {any} described @param {Uint8Array} payload @param {string} path @returns {Plane} */
function readPlane(name, described, payload, path) {
  demand(described, path, "a map");
  for (const key of ["format", "width", "height", "offset", "size"]) {
    if (absent(described[key])) throw missing(`${path}.${key}`);
  }
  const format = text(40)(described.format, `${path}.format`);
  if (!PLANE_FORMATS[name].includes(format)) {
    const problem = `${path}.format must be one of ${PLANE_FORMATS[name].join(", ")}; not '${format}'`;
    throw new MirageError("unsupported", problem, `${path}.format`);
  }
  const width = integer(1, MAX_DIMENSION)(described.width, `${path}.width`);
  const height = integer(1, MAX_DIMENSION)(described.height, `${path}.height`);
  const offset = integer()(described.offset, `${path}.offset`);
  const size = integer()(described.size, `${path}.size`);
  const stride = readStride(format, width, described.stride, `${path}.stride`);
  const bottomUp = !absent(described.bottom_up) && flag(described.bottom_up, `${path}.bottom_up`);
  const rows = { ...(stride && { stride }), ...(bottomUp && { bottom_up: true }) };
  const expected = format === "jpeg" ? size : sizeOf({ format, width, height, ...rows });
  /** @type {(fits: boolean, problem: string, field?: string) => void} */
  const agree = (fits, problem, field = path) => {
    if (!fits) throw new MirageError("plane-size", `${field} ${problem}`, field);
  };
  const shape = `${format} at ${width}x${height}`;
  agree(size === expected && size > 0, `is ${size}, but ${shape} has ${expected} bytes`, `${path}.size`);
  agree(offset % ALIGNMENT === 0, `must be a multiple of ${ALIGNMENT}`, `${path}.offset`);
  agree(offset + size <= payload.length, `ends at byte ${offset + size} of a payload of ${payload.length}`);
  return { format, width, height, data: payload.subarray(offset, offset + size), ...rows };
}

/** @param {string} format @param {number} width @param {any} value @param {string} path */
function readStride(format, width, value, path) {
  if (absent(value)) return undefined;
  const stride = integer(1, 2 ** 31 - 1)(value, path);
  const [row, step] = [BYTES_PER_PIXEL[format] * width, BYTES_PER_NUMBER[format]];
  if (format === "jpeg") throw new MirageError("plane-size", "a JPEG has no stride", path);
  if (stride >= row && stride % step === 0) return stride > row ? stride : undefined;
  throw new MirageError("plane-size", `${path} must be a multiple of ${step} from ${row} on, not ${stride}`, path);
}

/** Bytes from a plane's first pixel to its last: the last row is not padded. @param {Omit<Plane, "data">} plane */
function sizeOf({ format, width, height, stride }) {
  const row = BYTES_PER_PIXEL[format] * width;
  return (stride ?? row) * (height - 1) + row;
}

/** @param {Plane} plane @param {Plane} color @param {string} path */
function checkFraction(plane, color, path) {
  const [horizontal, vertical] = [color.width / plane.width, color.height / plane.height];
  if (horizontal === vertical && Number.isInteger(horizontal)) return;
  const problem = `${path} is ${plane.width}x${plane.height}, no whole fraction of ${color.width}x${color.height}`;
  throw new MirageError("plane-size", problem, path);
}

/**
 * Wrap pixels as a plane. Without a format it is the plane's first one whose size fits. Rows may begin `stride` bytes
 * apart, and go from the bottom up, as WebGL reads them.
 * @param {string} name
 * @param {Picture} picture
 * @returns {Plane}
 */
export function plane(name, { width, height, data, format, stride, bottom_up: bottomUp }) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const rows = { ...(stride && { stride }), ...(bottomUp && { bottom_up: true }) };
  /** @type {(format: string) => boolean} */
  const fits = (each) => each === "jpeg" || sizeOf({ format: each, width, height, stride }) === bytes.length;
  const known = PLANE_FORMATS[name] ?? [];
  const found = format ?? known.find((each) => each !== "jpeg" && fits(each));
  if (found && known.includes(found) && fits(found)) return { format: found, width, height, data: bytes, ...rows };
  const problem = `${bytes.length} bytes are no ${found ?? known.join(" or ")} of ${width}x${height}`;
  throw new MirageError("plane-size", problem, `planes.${name}`);
}

/** A colour plane as what a canvas shows. @param {Plane} color `rgba8` (not copied where it is packed) or `rgb8` */
export function toImageData({ format, width, height, data, stride, bottom_up: bottomUp }) {
  if (format === "rgba8" && !stride && !bottomUp) {
    const buffer = /** @type {ArrayBuffer} */ (data.buffer);
    return new ImageData(new Uint8ClampedArray(buffer, data.byteOffset, data.length), width, height);
  }
  if (format !== "rgba8" && format !== "rgb8") throw new MirageError("unsupported", `a canvas cannot show ${format}`);
  const step = BYTES_PER_PIXEL[format];
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let row = 0, to = 0; row < height; row++) {
    let from = (bottomUp ? height - 1 - row : row) * (stride ?? width * step);
    for (const end = to + width * 4; to < end; from += step, to += 4) {
      pixels[to] = data[from];
      pixels[to + 1] = data[from + 1];
      pixels[to + 2] = data[from + 2];
      pixels[to + 3] = step === 4 ? data[from + 3] : 255;
    }
  }
  return new ImageData(pixels, width, height);
}

// ----------------------------------------------------------------------------------------------------- JPEG

/** @type {CanvasRenderingContext2D | null} */ let packing = null;
/** @type {OffscreenCanvasRenderingContext2D | null} */ let unpacking = null;

/** Whether JPEGs can be made here: a worker has no canvas that does so at once. */
const CAN_PACK = typeof document !== "undefined";

/**
 * A picture as JPEG. `toDataURL` answers at once: `toBlob` and `convertToBlob` wait until the page is idle, which in a
 * page that draws all the time takes a second.
 * @param {Plane} color @param {number} quality 1 to 100 @param {boolean} translucent whether any pixel is
 * @returns {Plane}
 */
function packJpeg(color, quality, translucent) {
  let picture = toImageData(color);
  if (translucent) picture = opaque(picture); // a canvas would mix what is not opaque with black
  const { width, height } = picture;
  packing ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (!packing) throw new MirageError("unsupported", "this browser has no canvas to make JPEGs with");
  const { canvas } = packing;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  packing.putImageData(picture, 0, 0);
  const url = canvas.toDataURL("image/jpeg", quality / 100);
  const characters = atob(url.slice(url.indexOf(",") + 1));
  const data = new Uint8Array(characters.length);
  for (let at = 0; at < data.length; at++) data[at] = characters.charCodeAt(at);
  return { format: "jpeg", width, height, data };
}

/** A JPEG as `rgba8`, which serves whoever draws raw results. @param {Plane} color @returns {Promise<Plane>} */
async function unpackJpeg({ width, height, data }) {
  const file = new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (data)], { type: "image/jpeg" });
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const size = [bitmap.width, bitmap.height];
  unpacking ??= new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!unpacking || size[0] !== width || size[1] !== height) throw new Error(`it is ${size.join("x")}`);
  const { canvas } = unpacking;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  unpacking.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { buffer } = unpacking.getImageData(0, 0, width, height).data;
  return { format: "rgba8", width, height, data: new Uint8Array(buffer) };
}

/** Each pixel's alpha, which a JPEG cannot hold; null where all are opaque. @param {Plane} color */
function alphaOf(color) {
  if (color.format !== "rgba8") return null;
  const { data } = toImageData(color);
  let all = 255;
  for (let at = 3; at < data.length; at += 4) all &= data[at];
  if (all === 255) return null;
  const alpha = new Uint8Array(data.length / 4);
  for (let at = 0; at < alpha.length; at++) alpha[at] = data[at * 4 + 3];
  return alpha;
}

/** @param {ImageData} picture @returns {ImageData} a copy */
function opaque({ data, width, height }) {
  const pixels = new Uint8ClampedArray(data);
  for (let at = 3; at < pixels.length; at += 4) pixels[at] = 255;
  return new ImageData(pixels, width, height);
}

/** A picture with the alpha of the frame that it was made of. @param {Plane} color @param {Uint8Array} alpha */
function withAlpha(color, alpha) {
  const { data, width, height } = toImageData(color);
  for (let at = 0; at < alpha.length; at++) data[at * 4 + 3] = alpha[at];
  return { format: "rgba8", width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
}

// ------------------------------------------------------------------------------------------------- Messages

/** @param {Check} check @param {any} [fallback] @returns {Field} */
const optional = (check, fallback) => ({ check, fallback });

const name = text(200);
const id = integer();
const values = mapOf(anything);
const role = choice("source", "viewer", "controller");
const window_ = integer(1, MAX_WINDOW);
const version = integer(1, 65_536);
const matrix = listOf(number(), 16);
const size32 = integer(0, 2 ** 32 - 1);
const resultFormat = optional(choice("raw", "jpeg"), "raw");
const quality = optional(integer(1, 100), DEFAULT_QUALITY);
const seconds = optional(number(0, 86_400));
const actions = [
  "watch", "go", "back", "goto", "recall", "pause", "play", "save-preset", "delete-preset", "save-cue", "delete-cue",
  "learn", "stop-learning", "forget",
];

/** @type {Check} */
const camera = (value, path) => {
  demand(value, path, "a map");
  const fields = { view: matrix, projection: matrix, near: number(0), far: number(0) };
  return build(fields, value, new Uint8Array(), `${path}.`);
};

/**
 * The fields of each message from either side. Their order is the order in which they are checked.
 * @type {Record<"client" | "server", Map<string, Record<string, any>>>}
 */
const MESSAGES = {
  client: new Map(Object.entries({
    hello: {
      role, protocol: optional(version, PROTOCOL_VERSION), client: optional(name, ""), token: optional(text(1000)),
      take_over: optional(flag, false), window: optional(window_, 2), parameters: optional(values, {}),
      result_format: resultFormat, quality,
    },
    frame: { id, planes: planesIn, time: optional(id, 0), motion_from: optional(id), camera: optional(camera) },
    set: { request: id, parameters: values },
    share: {
      request: id, frame_size: size32, result_size: size32,
      wake: optional(choice("pipe", "message", "none"), "message"), check: optional(flag, false),
    },
    shared: { request: id, nonce: binary(16) },
    unshared: { request: id, reason: optional(text(), "") },
    wake: {},
    show: {
      request: id, action: choice(...actions), cue: optional(name), preset: optional(name), parameter: optional(name),
      name: optional(name), fade: seconds, curve: optional(choice("linear", "smooth", "ease-in", "ease-out")),
      follow: seconds,
    },
    ping: { time: id },
  })),
  server: new Map(Object.entries({
    hello: {
      protocol: version, server: name, stream: name, model: values, capabilities: values,
      parameters: listOf(values), token_required: optional(flag, false),
    },
    ready: {
      connection: id, role, stream: name, window: window_, parameters: values, result_format: resultFormat, quality,
    },
    result: {
      id, planes: planesIn, time: optional(id, 0), dropped: optional(id, 0), dropped_ids: optional(listOf(id), []),
      received: optional(id, 0), sent: optional(id, 0), timings: optional(mapOf(number(0)), {}),
      parameters: optional(values, {}), resets: optional(id, 0), memory: optional(number(0, 1), 0),
      stages: optional(mapOf(listOf(id, 2)), {}), lag: optional(id, 0),
    },
    dropped: { ids: listOf(id), reason: choice("newer", "failed") },
    ack: { request: id, parameters: values, prompt: optional(values) },
    parameters: { parameters: values },
    status: { state: choice("waiting", "streaming", "paused", "recovering"), message: optional(text(), "") },
    error: {
      code: text(40), message: text(), field: optional(text(400)), request: optional(id), id: optional(id),
    },
    memory: {
      request: id, path: text(1000), size: size32,
      frames_pipe: optional(text(1000)), results_pipe: optional(text(1000)),
    },
    wake: {},
    show: {
      name: optional(name, ""), file: optional(text(), ""), presets: optional(listOf(name), []),
      cues: optional(listOf(values), []), current: optional(name), next: optional(name),
      fading: optional(number(0), 0), following: optional(number(0)), bindings: optional(listOf(values), []),
      learning: optional(name), devices: optional(listOf(name), []), sound: optional(text(1000), ""),
      problems: optional(listOf(text()), []),
    },
    pong: { time: id, server_time: id },
  })),
};

/** @param {any} value */
const absent = (value) => value === null || value === undefined;

/** @param {string} path */
const missing = (path) => new MirageError("missing-field", `${path} is missing`, path);

/** @param {number} size */
const aligned = (size) => Math.ceil(size / ALIGNMENT) * ALIGNMENT;

/**
 * Read one message. Planes are views of `bytes`.
 * @param {ArrayBuffer | Uint8Array} bytes
 * @param {"client" | "server"} sender
 * @returns {Message}
 * @throws {MirageError} for everything that SPEC.md forbids
 */
export function decode(bytes, sender = "server") {
  const message = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  if (message.length < 4) throw malformed(`a message has at least 4 bytes; this one has ${message.length}`);
  const end = 4 + new DataView(message.buffer, message.byteOffset).getUint32(0, true);
  if (end - 4 > MAX_HEADER_SIZE) throw malformed(`the header may have ${MAX_HEADER_SIZE} bytes, not ${end - 4}`);
  if (end > message.length) throw malformed("the message ends inside its header");
  const header = new Reader(message.subarray(4, end)).header();
  if (absent(header.type)) throw missing("type");
  const type = name(header.type, "type");
  const fields = MESSAGES[sender].get(type);
  if (!fields) {
    const problem = `there is no message '${shorten(type)}' from a ${sender}`;
    throw new MirageError("unknown-message", problem, "type");
  }
  return { type, ...build(fields, header, message.subarray(aligned(end)), "") };
}

/** @param {Record<string, any>} fields @param {any} header @param {Uint8Array} payload @param {string} prefix */
function build(fields, header, payload, prefix) {
  /** @type {Record<string, any>} */
  const built = {};
  for (const [key, field] of Object.entries(fields)) {
    const check = field === planesIn ? planesIn(payload) : field.check ?? field;
    if (!absent(header[key])) built[key] = check(header[key], prefix + key);
    else if (typeof field === "function") throw missing(prefix + key);
    else if (field.fallback !== undefined) built[key] = structuredClone(field.fallback);
  }
  return built;
}

/**
 * Write one message. Fields that are null or undefined are left out.
 * @param {Message} message with each of its `planes` as `plane` returns it
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encode(message) {
  const planes = Object.entries(/** @type {Record<string, Plane>} */ (message.planes ?? {}));
  /** @type {Record<string, object>} */
  const described = {};
  let size = 0;
  for (const [key, { format, width, height, stride, bottom_up, data }] of planes) {
    described[key] = { format, width, height, stride, bottom_up, offset: size, size: data.length };
    size = aligned(size + data.length);
  }
  const fields = Object.entries(message).filter(([, value]) => !absent(value));
  /** @type {number[]} */
  const header = [];
  write({ ...Object.fromEntries(fields), ...(message.planes && { planes: described }) }, header);
  if (header.length > MAX_HEADER_SIZE) throw malformed(`the header may have ${MAX_HEADER_SIZE} bytes`);
  const payload = aligned(4 + header.length);
  const bytes = new Uint8Array(planes.length ? payload + size : 4 + header.length);
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, 4);
  for (const [key, { data }] of planes) bytes.set(data, payload + /** @type {any} */ (described[key]).offset);
  return bytes;
}

// --------------------------------------------------------------------------------------------------- Client

/** Whether a server is on this machine, by its address. @param {string} url */
function isHere(url) {
  const { hostname } = new URL(url, globalThis.location?.href);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

/** @param {number[]} sorted @param {number} part 0 to 1 @returns {number | null} */
const percentile = (sorted, part) => sorted[Math.ceil(part * sorted.length) - 1] ?? null;

/**
 * One connection to a stream that finds its way back when it is lost, with its role and its parameters.
 *
 * Events, each with its news in `detail`: `result`, `parameters`, `status`, `show` and `dropped` (the message), `error`
 * (a MirageError), `state` (a State).
 */
export class MirageClient extends EventTarget {
  /** @type {State} */
  state = "disconnected";
  /** @type {Message | null} the server's hello: its model, capabilities and parameter table */
  server = null;
  /** @type {Record<string, any>} every parameter's value now, whoever set it */
  parameters = {};
  /** @type {Message | null} the show as it was last told of, once this client watches it */
  show = null;
  /** @type {number} frames that may be on their way, as the server granted it */
  window = 2;

  /** @type {WebSocket | null} */ #socket = null;
  /** @type {any} */ #options = {};
  /** @type {any} what the caller of `connect` waits for */ #promise = null;
  /** @type {Record<string, any>} what this client has set, to be set again after a loss */ #own = {};
  /** @type {MirageError | null} the last error that answers no message of ours: why a close follows */ #reason = null;
  /** @type {Map<number, { sent: number }>} */ #inFlight = new Map();
  /** @type {Map<number, Uint8Array>} */ #alphas = new Map(); // of frames whose pictures may come as JPEG
  /** @type {Map<number, any>} request to the promise of its answer */ #requests = new Map();
  /** @type {Measured[]} the results of the last ten seconds */ #recent = [];
  /** @type {{ at: number, count: number }[]} the frames dropped in them */ #drops = [];
  /** @type {{ message: Message, arrived: number }[]} results to be decoded, or behind one that is */ #waiting = [];
  /** @type {{ roundTrip: number, offset: number }[]} the last pings, in milliseconds */ #exchanges = [];
  #unpacking = false;
  #ready = false; // on this socket
  #known = false; // the server has accepted us once since `connect`
  #watches = false; // the show, also after a loss
  #attempts = 0;
  #dropped = 0;
  /** @type {number | undefined} what the server's last result said, where the frames are somebody else's */ #told;
  #lastId = 0; // frames and requests are numbered together
  /** @type {number | undefined} the last frame on this socket */ #lastFrame;
  #heard = 0;
  #pinged = 0;
  /** @type {any} */ #timer;
  /** @type {any} */ #pulse;

  /**
   * Connect, and stay connected until `disconnect` or a refusal. Resolves with the server's `ready`; rejects with the
   * server's error. A server that cannot be reached is tried again and again (event `error`, code `unreachable`).
   * @param {string} url its path names the stream, as `ws://127.0.0.1:8765/main`
   * @param {{ role?: Role, token?: string, takeOver?: boolean, window?: number, parameters?: Record<string, any>,
   *   compression?: "auto" | "raw" | "jpeg", quality?: number, client?: string }} [options] `compression` is how
   *   pictures travel, both ways: `auto` is `raw` on this machine, and else JPEGs of `quality` 1 to 100
   * @returns {Promise<Message>}
   */
  connect(url, options = {}) {
    this.disconnect();
    const { compression = "auto", quality = DEFAULT_QUALITY } = options;
    this.#options = { role: "source", client: "mirage.js", ...options, compression, quality, url };
    this.#own = { ...options.parameters };
    [this.#known, this.#attempts, this.#dropped] = [false, 0, 0];
    [this.#watches, this.show] = [false, null];
    return new Promise((resolve, reject) => {
      choice("auto", "raw", "jpeg")(compression, "compression");
      integer(1, 100)(quality, "quality");
      this.#promise = { resolve, reject };
      this.#open();
    });
  }

  /** Close the connection and stay away. */
  disconnect() {
    this.#drop(new MirageError("disconnected", "the connection was closed"));
    this.#enter("disconnected");
  }

  /** Whether `send` would take a frame now. */
  get canSend() {
    return this.#usable && this.#options.role === "source" && this.#inFlight.size < this.window;
  }

  /**
   * Send a frame unless as many as the window allows are on their way. Planes that the server does not announce are
   * left out. `motion` points back to the last frame that was sent, or to `motionFrom`; the first one's is left out.
   * @param {Picture} color
   * @param {{ planes?: Record<string, Picture>, camera?: Camera, motionFrom?: number }} [extras]
   * @returns {number | false} the frame's id, more than 0; false where it was not sent
   */
  send(color, { planes = {}, camera, motionFrom } = {}) {
    if (!this.canSend) return false;
    const sent = performance.now();
    const announced = this.server?.capabilities.planes;
    /** @type {Record<string, Plane>} */
    const pictures = { color: plane("color", color) };
    for (const [key, picture] of Object.entries(planes)) {
      const checked = plane(key, picture);
      if (kindOf(announced) !== "a map" || key in announced) pictures[key] = checked;
    }
    const from = motionFrom ?? (pictures.motion && this.#lastFrame);
    if (absent(from)) delete pictures.motion;
    const alpha = this.#compresses ? alphaOf(pictures.color) : null;
    if (this.#compresses && CAN_PACK && pictures.color.format !== "jpeg" && announced?.color?.includes?.("jpeg")) {
      pictures.color = packJpeg(pictures.color, this.#options.quality, alpha !== null);
    }
    const id = this.#lastId + 1;
    this.#write({ type: "frame", id, time: Math.round(sent * 1000), planes: pictures, motion_from: from, camera });
    this.#inFlight.set(id, { sent });
    if (alpha) this.#alphas.set(id, alpha);
    return (this.#lastId = this.#lastFrame = id);
  }

  /**
   * Change parameters, all or none. Resolves with the server's `ack`, whose `prompt` says which words it understood.
   * @param {Record<string, any>} parameters
   * @returns {Promise<Message>}
   */
  set(parameters) {
    return this.#ask({ type: "set", parameters });
  }

  /**
   * Play the show, change it, or `watch` it: then its state comes as the event `show`, now and whenever it changes,
   * and after a loss of the connection again. Resolves with the server's `ack`; rejects with its error.
   * @param {string} action `go`, `goto`, `recall` and so on (SPEC.md section 4.11)
   * @param {{ cue?: string, preset?: string, parameter?: string, name?: string, fade?: number, curve?: string,
   *   follow?: number }} [fields] what the action needs
   * @returns {Promise<Message>}
   */
  async play(action, fields = {}) {
    const ack = await this.#ask({ ...fields, type: "show", action });
    if (action === "watch") this.#watches = true;
    return ack;
  }

  /**
   * What the last ten seconds were like. Glass to glass is the time from `send` until the result is in hand (for a
   * viewer, from when the frame reached the server), or until `shown` was called for it.
   *
   * `p50`, `p95`, `p99`: milliseconds glass to glass that so many of a hundred results took at most; `jitter`: by how
   * many two results in succession differ, in the mean; each null where there were none. `rate`: results a second.
   * `drops`: frames without a result. `offset`: milliseconds that the server's clock is ahead of the page's, null
   * before it is known. `stages`: each stage's median in milliseconds: the server's own, and before and after them
   * `there` (the way to the server), `back`, and `display` (decoding, and drawing until `shown`).
   * `dropped` counts since `connect`; `inFlight` frames are on their way now.
   */
  stats() {
    const now = performance.now();
    const recent = this.recent;
    const latencies = recent.flatMap(({ latency }) => latency ?? []);
    const sorted = [...latencies].sort((a, b) => a - b);
    const steps = latencies.slice(1).map((each, index) => Math.abs(each - latencies[index]));
    const span = now - (recent[0]?.at ?? now);
    const names = [...new Set(recent.flatMap(({ stages }) => Object.keys(stages)))];
    const median = (/** @type {string} */ stage) =>
      percentile(recent.flatMap(({ stages }) => stages[stage] ?? []).sort((a, b) => a - b), 0.5);
    return {
      p50: percentile(sorted, 0.5),
      p95: percentile(sorted, 0.95),
      p99: percentile(sorted, 0.99),
      rate: span > 0 ? ((recent.length - 1) * 1000) / span : 0,
      drops: this.recentDrops.reduce((sum, { count }) => sum + count, 0),
      jitter: steps.length ? steps.reduce((sum, each) => sum + each) / steps.length : null,
      offset: this.#offset ?? null,
      stages: Object.fromEntries(names.map((stage) => [stage, /** @type {number} */ (median(stage))])),
      dropped: this.#dropped,
      inFlight: this.#inFlight.size,
    };
  }

  /**
   * The results that `stats` was taken from, the newest last: the stages of one sum up to its `latency`. For plots.
   * @returns {readonly Measured[]}
   */
  get recent() {
    this.#forgetOld(this.#recent, performance.now());
    return this.#recent;
  }

  /**
   * When frames were dropped in the last ten seconds, and how many.
   * @returns {readonly { at: number, count: number }[]}
   */
  get recentDrops() {
    this.#forgetOld(this.#drops, performance.now());
    return this.#drops;
  }

  /** Say that a result is on the screen now: its `display`, and so glass to glass, ends here. @param {number} id */
  shown(id) {
    const result = this.#recent.findLast((each) => each.id === id);
    if (!result) return;
    const more = performance.now() - result.at;
    result.at += more;
    result.stages.display += more;
    if (result.latency !== null) result.latency += more;
  }

  /**
   * A time of the server's (`received`, `sent` and `stages` of a result) as `performance.now()` counts here; null
   * until the clocks were compared, a moment after connecting. It is wrong by half a round trip at most.
   * @param {number} microseconds
   * @returns {number | null}
   */
  pageTime(microseconds) {
    return this.#offset === undefined ? null : microseconds / 1000 - this.#offset;
  }

  /** Milliseconds that the server's clock is ahead of ours, by the ping that travelled fastest: it waited least. */
  get #offset() {
    if (!this.#exchanges.length) return undefined;
    return this.#exchanges.reduce((best, each) => (each.roundTrip < best.roundTrip ? each : best)).offset;
  }

  /** Whether pictures are to travel as JPEG, where the server can. */
  get #compresses() {
    const { compression, url } = this.#options;
    return compression === "jpeg" || (compression === "auto" && !isHere(url));
  }

  /** Whether the server has accepted us and the socket is not closing yet. */
  get #usable() {
    return this.#ready && this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Send a request and wait for its answer. @param {Message} message @returns {Promise<Message>} */
  #ask(message) {
    if (!this.#usable) return Promise.reject(new MirageError("disconnected", "there is no connection"));
    const request = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#requests.set(request, { resolve, reject });
      this.#write({ ...message, request });
    });
  }

  #open() {
    const socket = new WebSocket(this.#options.url, SUBPROTOCOL);
    this.#enter(this.#known ? "reconnecting" : "connecting");
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#lost(code);
    this.#socket = socket;
    this.#heard = this.#pinged = performance.now();
    this.#pulse = setInterval(() => this.#beat(), PING_EVERY);
  }

  /** Ask whether the server is still there; one that has not answered the last time for long is not. */
  #beat() {
    const now = performance.now();
    if (this.#heard <= this.#pinged && now - this.#pinged > SILENCE) return this.#lost(1006);
    if (!this.#ready || this.#heard <= this.#pinged) return;
    this.#ping();
  }

  #ping() {
    this.#pinged = performance.now();
    this.#write({ type: "ping", time: Math.round(this.#pinged * 1000) });
  }

  /** @param {Message} pong */
  #compareClocks({ time, server_time: serverTime }) {
    const roundTrip = performance.now() - time / 1000;
    this.#exchanges.push({ roundTrip, offset: serverTime / 1000 - (time / 1000 + roundTrip / 2) });
    if (this.#exchanges.length > EXCHANGES) this.#exchanges.shift();
    if (this.#exchanges.length < FIRST_EXCHANGES) this.#ping();
  }

  /** @param {ArrayBuffer | string} data */
  #receive(data) {
    this.#heard = performance.now();
    try {
      if (typeof data === "string") throw malformed("the server sent text");
      this.#handle(decode(data));
    } catch (error) {
      if (!(error instanceof MirageError)) throw error;
      if (error.code === "handshake") this.#refused(error);
      else if (error.code !== "unknown-message") this.#emit("error", error); // a newer server may say more than we know
    }
  }

  /** @param {Message} message */
  #handle(message) {
    switch (message.type) {
      case "hello": return this.#hello(message);
      case "ready": return this.#accepted(message);
      case "ack": return this.#acknowledged(message);
      case "error": return this.#failed(message);
      case "pong": return this.#compareClocks(message);
      case "result": return this.#arrived(message);
      case "dropped": this.#forget(message.ids); break;
      case "parameters": this.#learn(message.parameters); break;
      case "show": this.show = message; break;
      case "status": break;
      default: return;
    }
    this.#emit(message.type, message);
  }

  /** @param {Message} server */
  #hello(server) {
    if (server.protocol !== PROTOCOL_VERSION) {
      throw new MirageError("handshake", `the server speaks protocol ${server.protocol}`, "protocol");
    }
    this.server = server;
    const { role, token, takeOver, window, client, quality } = this.#options;
    const table = new Set(server.parameters.map((/** @type {any} */ each) => each.name));
    // A server that comes back may be another one: what its table does not know is not asked for again.
    const own = Object.entries(this.#own).filter(([key]) => !this.#known || table.has(key));
    const parameters = role === "viewer" || !own.length ? undefined : Object.fromEntries(own);
    const formats = server.capabilities.results;
    const jpeg = role !== "controller" && this.#compresses && Array.isArray(formats) && formats.includes("jpeg");
    const results = jpeg ? { result_format: "jpeg", quality } : {};
    const takes = takeOver && !this.#known;
    this.#write({ type: "hello", role, token, client, window, take_over: takes, parameters, ...results });
  }

  /** @param {Message} ready */
  #accepted(ready) {
    [this.#ready, this.#known, this.#attempts] = [true, true, 0];
    this.window = ready.window;
    this.parameters = ready.parameters;
    this.#enter("connected");
    this.#emit("parameters", ready);
    this.#promise?.resolve(ready);
    this.#promise = null;
    if (this.#watches) this.play("watch").catch((error) => error.code === "disconnected" || this.#emit("error", error));
    this.#ping();
  }

  /** @param {Message} ack */
  #acknowledged(ack) {
    Object.assign(this.#own, ack.parameters);
    this.#learn(ack.parameters);
    this.#requests.get(ack.request)?.resolve(ack);
    this.#requests.delete(ack.request);
  }

  /** @param {Message} message */
  #failed({ code, message, field, request, id }) {
    const error = new MirageError(code, message, field);
    const asked = this.#requests.get(request);
    this.#requests.delete(request);
    if (asked) return asked.reject(error);
    this.#inFlight.delete(id);
    if (absent(id)) this.#reason = error;
    this.#emit("error", error);
  }

  /** A result came: hand it on, in its turn. @param {Message} message */
  #arrived(message) {
    const result = { message, arrived: this.#heard };
    if (message.planes.color.format !== "jpeg" && !this.#unpacking) return this.#handOn(result);
    // The newest wins for who only watches, and is slower than the stream. A source's window keeps these few.
    if (this.#options.role !== "source") this.#lose(this.#waiting.splice(0).length);
    this.#waiting.push(result);
    if (!this.#unpacking) this.#unpackWaiting();
  }

  /** Decode what waits, one after the other, so that results stay in order. */
  async #unpackWaiting() {
    const socket = this.#socket;
    this.#unpacking = true;
    for (let result; (result = this.#waiting.shift()); ) {
      const { id, planes } = result.message;
      let problem = null;
      if (planes.color.format === "jpeg") {
        await unpackJpeg(planes.color).then((color) => (planes.color = color), ({ message }) => (problem = message));
      }
      if (socket !== this.#socket) return; // that was another connection, and its results are nobody's any more
      if (problem === null) {
        this.#handOn(result);
        continue;
      }
      this.#inFlight.delete(id);
      this.#lose(1);
      this.#emit("error", new MirageError("unsupported", `the JPEG of result ${id} cannot be read: ${problem}`));
    }
    this.#unpacking = false;
  }

  /** @param {{ message: Message, arrived: number }} result */
  #handOn({ message, arrived }) {
    const frame = this.#inFlight.get(message.id);
    const { color } = message.planes;
    const shown = message.id - message.lag;
    const alpha = this.#alphas.get(shown);
    if (alpha) message.planes.color = withAlpha(color, alpha);
    for (const id of this.#alphas.keys()) if (id < shown) this.#alphas.delete(id);
    this.#inFlight.delete(message.id);
    this.#forget(message.dropped_ids);
    if (this.#options.role !== "source") this.#follow(message.dropped);
    this.#measure(message, frame?.sent, arrived);
    this.#emit("result", message);
  }

  /**
   * Note how long a result took, and where.
   * @param {Message} result @param {number | undefined} sent @param {number} arrived
   */
  #measure(result, sent, arrived) {
    const at = performance.now();
    const { timings, received, sent: left } = result;
    const known = Object.values(timings).reduce((/** @type {number} */ sum, each) => sum + each, 0);
    const within = left ? (left - received) / 1000 : known;
    const [came, went] = left ? [this.pageTime(received), this.pageTime(left)] : [null, null];
    // All but the ways is known exactly: the offset, which is not, only divides what is left between the two.
    const ways = Math.max(sent === undefined ? arrived - (went ?? arrived) : arrived - sent - within, 0);
    const there = sent === undefined ? 0 : Math.min(Math.max((came ?? sent + ways / 2) - sent, 0), ways);
    const stages = {
      ...(sent !== undefined && { there }),
      ...timings,
      transfer: (timings.transfer ?? 0) + Math.max(within - known, 0), // what is between stages belongs to none
      back: ways - there,
      display: at - arrived,
    };
    const latency = sent === undefined && came === null ? null : ways + within + stages.display;
    this.#recent.push({ id: result.id, at, latency, stages });
    this.#forgetOld(this.#recent, at);
  }

  /** @param {{ at: number }[]} list @param {number} now */
  #forgetOld(list, now) {
    while (list.length && now - list[0].at > STATS_WINDOW) list.shift();
  }

  /** Count frames of ours that will have no result, each once. @param {number[]} ids */
  #forget(ids) {
    this.#lose(ids.filter((id) => this.#inFlight.delete(id)).length);
  }

  /** Count what somebody else's frames lost; another source begins at 0 again. @param {number} dropped */
  #follow(dropped) {
    const told = this.#told ?? dropped;
    this.#lose(dropped >= told ? dropped - told : dropped);
    this.#told = dropped;
  }

  /** @param {number} count of frames that are dropped now */
  #lose(count) {
    if (!count) return;
    this.#dropped += count;
    const at = performance.now();
    this.#drops.push({ at, count });
    this.#forgetOld(this.#drops, at);
  }

  /** @param {Record<string, any>} parameters */
  #learn(parameters) {
    Object.assign(this.parameters, parameters);
    for (const key of Object.keys(this.#own)) if (key in parameters) this.#own[key] = parameters[key];
    // A blend of somebody else's is in force now: were our prompt set again without it, that would end it.
    if ("prompt" in this.#own && "prompts" in parameters) this.#own.prompts = parameters.prompts;
  }

  /** The connection is gone: end here if the server said so, else come back. @param {number} code of the close frame */
  #lost(code) {
    const unreachable = new MirageError("unreachable", `no Mirage server answers at ${this.#options.url}`);
    const reason = this.#reason ?? unreachable;
    const wasReady = this.#ready;
    // Our own earlier connection may still hold the source's place for a while: only at first is that a refusal.
    const patient = code === 4429 || (code === 4409 && this.#known && !wasReady);
    if (code >= 4400 && code < 4500 && !patient) return this.#refused(reason);
    const promise = this.#promise;
    this.#promise = null;
    this.#drop(new MirageError("disconnected", "the connection was lost"));
    this.#promise = promise;
    this.#enter(this.#known ? "reconnecting" : "connecting");
    if (!wasReady && this.#attempts === 0 && reason === unreachable) this.#emit("error", unreachable);
    const wait = Math.min(250 * 2 ** this.#attempts++, LONGEST_WAIT);
    this.#timer = setTimeout(() => this.#open(), wait * (0.75 + Math.random() / 2));
  }

  /** @param {MirageError} error */
  #refused(error) {
    const told = error === this.#reason;
    this.#drop(error);
    this.#enter("disconnected");
    if (!told) this.#emit("error", error);
  }

  /** Let go of the socket and of all who wait for it. @param {MirageError} error */
  #drop(error) {
    clearTimeout(this.#timer);
    clearInterval(this.#pulse);
    if (this.#socket) this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket?.close();
    const waiting = [this.#promise, ...this.#requests.values()];
    [this.#socket, this.#promise, this.#ready, this.#reason] = [null, null, false, null];
    this.#lastFrame = undefined; // a new connection's server has forgotten it
    this.#requests.clear();
    this.#inFlight.clear();
    this.#alphas.clear();
    [this.#recent, this.#drops, this.#waiting, this.#exchanges] = [[], [], [], []];
    [this.#unpacking, this.#told] = [false, undefined];
    for (const each of waiting) each?.reject(error);
  }

  /** @param {Message} message */
  #write(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(encode(message));
  }

  /** @param {State} state */
  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.#emit("state", state);
  }

  /** @param {string} type @param {any} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
