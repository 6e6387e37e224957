// Shapes as triangles: positions, normals and indices, about as large as a ball of radius 1.

/** A surface over u and v from 0 to 1: `at` gives the position, and the normal follows from its neighbours. */
function surface(columns, rows, at) {
  const [positions, normals, indices] = [[], [], []];
  const step = 1e-3;
  const minus = (a, b) => a.map((each, axis) => each - b[axis]);
  for (let row = 0; row <= rows; row++) {
    for (let column = 0; column <= columns; column++) {
      const [u, v] = [column / columns, row / rows];
      const inside = Math.min(Math.max(v, step), 1 - step); // where a pole has a normal
      const [a, b] = [
        minus(at(u + step, inside), at(u - step, inside)),
        minus(at(u, inside + step), at(u, inside - step)),
      ];
      const normal = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
      const length = Math.hypot(...normal) || 1;
      positions.push(...at(u, v));
      normals.push(...normal.map((each) => each / length));
      if (row === rows || column === columns) continue;
      const first = row * (columns + 1) + column;
      const below = first + columns + 1;
      indices.push(first, first + 1, below, first + 1, below + 1, below);
    }
  }
  return { positions, normals, indices };
}

/** Several shapes as one. */
function joined(...shapes) {
  const whole = { positions: [], normals: [], indices: [] };
  for (const { positions, normals, indices } of shapes) {
    const start = whole.positions.length / 3;
    whole.positions.push(...positions);
    whole.normals.push(...normals);
    whole.indices.push(...indices.map((each) => each + start));
  }
  return whole;
}

const TURN = Math.PI * 2;

export const sphere = () =>
  surface(28, 16, (u, v) => {
    const [around, down] = [u * TURN, v * Math.PI];
    return [Math.cos(around) * Math.sin(down), Math.cos(down), Math.sin(around) * Math.sin(down)];
  });

export const torus = () =>
  surface(48, 14, (u, v) => {
    const [around, tube] = [u * TURN, v * TURN];
    const away = 1 + 0.2 * Math.cos(tube);
    return [Math.cos(around) * away, -0.2 * Math.sin(tube), Math.sin(around) * away];
  });

/** A ring between two heights, `top` and `bottom` its radii. */
const wall = (top, bottom, high = 1, low = -1) =>
  surface(22, 1, (u, v) => {
    const radius = top + (bottom - top) * v;
    return [Math.cos(u * TURN) * radius, high + (low - high) * v, Math.sin(u * TURN) * radius];
  });

export const cylinder = () => joined(wall(0, 0.92, 1, 1), wall(0.92, 1), wall(1, 0, -1, -1));

export const cone = () => joined(wall(0.02, 1), wall(1, 0, -1, -1));

export function box() {
  const side = (place) => surface(1, 1, (u, v) => place(u * 2 - 1, v * 2 - 1));
  return joined(
    side((a, b) => [a, 1, -b]),
    side((a, b) => [a, -1, b]),
    side((a, b) => [a, b, 1]),
    side((a, b) => [-a, b, -1]),
    side((a, b) => [1, b, -a]),
    side((a, b) => [-1, b, a]),
  );
}

/** Ground: a level round place in the middle, rolling land around it, mountains far away. */
export const terrain = () =>
  surface(80, 32, (u, v) => {
    const away = 70 * v ** 1.7;
    const [x, z] = [Math.cos(u * TURN) * away, Math.sin(u * TURN) * away];
    const roll = Math.sin(x * 0.31 + 1) * Math.cos(z * 0.27) + 0.5 * Math.sin(x * 0.7 - z * 0.5);
    const peaks =
      Math.abs(Math.sin(x * 0.09 + 0.7) * Math.cos(z * 0.11 + 0.3)) + 0.35 * Math.abs(Math.sin(x * 0.23 + z * 0.19));
    const ramp = (from, to) => Math.min(Math.max((away - from) / (to - from), 0), 1) ** 2;
    return [x, 0.25 * roll * ramp(8, 14) + 11 * peaks * ramp(20, 52), z];
  });
