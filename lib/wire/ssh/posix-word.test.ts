import { execFileSync, spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { posixWord } from "./posix-word.ts";

const NASTY = [
  ...[
    "",
    " ",
    "a b",
    `"`,
    `'`,
    "\\",
    "\\'",
    "'\\",
    `\\\\'\\`,
    "a\\",
    `a\\"b\\`,
    "\\'; touch marker; '",
    "\\\\' $(id) '",
  ],
  ...[
    "$HOME `id` $(id) (id)",
    "%PATH%",
    "東京",
    "-x",
    "*?[!a]",
    "a;b|c&d",
    "~root",
    "{a,b}",
    "#x",
    "=ls",
    "a!b",
    "\t",
    "\\n",
  ],
];

const words = fc.sample(
  fc.array(fc.string({ unit: fc.constantFrom("'", "\\", "a", " ", '"', "$", "(", ")", "`", ";", "n") }), {
    minLength: 1,
    maxLength: 6,
  }),
  { numRuns: 60, seed: 20261130 },
);

const isThere = (shell: string): boolean => spawnSync(shell, ["-c", ":"]).error === undefined;
const SHELLS = ["sh", "bash", "zsh", "fish", "tcsh"];

describe.each(SHELLS.map((shell) => ({ shell, there: isThere(shell) })))(
  "$shell (installed: $there)",
  ({ shell, there }) => {
    const got = (args: readonly string[]): string[] => {
      const command = ["/usr/bin/printf", String.raw`'%s\0'`, ...args.map(posixWord)].join(" ");
      // tcsh's own -f and the others' defaults: no file of the user is read.
      const options = shell === "tcsh" ? ["-f", "-c"] : ["-c"];
      const env = { ...process.env, LANG: "C.UTF-8", HOME: "/nonexistent" };
      const output = execFileSync(shell, [...options, command], {
        encoding: "utf8",
        env,
      });
      return output.split("\0").slice(0, -1);
    };

    it.skipIf(!there)("gets each word as it is", () => {
      const list = shell === "tcsh" ? NASTY : [...NASTY, "a\nb", "\n", "\\\n'"];
      expect(got(list)).toEqual(list);
    });

    it.skipIf(!there)("gets whatever is made of quotes and backslashes", () => {
      const all = words.flat();
      expect(got(all)).toEqual(all);
    });
  },
);
