/** Bodies that are almost right. The same seed gives the same bodies. */
import { sample, type Schema } from "../bench/sample.ts";

export interface Random {
  /** From 0 up to, but not including, `below`. */
  next(below: number): number;
}

/** mulberry32. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return {
    next(below) {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) % below;
    },
  };
}

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let n = 0; n < depth; n += 1) value = n % 2 === 0 ? [value] : { a: value };
  return value;
};

/** JSON.parse, because a literal `__proto__` would set the prototype instead. */
const prototypes = [
  '{"__proto__":{"role":"administrator","disabled":false}}',
  '{"constructor":{"prototype":{"x":1}}}',
  '{"prototype":1,"toString":1,"valueOf":"x","hasOwnProperty":null}',
].map((text) => JSON.parse(text) as unknown);

export const HOSTILE: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  1e308,
  -1e308,
  5e-324,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 63,
  2 ** 64,
  "",
  " ",
  "0",
  "1",
  "true",
  "null",
  "a\u0000b",
  "\ud800",
  "\udfff\ud800",
  "\u202e",
  "\u001b[31m",
  "'; drop table users; --",
  "%",
  "_",
  "\\",
  "../../etc/passwd",
  "${x}",
  "{{x}}",
  "<script>alert(1)</script>",
  "00000000-0000-0000-0000-000000000000",
  "ffffffff-ffff-ffff-ffff-ffffffffffff",
  "x".repeat(10_000),
  "x".repeat(300_000),
  "漢".repeat(5000),
  "9".repeat(400),
  "9999-99-99T99:99:99Z",
  "+275760-09-13T00:00:00.001Z",
  "0000-00-00",
  "infinity",
  "-infinity",
  "NaN",
  [],
  {},
  [null],
  [[]],
  [{}],
  nested(500),
  Array.from({ length: 5000 }, () => 0),
  Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`k${n}`, n])),
  ...prototypes,
];

/** What is no JSON, or more of it than anybody needs. */
export const RAW_BODIES: readonly string[] = [
  "",
  " ",
  "{",
  "null",
  "[]",
  '"x"',
  "0",
  "{}{}",
  '{"a":1,"a":2}',
  "{'a':1}",
  '{"a":01}',
  '{"a":1e999}',
  '{"a":"\\ud800"}',
  '{"a":"\\u0000"}',
  '{"\\u0000":1}',
  "\ufeff{}",
  `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
  `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
  `{"a":"${"x".repeat(1_000_000)}"}`,
  "\u0000",
  "NaN",
];

function paths(value: unknown, at: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, item]) => paths(item, [...at, key]))];
}

function replaced(value: unknown, at: readonly (string | number)[], next: unknown): unknown {
  const [key, ...rest] = at;
  if (key === undefined) return next === REMOVED ? value : next;
  if (Array.isArray(value))
    return value.map((item, n) => (String(n) === String(key) ? replaced(item, rest, next) : item));
  // An earlier change has put something else here.
  if (typeof value !== "object" || value === null) return next === REMOVED ? value : next;
  const object = value as Record<string, unknown>;
  if (rest.length === 0 && next === REMOVED)
    return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
  return { ...object, [key]: replaced(object[key], rest, next) };
}

const REMOVED = Symbol("removed");

/** A value of the schema with one to three places changed. */
export function mutant(schema: Schema, random: Random): unknown {
  let value = sample(schema, random);
  for (let n = random.next(3); n >= 0; n -= 1) {
    const places = paths(value);
    const place = places[random.next(places.length)] ?? [];
    const roll = random.next(10);
    if (roll === 0 && place.length > 0) value = replaced(value, place, REMOVED);
    else if (roll === 1)
      value = replaced(value, [...place.slice(0, -1), "unknown"], HOSTILE[random.next(HOSTILE.length)]);
    else value = replaced(value, place, HOSTILE[random.next(HOSTILE.length)]);
  }
  return value;
}
