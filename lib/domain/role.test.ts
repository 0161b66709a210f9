import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ACTIONS, may, ROLES } from "./role.ts";

it("is what docs/roles.md says, right by right", () => {
  const text = readFileSync(new URL("../../docs/roles.md", import.meta.url), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const [header, , ...rights] = rows;
  expect(header?.slice(1, -1)).toEqual(ROLES);
  const documented = rights.map(([right, ...cells]) => [right?.replaceAll("`", ""), ...cells.slice(0, ROLES.length)]);
  const actual = ACTIONS.map((action) => [action, ...ROLES.map((role) => (may(role, action) ? "yes" : "no"))]);
  expect(documented).toEqual(actual);
  for (const row of rights) expect(row.at(-1), row[0]).toMatch(/\w/);
});
