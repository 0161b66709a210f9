import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { cut } from "#lib/testing/hostile-text.ts";
import { JsonReader } from "./json-reader.ts";

function read(pieces: Iterable<string>): unknown {
  const reader = new JsonReader();
  for (const piece of pieces) reader.feed(piece);
  return reader.end();
}

describe("reading JSON while it comes in", () => {
  it("comes to what JSON.parse comes to, wherever the text is cut", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        (value, length, spaced) => {
          const text = JSON.stringify(value, null, spaced ? 2 : 0);
          expect(read(cut(text, length))).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it("takes and refuses what JSON.parse takes and refuses", () => {
    const tokens = [
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"\\u00e9\\"',
      '"',
      "1",
      "-0.5e3",
      "01",
      "true",
      "null",
      "nul",
      " ",
      "\\",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 9 }), (parts) => {
        const text = parts.join("");
        let expected: unknown;
        try {
          expected = { value: JSON.parse(text) as unknown };
        } catch {
          expected = "refused";
        }
        let found: unknown;
        try {
          found = { value: read([text]) };
        } catch (error) {
          expect(error).toMatchObject({ code: "host.protocol" });
          found = "refused";
        }
        expect([text, found]).toEqual([text, expected]);
      }),
      { numRuns: 3000 },
    );
  });

  it("lets no name become a prototype", () => {
    const found = read(['{"__proto__":{"a":1},"constructor":2}']) as Record<string, unknown>;
    expect(Object.keys(found)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
  });

  it.each([
    ["depth", "[".repeat(100)],
    ["values", `[${"0,".repeat(20)}0]`],
  ])("is bounded in %s", (_what, text) => {
    const reader = new JsonReader({ depth: 50, values: 10 });
    expect(() => reader.feed(text)).toThrow(AppError);
  });
});
