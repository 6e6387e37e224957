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
/** @typedef {{ format: string, width: number, height: number, data: Uint8Array }} Plane */
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
const PING_EVERY = 2_000;
const LONGEST_WAIT = 5_000; // between two attempts to reconnect
const STATS_WINDOW = 5_000;

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
  const expected = format === "jpeg" ? size : BYTES_PER_PIXEL[format] * width * height;
  /** @type {(fits: boolean, problem: string, field?: string) => void} */
  const agree = (fits, problem, field = path) => {
    if (!fits) throw new MirageError("plane-size", `${field} ${problem}`, field);
  };
  const shape = `${format} at ${width}x${height}`;
  agree(size === expected && size > 0, `is ${size}, but ${shape} has ${expected} bytes`, `${path}.size`);
  agree(offset % ALIGNMENT === 0, `must be a multiple of ${ALIGNMENT}`, `${path}.offset`);
  agree(offset + size <= payload.length, `ends at byte ${offset + size} of a payload of ${payload.length}`);
  return { format, width, height, data: payload.subarray(offset, offset + size) };
}

/** @param {Plane} plane @param {Plane} color @param {string} path */
function checkFraction(plane, color, path) {
  const [horizontal, vertical] = [color.width / plane.width, color.height / plane.height];
  if (horizontal === vertical && Number.isInteger(horizontal)) return;
  const problem = `${path} is ${plane.width}x${plane.height}, no whole fraction of ${color.width}x${color.height}`;
  throw new MirageError("plane-size", problem, path);
}

/**
 * Wrap pixels as a plane. Without a format it is the plane's first one whose size fits.
 * @param {string} name
 * @param {{ width: number, height: number, data: ArrayBufferView, format?: string }} picture as ImageData is
 * @returns {Plane}
 */
export function plane(name, { width, height, data, format }) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  /** @type {(format: string) => boolean} */
  const fits = (each) => each === "jpeg" || BYTES_PER_PIXEL[each] * width * height === bytes.length;
  const known = PLANE_FORMATS[name] ?? [];
  const found = format ?? known.find((each) => each !== "jpeg" && fits(each));
  if (found && known.includes(found) && fits(found)) return { format: found, width, height, data: bytes };
  const problem = `${bytes.length} bytes are no ${found ?? known.join(" or ")} of ${width}x${height}`;
  throw new MirageError("plane-size", problem, `planes.${name}`);
}

