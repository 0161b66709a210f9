import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { RemoteApi } from "../remote/api.ts";
import { UsageError } from "../terminal/print-error.ts";
import { sourceVersion } from "./deploy-source.ts";

const host = { id: randomUUID(), name: "esx-1" };
const vm = (ref: string, name: string) => ({ ref, name, hostId: host.id });
const linked = randomUUID();

/** A console with one host and these VMs; what is posted is kept. */
function consoleWith(vms: readonly object[], posted: unknown[] = []): RemoteApi {
  return {
    url: "http://console.test",
    token: "t",
    get: () => Promise.reject(new Error("not asked for")),
    patch: () => Promise.reject(new Error("not asked for")),
    list: (async (path: string, _item: unknown, query?: Record<string, string>) => {
      if (path === "/hosts") return [host];
      expect([path, query]).toEqual(["/vms", { host: host.id }]);
      return vms;
    }) as RemoteApi["list"],
    post: (async (path: string, _schema: unknown, body: unknown) => {
      posted.push([path, body]);
      return { versionId: linked };
    }) as RemoteApi["post"],
  };
}

describe("what is deployed", () => {
  it("is a VM by its host and its name or ref, which may hold slashes", async () => {
    const posted: unknown[] = [];
    const api = consoleWith([vm("vm-7", "web"), vm("/a/b.vmx", "db")], posted);
    expect(await sourceVersion(api, undefined, { vm: "esx-1/web" })).toBe(linked);
    expect(await sourceVersion(api, undefined, { vm: `${host.id}//a/b.vmx`, disk: ["2000"] })).toBe(linked);
    expect(posted).toEqual([
      ["/images/link", { hostId: host.id, vmRef: "vm-7" }],
      ["/images/link", { hostId: host.id, vmRef: "/a/b.vmx", diskIds: ["2000"] }],
    ]);
  });

  it("is never guessed", async () => {
    const api = consoleWith([vm("vm-7", "web"), vm("vm-8", "web")]);
    await expect(sourceVersion(api, undefined, { vm: "esx-1/web" })).rejects.toMatchObject({ code: "vm.ambiguous" });
    await expect(sourceVersion(api, undefined, { vm: "esx-1/db" })).rejects.toMatchObject({ code: "vm.not-found" });
    await expect(sourceVersion(api, undefined, { vm: "esx-2/web" })).rejects.toMatchObject({ code: "host.not-found" });
    for (const [image, options] of [
      [undefined, {}],
      [undefined, { vm: "web" }],
      [undefined, { vm: "esx-1/" }],
      ["golden", { vm: "esx-1/web" }],
      [undefined, { vm: "esx-1/web", version: "1" }],
      ["golden", { disk: ["1"] }],
    ] as const)
      await expect(sourceVersion(api, image, options)).rejects.toBeInstanceOf(UsageError);
  });
});
