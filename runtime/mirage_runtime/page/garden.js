// What stands in the scene, and how it moves: a ruined colonnade around a fountain of shapes.

import { place } from "./matrices.js";
import { CHECKS, GROUND, LEAVES, METAL, REACH, STONE, STRIPES } from "./shaders.js";

/** Everything in the garden: a mesh, how it is painted, where it is at a time, and where it stands on the ground. */
export function garden() {
  const things = [];
  const stand = (mesh, paint, where, foot) => {
    const still = place(where);
    things.push({ mesh, paint, move: () => still, foot });
  };
  const animate = (mesh, paint, where, foot) =>
    things.push({ mesh, paint, move: (seconds) => place(where(seconds)), foot });
  const marble = [STONE, [0.86, 0.8, 0.7], [0.6, 0.52, 0.45]];

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
    stand("box", marble, {
      at: [Math.cos(angle) * 6.3, 4.18, Math.sin(angle) * 6.3],
      size: [0.42, 0.26, 2.5],
      turn: -angle,
    });
  }
  stand(
    "cylinder",
    [STONE, [0.42, 0.36, 0.4], [0.25, 0.22, 0.27]],
    { at: [0, 0.3, 0], size: [1.7, 0.3, 1.7] },
    [0, 0, 2.3],
  );
  stand("cylinder", marble, { at: [0, 0.85, 0], size: [0.9, 0.28, 0.9] });
  animate("torus", [METAL, [0.98, 0.68, 0.24], [0, 0, 0]], (t) => ({
    at: [0, 2.7, 0],
    size: [1.35, 1.35, 1.35],
    turn: t * 0.7,
    tilt: 1.2 + 0.35 * Math.sin(t * 0.6),
  }));
  animate("sphere", [METAL, [0.16, 0.48, 0.78], [0, 0, 0]], (t) => ({
    at: [0, 2.7 + 0.15 * Math.sin(t * 1.7), 0],
    size: [0.72, 0.72, 0.72],
  }));
  animate("sphere", [STRIPES, [0.86, 0.13, 0.1], [0.95, 0.9, 0.82]], (t) => ({
    at: [Math.cos(t * 0.55) * 3.9, 0.6 + 1.7 * Math.abs(Math.sin(t * 2.1)), Math.sin(t * 0.55) * 3.9],
    size: [0.6, 0.6, 0.6],
    turn: t,
    tilt: t * 1.3,
  }));
  for (let index = 0; index < 5; index++) {
    const paint = [
      [CHECKS, [0.08, 0.34, 0.36], [0.93, 0.82, 0.48]],
      [CHECKS, [0.36, 0.1, 0.35], [0.92, 0.55, 0.36]],
    ][index % 2];
    animate("box", paint, (t) => {
      const angle = -t * 0.35 + (index / 5) * Math.PI * 2;
      const size = 0.3 + 0.06 * index;
      return {
        at: [Math.cos(angle) * 2.9, 3.3 + 0.7 * Math.sin(t * 0.9 + index * 1.9), Math.sin(angle) * 2.9],
        size: [size, size, size],
        turn: t * 0.8 + index,
        tilt: t * 0.6 + index,
      };
    });
  }
  for (let index = 0; index < 22; index++) {
    const angle = index * 2.39996;
    const away = 15.4 + 9 * Math.sqrt(index / 22) + (index % 3);
    const [x, z, size] = [Math.cos(angle) * away, Math.sin(angle) * away, 1.15 + ((index * 7) % 5) * 0.2];
    stand(
      "cylinder",
      [STONE, [0.3, 0.19, 0.12], [0.16, 0.1, 0.07]],
      { at: [x, 0.5 * size, z], size: [0.16 * size, 0.6 * size, 0.16 * size] },
      away < REACH - 2 && [x, z, 1.3 * size],
    );
    if (index % 3 === 2) {
      const autumn = [LEAVES, [0.72, 0.3, 0.06], [0.9, 0.58, 0.12]];
      stand("sphere", autumn, { at: [x, 2.0 * size, z], size: [1.15 * size, 1.2 * size, 1.15 * size] });
      stand("sphere", autumn, {
        at: [x + 0.6 * size, 1.6 * size, z + 0.3],
        size: [0.7 * size, 0.65 * size, 0.7 * size],
      });
      continue;
    }
    const pine = [LEAVES, [0.05, 0.2, 0.12], [0.14, 0.36, 0.15]];
    for (let tier = 0; tier < 3; tier++) {
      const wide = (1.15 - tier * 0.28) * size;
      stand("cone", pine, { at: [x, (1.35 + tier * 0.85) * size, z], size: [wide, 0.8 * size, wide] });
    }
  }
  for (let index = 0; index < 9; index++) {
    const angle = index * 2.1 + 0.4;
    const away = 7.9 + (index % 4) * 0.7;
    const [x, z, size] = [Math.cos(angle) * away, Math.sin(angle) * away, 0.28 + (index % 3) * 0.16];
    stand(
      "sphere",
      [STONE, [0.5, 0.46, 0.44], [0.3, 0.28, 0.28]],
      { at: [x, size * 0.4, z], size: [size * 1.3, size * 0.8, size], turn: index },
      [x, z, size * 1.6],
    );
  }
  stand("terrain", [GROUND, [0, 0, 0], [0, 0, 0]], { at: [0, 0, 0], size: [1, 1, 1] }); // last: most of it is hidden
  return things;
}
