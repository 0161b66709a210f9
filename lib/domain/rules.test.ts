/** The rules that pages and services share: every state with every action, and nobody else has rules of their own. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PowerAction, PowerState } from "./hardware.ts";
import { JobState, whyNotCancelJob } from "./job.ts";
import { RequestStatus, TargetStatus } from "./request.ts";
import { canApprove, canCancel, canDecide, canRetry, isOpenTarget } from "./request-rules.ts";
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

  it("is left to the host of a machine that the host runs itself", () => {
    const powerBlocker = "web01 is a template.";
    for (const state of PowerState.options)
      for (const action of PowerAction.options)
        expect(canPower({ name: "web01", state, powerBlocker }, action)).toEqual({ reason: powerBlocker });
  });
});

describe("requests", () => {
  it.each(RequestStatus.options)("are decided, cancelled and asked for again as their status %s says", (status) => {
    for (const role of ROLES) {
      for (const own of [true, false]) {
        const request = { status, requesterId: own ? "me" : "other" };
        const person = { id: "me", role };
        const decider = role === "operator" || role === "administrator";
        expect(canDecide(request, person) === true).toBe(decider && !own && status === "pending");
        expect(canApprove(request, person, true)).toEqual(canDecide(request, person));
        const held = canApprove(request, person, false);
        expect(held === true ? "allowed" : held.code).not.toBe("allowed");
        if (canDecide(request, person) === true)
          expect(held).toMatchObject({ code: "request.approver-not-independent" });
        expect(canRetry(request, person, 7) === true).toBe(false);
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

describe("jobs", () => {
  it.each(JobState.options)("are cancelled as their state %s says", (state) => {
    expect(whyNotCancelJob(state) === null).toBe(state === "queued" || state === "running");
  });
});

describe("targets of a request", () => {
  it.each(TargetStatus.options)("are cancelled as their status %s says", (status) => {
    expect(isOpenTarget({ status, jobId: "job" })).toBe(status === "waiting" || status === "running");
    expect(isOpenTarget({ status, jobId: null })).toBe(false);
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
        /\[[^\]]*"(?:pending|approved|partly|crashed|paused|queued|running|waiting|cancelling|failed)"[^\]]*\]\s*\.(?:includes|some)\(/.test(
          text,
        ) ||
        /=== "(?:cancelling|queued)" \|\| [\w.]+ === "/.test(text) ||
        /may\([^)]*"request\.(?:decide|cancel)"\)/.test(text),
    );
    expect(listed.map(([name]) => name)).toEqual([]);
  });

  it("read nothing that a role which sees them may not read", () => {
    /** Queries that some role is refused, and what keeps them from being asked where it is. */
    const guards: readonly (readonly [query: string, page: string, guard: RegExp])[] = [
      ["imageQueries.uploads(", "image/UploadZone.tsx", /imageQueries\.uploads\(\), enabled: reason === null/],
      ["imageQueries.folder(", "image/ImportFolderDialog.tsx", /imageQueries\.folder\(path\), enabled: open/],
      ["hostQueries.discovered(", "overview/Onboarding.tsx", /useMay\("host\.add"\);\s*if \(!mayAdd\)/],
      ["auditQueries.", "audit/AuditView.tsx", /useMay\("audit\.read"\);\s*if \(!mayRead\)/],
      ["userQueries.list(", "user/UserList.tsx", /./],
      ["userQueries.", "settings/SettingsView.tsx", /mayReadUsers\s*\?\s*\[.*<UserList/],
    ];
    for (const [query, page, guard] of guards) {
      const asking = sources.filter(
        ([, text]) =>
          text.includes(query) &&
          new RegExp(`use(?:Infinite)?Query\\([^;]*${query.replaceAll(/[.(]/g, "\\$&")}`).test(text),
      );
      if (!query.startsWith("userQueries")) expect([query, asking.map(([name]) => name)]).toEqual([query, [page]]);
      expect([page, sources.find(([name]) => name === page)?.[1]]).toEqual([page, expect.stringMatching(guard)]);
    }
    // Accounts are read inside of the list of them only, which its own tab guards.
    const accounts = sources.filter(
      ([name, text]) => /Query\([^;]*userQueries\./.test(text) && !name.startsWith("user/"),
    );
    expect(accounts.map(([name]) => name)).toEqual([]);
    const shown = sources.filter(([, text]) => text.includes("<UserList"));
    expect(shown.map(([name]) => name)).toEqual(["settings/SettingsView.tsx"]);
  });

  it("have each rule in use", () => {
    const rules = ["canPower", "youMay", "canCancel", "canCaptureAll", "whyNotCancelJob", "isOpenTarget"];
    for (const rule of rules)
      expect([rule, sources.some(([, text]) => new RegExp(`\\b${rule}\\b`).test(text))]).toEqual([rule, true]);
  });
});
