import { describe, expect, it } from "vitest";
import { HostName, NewHost } from "./host.ts";
import { ImageName } from "./image.ts";
import { cleanName, safeName, whyUnsafe } from "./plain-name.ts";
import { NewTargetChoice, VmName } from "./request.ts";
import { NewRequest, PreflightAsk } from "./request-view.ts";
import { NewApiToken, NewUser, UserChange } from "./user.ts";

const HURTFUL = [
  "a\u001bb",
  "a\u0000",
  "a\u0085b",
  "a\u009bb",
  "a\u202eb",
  "a\u2066b",
  "\u200fab",
  "a\u061cb",
  "a\ud800b",
  "a\nb",
  ".",
  "..",
];
const FINE = ["web01", "Wëb 東京 🙂", "a.b", "…", "-x", "CON-1"];
const NAMES = [
  ["VM", VmName],
  ["image", ImageName],
  ["host", HostName],
  ["person", NewUser.shape.name],
  ["changed person", UserChange.shape.name],
  ["token", NewApiToken.shape.name],
  ["new host", NewHost.shape.name],
  ["asked VM", NewTargetChoice.shape.name],
] as const;

describe.each(NAMES)("the name of a %s", (_what, schema) => {
  it.each(HURTFUL)("is not %j", (name) => expect(schema.safeParse(name).success).toBe(false));
  it.each(FINE)("may be %j", (name) => expect(schema.safeParse(name).success).toBe(true));
});

it("holds for each VM of a request and of a preflight, and for the note", () => {
  for (const shape of [NewRequest.shape, PreflightAsk.shape])
    expect(shape.targets.safeParse([{ name: "a\u202eb" }]).error?.issues.some(({ path }) => path[1] === "name")).toBe(
      true,
    );
  expect(NewRequest.shape.note.safeParse("two\nlines\tof words").success).toBe(true);
  expect(NewRequest.shape.note.safeParse("\u001b[2J").success).toBe(false);
});

it.each(["-rf", "--help", "CON", "con.txt", "NUL", "nul.", "Com1", "LPT9.vhdx", "web.", "web "])(
  "finds something against %j, and a name that nothing is against",
  (name) => {
    expect(whyUnsafe(name)).not.toBeNull();
    expect(whyUnsafe(safeName(name))).toBeNull();
    expect(VmName.safeParse(safeName(name)).success).toBe(true);
  },
);

it.each(["web01", "console", "com10", "a-b", "lpt"])("finds nothing against %j", (name) => {
  expect(whyUnsafe(name)).toBeNull();
  expect(safeName(name)).toBe(name);
});

it("cleans names from elsewhere", () => {
  expect(cleanName("\u001b[31mroot\u202e", "someone")).toBe("[31mroot");
  expect(cleanName("\u202e", "someone")).toBe("someone");
  expect(cleanName("..", "someone")).toBe("someone");
});
