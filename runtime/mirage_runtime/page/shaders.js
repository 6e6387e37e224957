// How the scene is painted, in GLSL: a sky, surfaces with a sun, its shadows and open sky, and the shadow map.

/** How a surface is painted: see `paint`. */
export const [GROUND, STRIPES, STONE, CHECKS, METAL, LEAVES] = [1, 2, 3, 4, 5, 6];

/** Metres to each side of the ground on which things darken what is around their feet. */
export const REACH = 20;

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

export const SKY_VERTEX = `#version 300 es
precision highp float;
uniform mat3 rays;
out vec3 ray;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0;
  ray = rays * vec3(corner, 1.0);
  gl_Position = vec4(corner, 1.0, 1.0);
}`;

export const SKY_FRAGMENT = `${COMMON}
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

export const VERTEX = `#version 300 es
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

export const FRAGMENT = `${COMMON}
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
    float snow = smoothstep(7.5, 8.6, world.y + patches * 1.5) * smoothstep(0.45, 0.75, normalize(facing).y);
    soil = mix(soil, vec3(0.95, 0.96, 1.0), snow);
    float ring = far / 1.25, turn = atan(world.z, world.x) / 6.2831853;
    float angle = turn * max(floor(ring), 1.0) * 6.0 + floor(ring) * 0.5;
    float gap = min(min(fract(ring), 1.0 - fract(ring)), min(fract(angle), 1.0 - fract(angle)));
    float tile = noise(vec3(floor(ring) * 5.0, floor(angle) * 3.0, 1.0));
    vec3 paving = mix(vec3(0.52, 0.36, 0.26), vec3(0.80, 0.66, 0.48), tile);
    paving *= (0.7 + 0.3 * smoothstep(0.02, 0.07, gap)) * (0.85 + 0.3 * grain);
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
  vec3 reflected = sky(normalize(vec3(mirrored.x, abs(mirrored.y), mirrored.z)), sun) * (0.45 + fresnel);
  light += reflected * gloss * open * mix(vec3(0.1), base, 0.7);
  light += vec3(2.6, 2.0, 1.3) * gloss * lit * pow(max(dot(mirrored, sun), 0.0), 40.0);
  float fog = 1.0 - exp(-pow(length(eye - world) * 0.0115, 2.0));
  light = mix(light, sky(normalize(vec3(-toEye.x, max(-toEye.y, 0.02), -toEye.z)), sun), fog);
  color = vec4(shown(light), 1.0);
}`;

export const SHADOW_VERTEX = `#version 300 es
layout(location = 0) in vec3 position;
uniform mat4 model, toShadow;
void main() { gl_Position = toShadow * model * vec4(position, 1.0); }`;

export const SHADOW_FRAGMENT = `#version 300 es
void main() {}`;
