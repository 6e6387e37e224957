// A small moving world, drawn with WebGL 2: what the page sends when there is no camera.

import { box, cone, cylinder, sphere, terrain, torus } from "./shapes.js";
import { lookAt, multiply, orthographic, perspective, place } from "./matrices.js";

import { garden } from "./garden.js";
import { FRAGMENT, REACH, SHADOW_FRAGMENT, SHADOW_VERTEX, SKY_FRAGMENT, SKY_VERTEX, VERTEX } from "./shaders.js";

const SHADOW_SIZE = 1024;
const DRAW_TIME = 60; // milliseconds that a picture may take: where there is no graphics card it is drawn smaller
const SUN = normalized([-0.52, 0.5, 0.42]);

/** The scene as a source of frames, or null where there is no WebGL 2. */
export function createScene() {
  const canvas = document.createElement("canvas");
  const wish = { alpha: false, powerPreference: "high-performance" };
  const card = canvas.getContext("webgl2", { ...wish, antialias: true, failIfMajorPerformanceCaveat: true });
  const gl = card ?? canvas.getContext("webgl2", { ...wish, antialias: false });
  if (!gl) return null;
  const meshes = Object.fromEntries(
    Object.entries({
      box: box(),
      cone: cone(),
      cylinder: cylinder(),
      sphere: sphere(),
      terrain: terrain(),
      torus: torus(),
    }).map(([name, shape]) => [name, upload(gl, shape)]),
  );
  const things = garden();
  const programs = {
    sky: program(gl, SKY_VERTEX, SKY_FRAGMENT),
    shadow: program(gl, SHADOW_VERTEX, SHADOW_FRAGMENT),
    world: program(gl, VERTEX, FRAGMENT),
  };
  const shadows = shadowMap(gl);
  const grains = grainTexture(gl);
  const openness = opennessTexture(
    gl,
    things.flatMap(({ foot }) => (foot ? [foot] : [])),
  );
  const toShadow = multiply(
    orthographic(13, 1, 60),
    lookAt(
      SUN.map((each) => each * 30),
      [0, 0, 0],
    ),
  );

  const bind = (sampler, unit, kind, texture) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(kind, texture);
    gl.uniform1i(sampler, unit);
  };

  /** Draw every thing with the program in use. */
  const drawThings = ({ at }, seconds, painted) => {
    for (const { mesh, move, paint } of things) {
      if (!painted && mesh === "terrain") continue; // nothing is under it
      gl.uniformMatrix4fv(at("model"), false, move(seconds));
      if (painted) {
        gl.uniform3fv(at("color1"), paint[1]);
        gl.uniform3fv(at("color2"), paint[2]);
        gl.uniform1i(at("pattern"), paint[0]);
      }
      gl.bindVertexArray(meshes[mesh].array);
      gl.drawElements(gl.TRIANGLES, meshes[mesh].count, gl.UNSIGNED_SHORT, 0);
    }
  };

  const drawShadows = (seconds) => {
    gl.bindFramebuffer(gl.FRAMEBUFFER, shadows.frame);
    gl.viewport(0, 0, SHADOW_SIZE, SHADOW_SIZE);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    gl.useProgram(programs.shadow.program);
    gl.uniformMatrix4fv(programs.shadow.at("toShadow"), false, toShadow);
    drawThings(programs.shadow, seconds, false);
  };

  const drawSky = (rays, seconds) => {
    const { program, at } = programs.sky;
    gl.useProgram(program);
    gl.uniformMatrix3fv(at("rays"), false, rays);
    gl.uniform3fv(at("sun"), SUN);
    gl.uniform1f(at("seconds"), seconds);
    bind(at("grains"), 1, gl.TEXTURE_3D, grains);
    gl.bindVertexArray(null);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  };

  const drawWorld = (eye, toClip, seconds) => {
    const { program, at } = programs.world;
    gl.useProgram(program);
    gl.uniformMatrix4fv(at("toClip"), false, toClip);
    gl.uniformMatrix4fv(at("toShadow"), false, toShadow);
    gl.uniform3fv(at("sun"), SUN);
    gl.uniform3fv(at("eye"), eye);
    bind(at("shadows"), 0, gl.TEXTURE_2D, shadows.texture);
    bind(at("grains"), 1, gl.TEXTURE_3D, grains);
    bind(at("openness"), 2, gl.TEXTURE_2D, openness);
    drawThings(programs.world, seconds, true);
  };

  let scale = card ? 1 : 0.6; // of the picture's size
  gl.enable(gl.DEPTH_TEST);
  gl.depthFunc(gl.LEQUAL); // the sky comes last, at the far end, where nothing else is
  gl.enable(gl.CULL_FACE);
  return {
    /** Draw the world as it is after `seconds` to a 2D context, over all of it. */
    draw(context, seconds) {
      const started = performance.now();
      const { width, height } = context.canvas;
      const [wide, high] = [width, height].map((side) => Math.round((side * Math.ceil(scale * 5)) / 5));
      if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
      const [eye, target] = camera(seconds);
      const view = lookAt(eye, target);
      const projection = perspective(0.87, width / height, 0.1, 140);
      drawShadows(seconds);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      gl.viewport(0, 0, wide, high);
      gl.clear(gl.DEPTH_BUFFER_BIT);
      drawWorld(eye, multiply(projection, view), seconds);
      drawSky(raysOf(view, projection), seconds);
      context.drawImage(canvas, 0, 0, width, height);
      context.getImageData(0, 0, 1, 1); // waits until it is drawn
      scale = clamp(scale * clamp(DRAW_TIME / (performance.now() - started), 0.9, 1.02), 0.6, 1);
    },
    stop: () => gl.getExtension("WEBGL_lose_context")?.loseContext(),
    ended: () => (gl.isContextLost() ? "The graphics card took the scene's picture away." : null),
  };
}

