import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { inventoryOf } from "./changes.ts";
import { Mirror } from "./mirror.ts";
import type { RecordClass } from "./records.ts";
import type { XapiSession } from "./session.ts";

const event = (name: RecordClass, ref: string, snapshot: unknown) => ({
  class: name,
  operation: "add",
  ref,
  snapshot,
});
const POOL = event("pool", "p", { uuid: "p", name_label: "p", master: "" });
const VM = {
  uuid: "u",
  name_label: "",
  name_description: "",
  power_state: "Running",
  is_a_template: false,
  is_control_domain: false,
  VCPUs_max: 1,
  VCPUs_at_startup: 1,
  memory_dynamic_max: 1,
  memory_static_max: 1,
  HVM_boot_policy: "",
  VBDs: [] as string[],
  VIFs: [] as string[],
  metrics: "",
  guest_metrics: "",
};
const SR = {
  uuid: "s",
  name_label: "",
  type: "lvm",
  content_type: "",
  shared: true,
  physical_size: 1,
  physical_utilisation: 1,
};
const refs = (count: number): string[] => Array.from({ length: count }, (_, i) => `r${i}`);

/** A pool that answers with these events and never with others. */
async function read(events: readonly unknown[]): Promise<number> {
  const session = { name: "pool", logins: 1, call: () => Promise.resolve({ token: "t", events }) };
  const mirror = new Mirror(session as unknown as XapiSession);
  await mirror.refresh(0);
  return [...inventoryOf(mirror)].length;
}

describe("a pool's records", () => {
  growsLinearly({
    parse: read,
    worst: {
      "many disks on a repository of many members": (n) => {
        const count = Math.floor(n / 200);
        return [
          POOL,
          event("SR", "s", { ...SR, PBDs: refs(count) }),
          event("VDI", "d", {
            uuid: "d",
            name_label: "",
            SR: "s",
            VBDs: [],
            virtual_size: 1,
            physical_utilisation: 1,
            type: "",
            read_only: false,
          }),
          event("VBD", "b", { VM: "", VDI: "d", userdevice: "0", device: "", type: "Disk", mode: "RW", empty: false }),
          ...Array.from({ length: count }, (_, i) => event("VM", `v${i}`, { ...VM, VBDs: ["b", "b", "b", "b"] })),
        ];
      },
      "many cards of one guest with many addresses": (n) => {
        const count = Math.floor(n / 200);
        return [
          POOL,
          event("VM_guest_metrics", "g", {
            networks: Object.fromEntries(refs(count).map((ref) => [`0/ip/${ref}`, ref])),
          }),
          event("VIF", "c", { VM: "", network: "", device: "0", MAC: "", currently_attached: true }),
          ...Array.from({ length: Math.floor(count / 10) }, (_, i) =>
            event("VM", `v${i}`, { ...VM, VIFs: ["c"], guest_metrics: "g" }),
          ),
        ];
      },
    },
    most: 4 * 1024 ** 2,
  });

  it("are bounded, each list and the members", async () => {
    const members = refs(1025).map((ref) =>
      event("host", ref, { uuid: ref, name_label: "", address: "", enabled: true, metrics: "" }),
    );
    await expect(read([POOL, ...members])).rejects.toMatchObject({ code: "host.protocol" });
    await expect(read([POOL, event("VM", "v", { ...VM, VBDs: refs(100_000) })])).resolves.toBe(2);
  });
});
