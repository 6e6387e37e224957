// Lists as they are typed (protocol/SPEC.md section 6).

const WEIGHTED = /^(.*?)(?::\s*(\d*\.?\d+))?$/s;

/** Return the numbers of `7, 12`; throws an Error whose message says what is expected. */
export function integers(text) {
  const numbers = text.split(/[\s,]+/).filter(Boolean);
  if (numbers.every((number) => /^\d+$/.test(number))) return numbers.map(Number);
  throw new Error("Numbers with commas between them, such as 7, 12");
}

/** Return the parts of `lava, dark: 3 | ice: 1`, or null where the text is one prompt alone. */
export function blend(text) {
  if (!text.includes("|")) return null;
  return text.split("|").map((part) => {
    const [, words, weight] = part.trim().match(WEIGHTED);
    return { text: words.trim(), weight: weight === undefined ? 1 : Number(weight) };
  });
}
