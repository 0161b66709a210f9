/** Every route of the API under every role: the table below must name each one, and the answers must be the policy's. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { may, ROLES, type Action, type Role } from "#lib/domain/role.ts";
import { bearer, codeOf, serveApi, type ServedApi } from "./testing-server.ts";

/** "anyone": without a name; "signed-in": whoever has one. A list: all of them are needed. */
type Needs = "anyone" | "signed-in" | readonly Action[];
interface Row {
  readonly needs: Needs;
  readonly query?: string;
  readonly body?: unknown;
}

const id = randomUUID();
const choice = {
  hostId: id,
  name: "vm",
  cpus: 1,
  memory: 2 ** 30,
  firmware: "bios",
  diskFormat: "qcow2",
  bus: "virtio",
  poolRef: "p",
  nic: null,
  start: false,
};
const demo = { driver: "demo", connection: { transport: "demo", vendor: "kvm" } };
const person = { email: "new@example.test", name: "New", password: "long enough 1" };
const decision = { planHash: "0".repeat(64), reason: "because" };

const TABLE: Record<string, Row> = {
  "GET /audit": { needs: ["audit.read"] },
  "GET /audit/verify": { needs: ["audit.read"] },
  "GET /audit/export": { needs: ["audit.read"], query: "?format=json" },
  "GET /events": { needs: "signed-in" },
  "GET /health": { needs: "anyone" },
  "GET /health/live": { needs: "anyone" },
  "GET /health/ready": { needs: "anyone" },
  "GET /hosts": { needs: ["host.read"] },
  "GET /hosts/discover": { needs: ["host.add"] },
  "POST /hosts/demo": { needs: ["host.add"], body: {} },
  // A connection of the request's own; a stored host by its id is in host-test.test.ts.
  "POST /hosts/test": { needs: ["host.test"], body: { name: "h", target: demo } },
  "GET /hosts/{id}": { needs: ["host.read"] },
  "POST /hosts": { needs: ["host.add"], body: { name: "h", target: demo } },
  "PATCH /hosts/{id}": { needs: ["host.edit"], body: { name: "h" } },
  "DELETE /hosts/{id}": { needs: ["host.remove"] },
  "POST /hosts/{id}/refresh": { needs: ["host.refresh"] },
  "GET /pools": { needs: ["host.read"] },
  "GET /networks": { needs: ["host.read"] },
  "GET /images": { needs: ["image.read"] },
  "GET /images/folders": { needs: ["image.add"] },
  "POST /images/import-folder": { needs: ["image.add"], body: { path: "/nowhere/x.qcow2" } },
  "POST /images/import-url": {
    needs: ["image.add"],
    body: { url: "https://127.0.0.1:1/x.qcow2", sha256: "0".repeat(64) },
  },
  "POST /images/capture": {
    needs: ["vm.capture", "image.add"],
    body: { hostId: id, vmRef: "v", diskId: "d", name: "c" },
  },
  "POST /images/link": { needs: ["vm.capture", "image.add"], body: { hostId: id, vmRef: "v" } },
  "GET /images/{id}": { needs: ["image.read"] },
  "PATCH /images/{id}": { needs: ["image.edit"], body: { name: "n" } },
  "DELETE /images/{id}": { needs: ["image.remove"] },
  "PATCH /images/{id}/versions/{versionId}": { needs: ["image.add"], body: { from: "raw" } },
  "DELETE /images/{id}/versions/{versionId}": { needs: ["image.remove"] },
  "GET /images/{id}/versions/{versionId}/disks/{diskId}/file": { needs: ["image.download"] },
  "GET /jobs": { needs: ["job.read"] },
  "GET /jobs/{id}": { needs: ["job.read"] },
  "POST /jobs/{id}/cancel": { needs: ["job.cancel"] },
  "GET /library/check": { needs: ["image.read"] },
  "POST /library/check": { needs: ["library.check"] },
  "GET /overview": { needs: ["host.read"] },
  "POST /preflight": { needs: ["request.read"], body: { imageVersionId: id, targets: [choice] } },
  "POST /preflight/defaults": { needs: ["request.read"], body: { imageVersionId: id, hostId: id } },
  "GET /requests": { needs: ["request.read"] },
  "POST /requests": {
    needs: ["request.create"],
    body: { imageVersionId: id, targets: [choice], idempotencyKey: randomUUID() },
  },
  "GET /requests/{id}": { needs: ["request.read"] },
  "POST /requests/{id}/approve": { needs: ["request.decide"], body: decision },
  "POST /requests/{id}/deny": { needs: ["request.decide"], body: decision },
  "POST /requests/{id}/cancel": { needs: ["request.cancel"], body: {} },
  "POST /requests/{id}/retry": { needs: ["request.create"], body: { idempotencyKey: randomUUID() } },
  "GET /session": { needs: "signed-in" },
  "POST /session/password": { needs: "signed-in", body: { current: "wrong", next: "long enough 2" } },
  "POST /login": { needs: "anyone", body: { email: "nobody@example.test", password: "x" } },
  "GET /settings": { needs: "signed-in" },
  "PATCH /settings": { needs: ["settings.edit"], body: {} },
  "GET /setup": { needs: "anyone" },
  "POST /setup": { needs: "anyone", body: { ...person, code: "x" } },
  "GET /sessions": { needs: "signed-in" },
  "DELETE /sessions": { needs: "signed-in" },
  "DELETE /sessions/{id}": { needs: "signed-in" },
  "GET /tokens": { needs: ["token.manage-own"] },
  "POST /tokens": { needs: ["token.manage-own"], body: { name: "t", role: "auditor", expiresInDays: 1 } },
  "DELETE /tokens/{id}": { needs: ["token.manage-own"] },
  "GET /transfers": { needs: ["image.read"] },
  "POST /transfers": { needs: ["image.download"], body: { imageId: id, versionId: id, diskId: id, format: "vhdx" } },
  "DELETE /transfers/{id}": { needs: ["image.read"] },
  "GET /transfers/{id}/{name}": { needs: "anyone" },
  "GET /users": { needs: ["user.read"] },
  "POST /users": { needs: ["user.manage"], body: { ...person, role: "auditor" } },
  "GET /users/{id}/sessions": { needs: ["user.read"] },
  "DELETE /users/{id}/sessions": { needs: ["user.manage"] },
  "DELETE /users/{id}/sessions/{sessionId}": { needs: ["user.manage"] },
  "GET /users/{id}/tokens": { needs: ["user.read"] },
  "DELETE /users/{id}/tokens": { needs: ["user.manage"] },
  "DELETE /users/{id}/tokens/{tokenId}": { needs: ["user.manage"] },
  "PATCH /users/{id}": { needs: ["user.manage"], body: { name: "n" } },
  "GET /vms": { needs: ["vm.read"] },
  "GET /vms/{hostId}/{ref}": { needs: ["vm.read"] },
  "POST /vms/{hostId}/{ref}/power": { needs: ["vm.power"], body: { action: "start" } },
};

