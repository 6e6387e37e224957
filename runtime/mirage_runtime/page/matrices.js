// 4x4 matrices as WebGL wants them: sixteen numbers, column by column.

/** `a` after `b`. */
export function multiply(a, b) {
  const product = new Float32Array(16);
  for (let column = 0; column < 4; column++) {
    for (let row = 0; row < 4; row++) {
      for (let each = 0; each < 4; each++) product[column * 4 + row] += a[each * 4 + row] * b[column * 4 + each];
    }
  }
  return product;
}

/** A perspective projection with a vertical field of view in radians. */
export function perspective(fieldOfView, aspect, near, far) {
  const scale = 1 / Math.tan(fieldOfView / 2);
  const depth = near - far;
  return new Float32Array([
    scale / aspect,
    0,
    0,
    0,
    0,
    scale,
    0,
    0,
    0,
    0,
    (near + far) / depth,
    -1,
    0,
    0,
    (2 * near * far) / depth,
    0,
  ]);
}

/** A parallel projection of a square that reaches `extent` to each side. */
export function orthographic(extent, near, far) {
  const depth = near - far;
  return new Float32Array([
    1 / extent,
    0,
    0,
    0,
    0,
    1 / extent,
    0,
    0,
    0,
    0,
    2 / depth,
    0,
    0,
    0,
    (near + far) / depth,
    1,
  ]);
}

/** World to view, for an eye that looks at a target; y is up. */
export function lookAt(eye, target) {
  const back = normalized(eye.map((each, axis) => each - target[axis]));
  const right = normalized(cross([0, 1, 0], back));
  const up = cross(back, right);
  const moved = [right, up, back].map((axis) => -dot(axis, eye));
  return new Float32Array([
    right[0],
    up[0],
    back[0],
    0,
    right[1],
    up[1],
    back[1],
    0,
    right[2],
    up[2],
    back[2],
    0,
    ...moved,
    1,
  ]);
}

/** Model to world: scaled, tilted about x, turned about y, moved. */
export function place({ at, size, turn = 0, tilt = 0 }) {
  const [c, s, k, t] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const [x, y, z] = size;
  return new Float32Array([
    c * x,
    0,
    -s * x,
    0,
    s * t * y,
    k * y,
    c * t * y,
    0,
    s * k * z,
    -t * z,
    c * k * z,
    0,
    ...at,
    1,
  ]);
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const normalized = (vector) => vector.map((each) => each / Math.hypot(...vector));
