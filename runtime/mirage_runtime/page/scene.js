// A small moving world, drawn with WebGL 2: what the page sends when there is no camera.

import { box, cone, cylinder, sphere, terrain, torus } from "./shapes.js";
import { lookAt, multiply, orthographic, perspective, place } from "./matrices.js";

const SHADOW_SIZE = 1024;
const DRAW_TIME = 60; // milliseconds that a picture may take: where there is no graphics card it is drawn smaller
const REACH = 20; // metres to each side of the ground on which things darken what is around their feet
const SUN = normalized([-0.52, 0.5, 0.42]);

// How a surface is painted: see `paint` in the shader.
const [PLAIN, GROUND, STRIPES, STONE, CHECKS, METAL, LEAVES] = [0, 1, 2, 3, 4, 5, 6];

const COMMON = `#version 300 es
precision highp float;
precision highp sampler2DShadow;
precision mediump sampler3D;
uniform sampler3D grains;
float noise(vec3 at) {
  vec3 cell = floor(at), part = at - cell;
  return texture(grains, (cell + part * part * (3.0 - 2.0 * part) + 0.5) / 32.0).r;
}
vec3 sky(vec3 ray, vec3 sun) {
  float up = max(ray.y, 0.0), glow = max(dot(ray, sun), 0.0);
  vec3 color = mix(vec3(0.98, 0.74, 0.52), vec3(0.42, 0.63, 0.86), smoothstep(0.0, 0.28, up));
  color = mix(color, vec3(0.13, 0.30, 0.62), smoothstep(0.2, 0.9, up));
  return color + vec3(1.0, 0.62, 0.28) * (0.35 * pow(glow, 6.0) + 0.5 * pow(glow, 60.0));
}
vec3 shown(vec3 light) {
  light *= 0.8;
  light = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14);
  return pow(clamp(light, 0.0, 1.0), vec3(1.0 / 2.2));
}`;

const SKY_VERTEX = `#version 300 es
precision highp float;
uniform mat3 rays;
out vec3 ray;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0;
  ray = rays * vec3(corner, 1.0);
  gl_Position = vec4(corner, 1.0, 1.0);
}`;

const SKY_FRAGMENT = `${COMMON}
uniform vec3 sun;
uniform float seconds;
in vec3 ray;
out vec4 color;
void main() {
  vec3 direction = normalize(ray);
  vec3 light = sky(direction, sun);
  vec3 at = vec3(direction.xz / (max(direction.y, 0.0) + 0.18) * 1.6 + seconds * 0.012, seconds * 0.01);
  float cloud = noise(at * 1.3) * 0.55 + noise(at * 2.9) * 0.3 + noise(at * 6.1) * 0.15;
  cloud = smoothstep(0.5, 0.78, cloud) * smoothstep(0.02, 0.22, direction.y);
  light = mix(light, vec3(1.0, 0.9, 0.82) * (0.85 + 0.5 * pow(max(dot(direction, sun), 0.0), 4.0)), cloud * 0.85);
  light += vec3(6.0, 4.6, 3.0) * smoothstep(0.9985, 0.9993, dot(direction, sun));
  color = vec4(shown(light), 1.0);
}`;

const VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
uniform mat4 model, toClip, toShadow;
out vec3 local, world, facing;
out vec4 shadowed;
void main() {
  vec4 at = model * vec4(position, 1.0);
  local = position * vec3(length(model[0]), length(model[1]), length(model[2]));
  world = at.xyz;
  facing = mat3(model) * (normal / vec3(dot(model[0], model[0]), dot(model[1], model[1]), dot(model[2], model[2])));
  shadowed = toShadow * (at + vec4(normalize(facing) * 0.03, 0.0));
  gl_Position = toClip * at;
}`;

const FRAGMENT = `${COMMON}
uniform sampler2DShadow shadows;
uniform sampler2D openness;
uniform vec3 sun, eye, color1, color2;
uniform int pattern;
in vec3 local, world, facing;
in vec4 shadowed;
out vec4 color;

