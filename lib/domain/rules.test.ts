/** The rules that pages and services share: every state with every action, and nobody else has rules of their own. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PowerAction, PowerState } from "./hardware.ts";
import { RequestStatus } from "./request.ts";
import { canCancel, canDecide, canRetry } from "./request-rules.ts";
import { ROLES } from "./role.ts";
import { canPower } from "./vm-rules.ts";

/** What can be done in which state; everything else is refused, by the page as by the server. */
const POWER: Record<PowerState, readonly PowerAction[]> = {
  running: ["shutdown", "stop", "reboot", "reset", "pause"],
  stopped: ["start"],
  paused: ["stop", "reset", "resume"],
  suspended: ["start", "stop", "resume"],
  crashed: ["start", "stop", "reset"],
  unknown: ["stop"],
};

describe("power", () => {
  it.each(PowerState.options.flatMap((state) => PowerAction.options.map((action) => [state, action] as const)))(
    "%s, %s",
    (state, action) => {
      const allowed = canPower({ name: "web01", state }, action);
      if (POWER[state].includes(action)) expect(allowed).toBe(true);
      else expect(allowed).toEqual({ reason: expect.stringMatching(/^web01 is .+\.$/) as string });
    },
  );
});

describe("requests", () => {
  it.each(RequestStatus.options)("are decided, cancelled and asked for again as their status %s says", (status) => {
    for (const role of ROLES) {
      for (const own of [true, false]) {
        const request = { status, requesterId: own ? "me" : "other" };
        const person = { id: "me", role };
        const decider = role === "operator" || role === "administrator";
        expect(canDecide(request, person) === true).toBe(decider && !own && status === "pending");
        expect(canCancel(request, person) === true).toBe(
          (decider || (role === "requester" && own)) && ["pending", "approved", "running"].includes(status),
        );
        expect(canRetry(request, person) === true).toBe(
          (decider || role === "requester") && ["failed", "partly", "cancelled"].includes(status),
        );
      }
    }
  });
});

describe("pages", () => {
  const sources = readdirSync("components", { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => [name, readFileSync(join("components", name), "utf8")] as const);

  it("ask the shared rules instead of listing states of their own", () => {
    const listed = sources.filter(
      ([, text]) =>
        /Record<\s*(?:Power)?Action\w*\s*,/.test(text) ||
        /\[[^\]]*"(?:pending|approved|partly|crashed|paused)"[^\]]*\]\s*\.includes\(/.test(text) ||
        /may\([^)]*"request\.(?:decide|cancel)"\)/.test(text),
    );
    expect(listed.map(([name]) => name)).toEqual([]);
  });

  it("have each rule in use", () => {
    for (const rule of ["canPower", "canDecide", "canCancel", "canRetry", "canCaptureAll"])
      expect([rule, sources.some(([, text]) => text.includes(`${rule}(`))]).toEqual([rule, true]);
  });
});
