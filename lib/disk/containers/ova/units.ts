/** Units of allocation in OVF: programmatic units (DSP0004 annex C) and the words that came before them. */

const WORDS = new Map<string, number>(
  Object.entries({
    "": 1,
    b: 1,
    byte: 1,
    bytes: 1,
    kilobyte: 2 ** 10,
    kb: 2 ** 10,
    kib: 2 ** 10,
    megabyte: 2 ** 20,
    mb: 2 ** 20,
    mib: 2 ** 20,
    gigabyte: 2 ** 30,
    gb: 2 ** 30,
    gib: 2 ** 30,
    terabyte: 2 ** 40,
    tb: 2 ** 40,
    tib: 2 ** 40,
  }),
);

/** Bytes of one unit; null for what is no unit of bytes. `byte * 2^30`, `byte*1024*1024`, `GigaBytes`. */
export function unitBytes(unit: string): number | null {
  const text = unit.trim().toLowerCase();
  const word = WORDS.get(text) ?? WORDS.get(text.replace(/s$/, ""));
  if (word !== undefined) return word;
  const factors = text.slice(0, 200).split("*");
  let bytes = WORDS.get((factors.shift() ?? "").trim().replace(/s$/, "")) ?? Number.NaN;
  for (const factor of factors) {
    const parts = /^\s*(\d{1,15})(?:\s*\^\s*(\d{1,2}))?\s*$/.exec(factor);
    bytes *= Number(parts?.[1]) ** Number(parts?.[2] ?? "1");
  }
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