vec3 paint(out float gloss) {
  gloss = 0.05;
  float grain = noise(local * 9.0);
  if (pattern == ${GROUND}) {
    float far = length(world.xz);
    float patches = noise(world * 0.35) * 0.6 + noise(world * 1.7) * 0.4;
    vec3 grass = mix(vec3(0.16, 0.27, 0.07), vec3(0.42, 0.42, 0.13), patches) * (0.75 + 0.5 * noise(world * 11.0));
    vec3 rock = mix(vec3(0.30, 0.24, 0.22), vec3(0.46, 0.38, 0.34), noise(world * vec3(0.8, 3.0, 0.8)));
    vec3 soil = mix(grass, rock, smoothstep(2.2, 5.0, world.y + patches * 2.0));
    soil = mix(soil, vec3(0.95, 0.96, 1.0), smoothstep(7.5, 8.6, world.y + patches * 1.5) * smoothstep(0.45, 0.75, normalize(facing).y));
    float ring = far / 1.25, angle = atan(world.z, world.x) / 6.2831853 * max(floor(ring), 1.0) * 6.0 + floor(ring) * 0.5;
    float gap = min(min(fract(ring), 1.0 - fract(ring)), min(fract(angle), 1.0 - fract(angle)));
    float tile = noise(vec3(floor(ring) * 5.0, floor(angle) * 3.0, 1.0));
    vec3 paving = mix(vec3(0.52, 0.36, 0.26), vec3(0.80, 0.66, 0.48), tile) * (0.7 + 0.3 * smoothstep(0.02, 0.07, gap)) * (0.85 + 0.3 * grain);
    return mix(paving, soil, smoothstep(7.4, 7.9, far + patches * 0.6));
  }
  if (pattern == ${STRIPES}) {
    gloss = 0.5;
    return mix(color1, color2, smoothstep(-0.1, 0.1, sin(atan(local.z, local.x) * 6.0)));
  }
  if (pattern == ${STONE}) {
    float seams = noise(local * vec3(2.5, 8.0, 2.5)) * 0.6 + grain * 0.4;
    return mix(color1, color2, seams) * (0.8 + 0.3 * noise(local * 23.0));
  }
  if (pattern == ${CHECKS}) {
    gloss = 0.35;
    vec3 cell = sin(local * 5.5 + 0.4);
    return mix(color1, color2, smoothstep(-0.06, 0.06, cell.x * cell.y * cell.z));
  }
  if (pattern == ${METAL}) {
    gloss = 1.0;
    return color1 * (0.9 + 0.2 * grain);
  }
  if (pattern == ${LEAVES}) return mix(color1, color2, noise(local * 7.0)) * (0.55 + 0.7 * noise(local * 19.0));
  return mix(color1, color2, grain);
}

