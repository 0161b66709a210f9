/** Units of allocation in OVF: programmatic units (DSP0004 annex C) and the words that came before them. */

const WORDS: Readonly<Record<string, number>> = {
  "": 1,
  byte: 1,
  bytes: 1,
  kilobytes: 2 ** 10,
  kb: 2 ** 10,
  megabytes: 2 ** 20,
  mb: 2 ** 20,
  gigabytes: 2 ** 30,
  gb: 2 ** 30,
  terabytes: 2 ** 40,
  tb: 2 ** 40,
};

/** Bytes of one unit; null for what is no unit of bytes. `byte * 2^30`, `byte*10^9`, `byte * 1024`, `GigaBytes`. */
export function unitBytes(unit: string): number | null {
  const text = unit.trim().toLowerCase();
  const word = WORDS[text];
  if (word !== undefined) return word;
  const product = /^bytes?\s*\*\s*(\d{1,15})(?:\s*\^\s*(\d{1,2}))?$/.exec(text);
  if (product === null) return null;
  const bytes = Number(product[1]) ** Number(product[2] ?? "1");
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : null;
}

/** Null when the product is no size in bytes. */
export function inBytes(quantity: string, unit: string): number | null {
  if (!/^\d{1,16}(\.\d{1,6})?$/.test(quantity.trim())) return null;
  const factor = unitBytes(unit);
  if (factor === null) return null;
  const bytes = Math.round(Number(quantity) * factor);
  return Number.isSafeInteger(bytes) ? bytes : null;
}