let services: TestServices;
let served: ServedApi;
const who = new Map<Role, { id: string; authorization: string }>();

beforeAll(async () => {
  services = await testServices();
  served = await serveApi(services);
  for (const role of ROLES) who.set(role, await bearer(services, role));
});
afterAll(async () => {
  await served.close();
  await services.close();
});

function ask(route: string, authorization: string | null) {
  const [method = "", path = ""] = route.split(" ");
  const row = TABLE[route];
  return served.ask(
    method,
    path.replaceAll(/\{\w+\}/g, id) + (row?.query ?? ""),
    authorization === null ? {} : { authorization },
    row?.body,
  );
}

describe("the API under every role", () => {
  it("has a row here for every route that it describes", async () => {
    const { json } = await served.ask("GET", "/openapi.json");
    const { paths } = json as { paths: Record<string, Record<string, unknown>> };
    const described = Object.entries(paths)
      // Uploads speak tus behind a handler of their own, see lib/library/uploads.test.ts.
      .filter(([path]) => !path.includes("/uploads"))
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
    expect(described.map((route) => route.replace(" /api/v1", " ")).sort()).toEqual(Object.keys(TABLE).sort());
  });

  it("describes for every route, uploads and files too, what it answers when something went wrong", async () => {
    const { json } = await served.ask("GET", "/openapi.json");
    const { paths } = json as { paths: Record<string, Record<string, { responses: Record<string, unknown> }>> };
    const silent = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { responses }]) => responses["default"] === undefined)
        .map(([method]) => `${method} ${path}`),
    );
    expect(silent).toEqual([]);
  });

  it("lets nobody in without a name but where it says so", async () => {
    for (const [route, { needs }] of Object.entries(TABLE)) {
      const answer = await ask(route, null);
      if (needs === "anyone") expect(codeOf(answer), route).not.toBe("auth.required");
      else expect([answer.status, codeOf(answer)], route).toEqual([401, "auth.required"]);
    }
  });

  it.each(ROLES)("gives %s what the policy grants and refuses the rest", async (role) => {
    const { authorization } = who.get(role)!;
    for (const [route, { needs }] of Object.entries(TABLE)) {
      const answer = await ask(route, authorization);
      const granted = typeof needs === "string" || needs.every((action) => may(role, action));
      if (granted) {
        expect(codeOf(answer), `${role} ${route}`).not.toBe("auth.forbidden");
        expect(answer.status, `${role} ${route}: ${answer.text}`).toBeLessThan(500);
        expect(codeOf(answer), `${role} ${route}: the table's request is not understood: ${answer.text}`).not.toBe(
          "request.invalid",
        );
      } else {
        expect([answer.status, codeOf(answer)], `${role} ${route}`).toEqual([403, "auth.forbidden"]);
      }
    }
  });
});
