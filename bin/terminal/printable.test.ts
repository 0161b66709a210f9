import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { printJson, printLine, printLines } from "./output.ts";
import { progressBar } from "./progress-bar.ts";
import { table } from "./table.ts";

/** Sets a title, clears the screen, turns red, goes back a line, turns the direction of text, breaks a character. */
const HOSTILE = "\u001b]0;PWNED\u0007\u001b[2J\u009b31mroot\r\n\u2028\u202eevil\u2066\u200f\u061c\ud800\u007f";
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\p{Cs}/u;

function printed(work: (stream: PassThrough) => void): string {
  const stream = new PassThrough();
  work(stream);
  return String(stream.read() ?? "");
}

describe("what is printed of others' words", () => {
  it("is one line of letters", () => {
    const line = printed((stream) => printLine(HOSTILE, stream));
    expect(line.endsWith("\n")).toBe(true);
    expect(line.slice(0, -1)).not.toMatch(UNSAFE);
    expect(line).toContain("PWNED");
    expect(line).toContain("\\u{1b}");
  });

  it("keeps lines and columns", () => {
    const rows = table(
      ["NAME", "STATE"],
      [
        [HOSTILE, "on"],
        ["東京 ü 🙂", "off"],
      ],
      "none",
    );
    const lines = printed((stream) => printLines(rows, stream)).split("\n");
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).not.toMatch(UNSAFE);
    expect(lines[2]).toContain("東京 ü 🙂");
    expect(lines[1]?.indexOf("on")).toBeGreaterThan(HOSTILE.length);
  });

  it("means the same as JSON", () => {
    for (const indent of [undefined, 2]) {
      const text = printed((stream) => printJson({ name: HOSTILE, [HOSTILE]: 1 }, stream, indent));
      for (const line of text.split("\n")) expect(line).not.toMatch(UNSAFE);
      expect(JSON.parse(text)).toEqual({ name: HOSTILE, [HOSTILE]: 1 });
    }
  });

  it("holds for the label of a progress bar", () => {
    const text = printed((stream) => {
      const bar = progressBar(HOSTILE, stream as unknown as NodeJS.WriteStream);
      bar.update({ done: 1, total: 2 });
      bar.end();
    });
    expect(text.trimEnd()).not.toMatch(UNSAFE);
  });

  it("goes through one place: no command writes by itself", () => {
    const writers = readdirSync("bin", { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
      .filter((name) =>
        /\b(?:stdout|stderr|out|stream)\.write\(|console\.(?:log|error|warn|info)\(/.test(
          readFileSync(join("bin", name), "utf8"),
        ),
      );
    // The question itself, the bar that redraws its line, the lines of numbers, and the one place.
    expect(writers.sort()).toEqual([
      "terminal/ask.ts",
      "terminal/output.ts",
      "terminal/progress-bar.ts",
      "terminal/progress-lines.ts",
    ]);
  });
});