/** A colour plane as what a canvas shows. @param {Plane} color `rgba8` (not copied) or `rgb8` */
export function toImageData({ format, width, height, data }) {
  if (format === "rgba8") {
    const buffer = /** @type {ArrayBuffer} */ (data.buffer);
    return new ImageData(new Uint8ClampedArray(buffer, data.byteOffset, data.length), width, height);
  }
  if (format !== "rgb8") throw new MirageError("unsupported", `a canvas cannot show ${format}`);
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) pixels.set(data.subarray(from, from + 3), to);
  return new ImageData(pixels, width, height);
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
    },
    frame: { id, planes: planesIn, time: optional(id, 0), motion_from: optional(id), camera: optional(camera) },
    set: { request: id, parameters: values },
    ping: { time: id },
  })),
  server: new Map(Object.entries({
    hello: {
      protocol: version, server: name, stream: name, model: values, capabilities: values,
      parameters: listOf(values), token_required: optional(flag, false),
    },
    ready: { connection: id, role, stream: name, window: window_, parameters: values },
    result: {
      id, planes: planesIn, time: optional(id, 0), dropped: optional(id, 0), dropped_ids: optional(listOf(id), []),
      received: optional(id, 0), sent: optional(id, 0), timings: optional(mapOf(number(0)), {}),
      parameters: optional(values, {}), resets: optional(id, 0), memory: optional(number(0, 1), 0),
    },
    dropped: { ids: listOf(id), reason: choice("newer", "failed") },
    ack: { request: id, parameters: values, prompt: optional(values) },
    parameters: { parameters: values },
    status: { state: choice("waiting", "streaming", "recovering"), message: optional(text(), "") },
    error: {
      code: text(40), message: text(), field: optional(text(400)), request: optional(id), id: optional(id),
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
  for (const [key, { format, width, height, data }] of planes) {
    described[key] = { format, width, height, offset: size, size: data.length };
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

/**
 * One connection to a stream that finds its way back when it is lost, with its role and its parameters.
 *
 * Events, each with its news in `detail`: `result`, `parameters`, `status` and `dropped` (the message), `error` (a
 * MirageError), `state` (a State).
 */
export class MirageClient extends EventTarget {
  /** @type {State} */
  state = "disconnected";
  /** @type {Message | null} the server's hello: its model, capabilities and parameter table */
  server = null;
  /** @type {Record<string, any>} every parameter's value now, whoever set it */
  parameters = {};
  /** @type {number} frames that may be on their way, as the server granted it */
  window = 2;

  /** @type {WebSocket | null} */ #socket = null;
  /** @type {any} */ #options = {};
  /** @type {any} what the caller of `connect` waits for */ #promise = null;
  /** @type {Record<string, any>} what this client has set, to be set again after a loss */ #own = {};
  /** @type {MirageError | null} the last error that answers no message of ours: why a close follows */ #reason = null;
  /** @type {Map<number, number>} frame to when it was sent */ #inFlight = new Map();
  /** @type {Map<number, any>} request to the promise of its answer */ #requests = new Map();
  /** @type {{ at: number, roundTrip?: number, timings: Record<string, number> }[]} */ #results = [];
  #ready = false; // on this socket
  #known = false; // the server has accepted us once since `connect`
  #attempts = 0;
  #dropped = 0;
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
   *   client?: string }} [options]
   * @returns {Promise<Message>}
   */
  connect(url, options = {}) {
    this.disconnect();
    this.#options = { role: "source", client: "mirage.js", ...options, url };
    this.#own = { ...options.parameters };
    [this.#known, this.#attempts, this.#dropped] = [false, 0, 0];
    return new Promise((resolve, reject) => {
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
   * @param {{ width: number, height: number, data: ArrayBufferView, format?: string }} color ImageData or alike
   * @param {{ planes?: Record<string, { width: number, height: number, data: ArrayBufferView, format?: string }>,
   *   camera?: Camera, motionFrom?: number }} [extras]
   * @returns {number | false} the frame's id, more than 0; false where it was not sent
   */
  send(color, { planes = {}, camera, motionFrom } = {}) {
    if (!this.canSend) return false;
    const announced = this.server?.capabilities.planes;
    /** @type {Record<string, Plane>} */
    const pictures = { color: plane("color", color) };
    for (const [key, picture] of Object.entries(planes)) {
      const checked = plane(key, picture);
      if (kindOf(announced) !== "a map" || key in announced) pictures[key] = checked;
    }
    const from = motionFrom ?? (pictures.motion && this.#lastFrame);
    if (absent(from)) delete pictures.motion;
    const [id, sent] = [this.#lastId + 1, performance.now()];
    this.#write({ type: "frame", id, time: Math.round(sent * 1000), planes: pictures, motion_from: from, camera });
    this.#inFlight.set(id, sent);
    return (this.#lastId = this.#lastFrame = id);
  }

  /**
   * Change parameters, all or none. Resolves with the server's `ack`, whose `prompt` says which words it understood.
   * @param {Record<string, any>} parameters
   * @returns {Promise<Message>}
   */
  set(parameters) {
    if (!this.#usable) return Promise.reject(new MirageError("disconnected", "there is no connection"));
    const request = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#requests.set(request, { resolve, reject });
      this.#write({ type: "set", request, parameters });
    });
  }

  /**
   * What the last five seconds were like: results a second, milliseconds from `send` to the result (null where there
   * was none), each stage's mean milliseconds; and the frames dropped since `connect`.
   */
  stats() {
    const now = performance.now();
    this.#results = this.#results.filter(({ at }) => now - at < STATS_WINDOW);
    const trips = this.#results.flatMap(({ roundTrip }) => roundTrip ?? []).sort((a, b) => a - b);
    const percentile = (/** @type {number} */ part) => trips[Math.ceil(part * trips.length) - 1] ?? null;
    /** @type {Record<string, number>} */
    const timings = {};
    for (const result of this.#results) {
      for (const [stage, each] of Object.entries(result.timings)) {
        timings[stage] = (timings[stage] ?? 0) + each / this.#results.length;
      }
    }
    const span = now - (this.#results[0]?.at ?? now);
    const framesPerSecond = span > 0 ? ((this.#results.length - 1) * 1000) / span : 0;
    const roundTrip = { p50: percentile(0.5), p95: percentile(0.95) };
    return { framesPerSecond, roundTrip, timings, dropped: this.#dropped, inFlight: this.#inFlight.size };
  }

  /** Whether the server has accepted us and the socket is not closing yet. */
  get #usable() {
    return this.#ready && this.#socket?.readyState === WebSocket.OPEN;
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
    this.#pinged = now;
    this.#write({ type: "ping", time: Math.round(now * 1000) });
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
      case "result": this.#settle(message); break;
      case "dropped": this.#forget(message.ids); break;
      case "parameters": this.#learn(message.parameters); break;
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
    const { role, token, takeOver, window, client } = this.#options;
    const table = new Set(server.parameters.map((/** @type {any} */ each) => each.name));
    // A server that comes back may be another one: what its table does not know is not asked for again.
    const own = Object.entries(this.#own).filter(([key]) => !this.#known || table.has(key));
    const parameters = role === "viewer" || !own.length ? undefined : Object.fromEntries(own);
    this.#write({ type: "hello", role, token, client, window, take_over: takeOver && !this.#known, parameters });
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

  /** @param {Message} result */
  #settle(result) {
    const at = performance.now();
    const sent = this.#inFlight.get(result.id);
    this.#inFlight.delete(result.id);
    this.#forget(result.dropped_ids);
    if (this.#options.role !== "source") this.#dropped = result.dropped;
    this.#results = this.#results.filter((each) => at - each.at < STATS_WINDOW);
    this.#results.push({ at, timings: result.timings, roundTrip: sent === undefined ? undefined : at - sent });
  }

  /** Count frames that will have no result, each once. @param {number[]} ids */
  #forget(ids) {
    for (const id of ids) if (this.#inFlight.delete(id)) this.#dropped++;
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
    this.#results = [];
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