void main() {
  vec3 normal = normalize(facing), toEye = normalize(eye - world);
  float gloss;
  vec3 base = paint(gloss);
  base *= sqrt(base);
  if (pattern == ${LEAVES}) normal = normalize(normal + (noise(local * 13.0) - 0.5) * 0.9);
  vec3 at = shadowed.xyz / shadowed.w * 0.5 + 0.5;
  float lit = 0.0;
  for (int x = -1; x <= 1; x += 2) for (int y = -1; y <= 1; y += 2)
    lit += texture(shadows, at + vec3(vec2(x, y) * 0.0006, -0.0012)) * 0.25;
  if (max(abs(at.x - 0.5), abs(at.y - 0.5)) > 0.49) lit = 1.0;
  lit *= max(dot(normal, sun), 0.0);
  float open = 0.45 + 0.55 * smoothstep(-0.2, 1.3, world.y);
  if (pattern == ${GROUND}) open = texture(openness, world.xz / ${2 * REACH}.0 + 0.5).r;
  vec3 ambient = mix(vec3(0.26, 0.19, 0.14), vec3(0.40, 0.50, 0.72), normal.y * 0.5 + 0.5) * open;
  vec3 light = base * (ambient + vec3(2.5, 1.85, 1.2) * lit) * (pattern == ${METAL} ? 0.4 : 1.0);
  vec3 mirrored = reflect(-toEye, normal);
  float fresnel = pow(1.0 - max(dot(normal, toEye), 0.0), 4.0);
  light += sky(normalize(vec3(mirrored.x, abs(mirrored.y), mirrored.z)), sun) * gloss * open * mix(vec3(0.1), base, 0.7) * (0.45 + fresnel);
  light += vec3(2.6, 2.0, 1.3) * gloss * lit * pow(max(dot(mirrored, sun), 0.0), 40.0);
  float fog = 1.0 - exp(-pow(length(eye - world) * 0.0115, 2.0));
  light = mix(light, sky(normalize(vec3(-toEye.x, max(-toEye.y, 0.02), -toEye.z)), sun), fog);
  color = vec4(shown(light), 1.0);
}`;

const SHADOW_VERTEX = `#version 300 es
layout(location = 0) in vec3 position;
uniform mat4 model, toShadow;
void main() { gl_Position = toShadow * model * vec4(position, 1.0); }`;

const SHADOW_FRAGMENT = `#version 300 es
void main() {}`;

/** The scene as a source of frames, or null where there is no WebGL 2. */
export function createScene() {
  const canvas = document.createElement("canvas");
  const wish = { alpha: false, powerPreference: "high-performance" };
  const card = canvas.getContext("webgl2", { ...wish, antialias: true, failIfMajorPerformanceCaveat: true });
  const gl = card ?? canvas.getContext("webgl2", { ...wish, antialias: false });
  if (!gl) return null;
  const meshes = Object.fromEntries(
    Object.entries({ box: box(), cone: cone(), cylinder: cylinder(), sphere: sphere(), terrain: terrain(), torus: torus() })
      .map(([name, shape]) => [name, upload(gl, shape)]),
  );
  const things = garden();
  const programs = {
    sky: program(gl, SKY_VERTEX, SKY_FRAGMENT),
    shadow: program(gl, SHADOW_VERTEX, SHADOW_FRAGMENT),
    world: program(gl, VERTEX, FRAGMENT),
  };
  const shadows = shadowMap(gl);
  const grains = grainTexture(gl);
  const openness = opennessTexture(gl, things.flatMap(({ foot }) => (foot ? [foot] : [])));
  const toShadow = multiply(orthographic(13, 1, 60), lookAt(SUN.map((each) => each * 30), [0, 0, 0]));

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
      const [wide, high] = [width, height].map((side) => Math.round(side * Math.ceil(scale * 5) / 5));
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

/** Everything in the garden: a mesh, how it is painted, where it is at a time, and where it stands on the ground. */
function garden() {
  const things = [];
  const stand = (mesh, paint, where, foot) => {
    const still = place(where);
    things.push({ mesh, paint, move: () => still, foot });
  };
  const animate = (mesh, paint, where, foot) => things.push({ mesh, paint, move: (seconds) => place(where(seconds)), foot });
  const marble = [STONE, [0.86, 0.80, 0.70], [0.60, 0.52, 0.45]];

  for (let index = 0; index < 10; index++) {
    const angle = (index / 10) * Math.PI * 2;
    const [x, z] = [Math.cos(angle) * 6.6, Math.sin(angle) * 6.6];
    const high = [3.4, 3.4, 1.5, 3.4, 3.4, 2.5, 3.4, 3.4, 0.9, 2.9][index];
    stand("box", marble, { at: [x, 0.14, z], size: [0.62, 0.14, 0.62], turn: -angle }, [x, z, 1.1]);
    stand("cylinder", marble, { at: [x, 0.28 + high / 2, z], size: [0.42, high / 2, 0.42] });
    if (high === 3.4) stand("box", marble, { at: [x, 3.8, z], size: [0.6, 0.13, 0.6], turn: -angle });
  }
  for (const first of [0, 3, 6]) {
    const angle = ((first + 0.5) / 10) * Math.PI * 2;
    stand("box", marble, { at: [Math.cos(angle) * 6.3, 4.18, Math.sin(angle) * 6.3], size: [0.42, 0.26, 2.5], turn: -angle });
  }
  stand("cylinder", [STONE, [0.42, 0.36, 0.40], [0.25, 0.22, 0.27]], { at: [0, 0.3, 0], size: [1.7, 0.3, 1.7] }, [0, 0, 2.3]);
  stand("cylinder", marble, { at: [0, 0.85, 0], size: [0.9, 0.28, 0.9] });
  animate("torus", [METAL, [0.98, 0.68, 0.24], [0, 0, 0]], (t) => ({ at: [0, 2.7, 0], size: [1.35, 1.35, 1.35], turn: t * 0.7, tilt: 1.2 + 0.35 * Math.sin(t * 0.6) }));
  animate("sphere", [METAL, [0.16, 0.48, 0.78], [0, 0, 0]], (t) => ({ at: [0, 2.7 + 0.15 * Math.sin(t * 1.7), 0], size: [0.72, 0.72, 0.72] }));
  animate("sphere", [STRIPES, [0.86, 0.13, 0.10], [0.95, 0.90, 0.82]], (t) => ({
    at: [Math.cos(t * 0.55) * 3.9, 0.6 + 1.7 * Math.abs(Math.sin(t * 2.1)), Math.sin(t * 0.55) * 3.9], size: [0.6, 0.6, 0.6], turn: t, tilt: t * 1.3,
  }));
  for (let index = 0; index < 5; index++) {
    const paint = [[CHECKS, [0.08, 0.34, 0.36], [0.93, 0.82, 0.48]], [CHECKS, [0.36, 0.10, 0.35], [0.92, 0.55, 0.36]]][index % 2];
    animate("box", paint, (t) => {
      const angle = -t * 0.35 + (index / 5) * Math.PI * 2;
      const size = 0.3 + 0.06 * index;
      return { at: [Math.cos(angle) * 2.9, 3.3 + 0.7 * Math.sin(t * 0.9 + index * 1.9), Math.sin(angle) * 2.9], size: [size, size, size], turn: t * 0.8 + index, tilt: t * 0.6 + index };
    });
  }
  for (let index = 0; index < 22; index++) {
    const angle = index * 2.39996;
    const away = 15.4 + 9 * Math.sqrt(index / 22) + (index % 3);
    const [x, z, size] = [Math.cos(angle) * away, Math.sin(angle) * away, 1.15 + ((index * 7) % 5) * 0.2];
    stand("cylinder", [STONE, [0.30, 0.19, 0.12], [0.16, 0.10, 0.07]], { at: [x, 0.5 * size, z], size: [0.16 * size, 0.6 * size, 0.16 * size] }, away < REACH - 2 && [x, z, 1.3 * size]);
    if (index % 3 === 2) {
      const autumn = [LEAVES, [0.72, 0.30, 0.06], [0.90, 0.58, 0.12]];
      stand("sphere", autumn, { at: [x, 2.0 * size, z], size: [1.15 * size, 1.2 * size, 1.15 * size] });
      stand("sphere", autumn, { at: [x + 0.6 * size, 1.6 * size, z + 0.3], size: [0.7 * size, 0.65 * size, 0.7 * size] });
      continue;
    }
    const pine = [LEAVES, [0.05, 0.20, 0.12], [0.14, 0.36, 0.15]];
    for (let tier = 0; tier < 3; tier++) {
      const wide = (1.15 - tier * 0.28) * size;
      stand("cone", pine, { at: [x, (1.35 + tier * 0.85) * size, z], size: [wide, 0.8 * size, wide] });
    }
  }
  for (let index = 0; index < 9; index++) {
    const angle = index * 2.1 + 0.4;
    const away = 7.9 + (index % 4) * 0.7;
    const [x, z, size] = [Math.cos(angle) * away, Math.sin(angle) * away, 0.28 + (index % 3) * 0.16];
    stand("sphere", [STONE, [0.50, 0.46, 0.44], [0.30, 0.28, 0.28]], { at: [x, size * 0.4, z], size: [size * 1.3, size * 0.8, size], turn: index }, [x, z, size * 1.6]);
  }
  stand("terrain", [GROUND, [0, 0, 0], [0, 0, 0]], { at: [0, 0, 0], size: [1, 1, 1] }); // last: most of it is hidden
  return things;
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
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
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
  const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24);
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_3D, texture);
  gl.texImage3D(gl.TEXTURE_3D, 0, gl.R8, 32, 32, 32, 0, gl.RED, gl.UNSIGNED_BYTE, Uint8Array.from({ length: 32 ** 3 }, random));
  gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  return texture;
}

/** How much of the sky the ground sees, seen from above: less around each foot, given as [x, z, radius]. */
function opennessTexture(gl, feet) {
  const size = 256;
  const metres = (index) => ((index + 0.5) / size - 0.5) * 2 * REACH;
  const open = (x, z) => feet.reduce((part, [fx, fz, radius]) => {
    return part * (1 - 0.6 * Math.exp(-((x - fx) ** 2 + (z - fz) ** 2) / radius ** 2));
  }, 1);
  const values = Uint8Array.from({ length: size * size }, (_, index) => 255 * open(metres(index % size), metres(Math.floor(index / size))));
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, size, size, 0, gl.RED, gl.UNSIGNED_BYTE, values);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return texture;
}