/** Where the camera is and what it looks at: a slow walk around the garden. */
function camera(seconds) {
  const angle = seconds * 0.16 + 0.6;
  const away = 11.6 + 1.6 * Math.sin(seconds * 0.21);
  const eye = [Math.cos(angle) * away, 2.7 + 0.9 * Math.sin(seconds * 0.27), Math.sin(angle) * away];
  return [eye, [0.8 * Math.sin(seconds * 0.3), 2.0, 0.6 * Math.cos(seconds * 0.23)]];
}

/** The directions in the world of a screen's right, its top and its middle. */
function raysOf(view, projection) {
  const axis = (row, size) => [view[row] * size, view[row + 4] * size, view[row + 8] * size];
  return [...axis(0, 1 / projection[0]), ...axis(1, 1 / projection[5]), ...axis(2, -1)];
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function normalized(vector) {
  const length = Math.hypot(...vector);
  return vector.map((each) => each / length);
}

function upload(gl, { positions, normals, indices }) {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  for (const [location, values] of [positions, normals].entries()) {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(values), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, 3, gl.FLOAT, false, 0, 0);
  }
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint16Array(indices), gl.STATIC_DRAW);
  gl.bindVertexArray(null);
  return { array, count: indices.length };
}

function program(gl, vertex, fragment) {
  const linked = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(linked, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
  }
  gl.linkProgram(linked);
  if (!gl.getProgramParameter(linked, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(linked));
  const places = new Map();
  const at = (name) => {
    if (!places.has(name)) places.set(name, gl.getUniformLocation(linked, name));
    return places.get(name);
  };
  return { program: linked, at };
}

function shadowMap(gl) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.DEPTH_COMPONENT24, SHADOW_SIZE, SHADOW_SIZE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_COMPARE_MODE, gl.COMPARE_REF_TO_TEXTURE);
  const frame = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, texture, 0);
  return { texture, frame };
}

/** Random values for `noise`, which repeat after 32. */
function grainTexture(gl) {
  let state = 7;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_3D, texture);
  gl.texImage3D(
    gl.TEXTURE_3D,
    0,
    gl.R8,
    32,
    32,
    32,
    0,
    gl.RED,
    gl.UNSIGNED_BYTE,
    Uint8Array.from({ length: 32 ** 3 }, random),
  );
  gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  return texture;
}

/** How much of the sky the ground sees, seen from above: less around each foot, given as [x, z, radius]. */
function opennessTexture(gl, feet) {
  const size = 256;
  const metres = (index) => ((index + 0.5) / size - 0.5) * 2 * REACH;
  const open = (x, z) =>
    feet.reduce((part, [fx, fz, radius]) => {
      return part * (1 - 0.6 * Math.exp(-((x - fx) ** 2 + (z - fz) ** 2) / radius ** 2));
    }, 1);
  const values = Uint8Array.from(
    { length: size * size },
    (_, index) => 255 * open(metres(index % size), metres(Math.floor(index / size))),
  );
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, size, size, 0, gl.RED, gl.UNSIGNED_BYTE, values);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return texture;
}
