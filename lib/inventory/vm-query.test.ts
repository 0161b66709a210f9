import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTestDatabase } from "#lib/db/testing.ts";
import type { Database } from "#lib/db/client.ts";
import { hosts } from "#lib/db/schema.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { HostRows } from "./host-rows.ts";
import { listVms, type VmFilter, type VmSort } from "./vm-query.ts";

let database: Database;
const hostIds = { a: randomUUID(), b: randomUUID() };
const STATES = ["running", "stopped", "paused"] as const;

function vm(n: number): Vm {
  return {
    kind: "vm",
    ref: `ref-${n}`,
    // Many share a name: the order must be told by more than that.
    name: n % 7 === 0 ? "twin" : `vm-${String(n).padStart(5, "0")}`,
    state: STATES[n % 3] ?? "unknown",
    cpus: n % 5 === 0 ? null : 1 + (n % 8),
    memory: (1 + (n % 4)) * 2 ** 30,
    firmware: n % 2 === 0 ? "bios" : n % 3 === 0 ? null : "uefi",
    secureBoot: null,
    guestOs: n === 4242 ? "100% Plan_9" : null,
    machine: null,
    description: null,
    startedAt: null,
    disks: [],
    nics: [
      {
        id: "n",
        mac: `52:54:00:00:${String(n % 100).padStart(2, "0")}:aa`,
        model: null,
        modelRaw: null,
        networkRef: null,
        networkName: null,
        connected: true,
        addresses: [],
      },
    ],
    snapshots: [],
    tag: null,
  };
}

const all = Array.from({ length: 10_000 }, (_, n) => ({
  host: n % 4 === 0 ? ("b" as const) : ("a" as const),
  vm: vm(n),
}));

beforeAll(async () => {
  database = await openTestDatabase();
  await database.db.insert(hosts).values([
    {
      id: hostIds.a,
      name: "alpha",
      vendor: "kvm",
      connection: { driver: "demo", connection: { transport: "demo", vendor: "kvm" } },
    },
    {
      id: hostIds.b,
      name: "beta",
      vendor: "vmware",
      connection: { driver: "demo", connection: { transport: "demo", vendor: "vmware" } },
    },
  ]);
  for (const key of ["a", "b"] as const) {
    const rows = await HostRows.load(database.db, hostIds[key]);
    await rows.put(all.filter(({ host }) => host === key).map((entry) => entry.vm));
  }
});
afterAll(() => database.close());

async function walk(filter: VmFilter, sort: VmSort, order: "asc" | "desc", limit: number) {
  const refs: string[] = [];
  const keys: (string | number)[] = [];
  let cursor: string | null = null;
  for (;;) {
    const page: Awaited<ReturnType<typeof listVms>> = await listVms(database.db, {
      ...filter,
      sort,
      order,
      cursor,
      limit,
    });
    for (const { host, vm: row } of page.found) {
      refs.push(row.ref);
      keys.push(sort === "host" ? host.name : sort === "name" || sort === "state" ? row[sort] : (row[sort] ?? -1));
    }
    if (page.next === null) return { refs, keys, total: page.total, facets: page.facets };
    cursor = page.next;
  }
}

describe("listVms over 10,000 rows", () => {
  it.each([
    ["name", "asc"],
    ["name", "desc"],
    ["cpus", "asc"],
    ["memory", "desc"],
    ["state", "asc"],
    ["host", "desc"],
  ] as const)("pages by %s %s show every VM once, in order", async (sort, order) => {
    const { refs, keys, total } = await walk({}, sort, order, 1000);
    expect(total).toBe(10_000);
    expect(new Set(refs).size).toBe(10_000);
    for (let i = 1; i < keys.length; i++) {
      const [before, after] = [keys[i - 1] ?? "", keys[i] ?? ""];
      expect(order === "asc" ? before <= after : before >= after, `${before} then ${after}`).toBe(true);
    }
  });

  it("filters, and counts each facet without its own filter", async () => {
    const { refs, total, facets } = await walk(
      { state: ["running"], host: [hostIds.b], firmware: ["bios"] },
      "name",
      "asc",
      400,
    );
    const fits = (e: (typeof all)[number], but: string) =>
      (but === "state" || e.vm.state === "running") &&
      (but === "host" || e.host === "b") &&
      (but === "firmware" || e.vm.firmware === "bios");
    const expected = all.filter((e) => fits(e, ""));
    expect(total).toBe(expected.length);
    expect(new Set(refs)).toEqual(new Set(expected.map((e) => e.vm.ref)));
    const tally = (but: string, of: (e: (typeof all)[number]) => string) => {
      const counts: Record<string, number> = {};
      for (const e of all) if (fits(e, but)) counts[of(e)] = (counts[of(e)] ?? 0) + 1;
      return counts;
    };
    expect(facets.state).toEqual(tally("state", (e) => e.vm.state));
    expect(facets.host).toEqual(tally("host", (e) => hostIds[e.host]));
    expect(facets.firmware).toEqual(tally("firmware", (e) => e.vm.firmware ?? "unknown"));
    expect(facets.vendor).toEqual({ vmware: expected.length });
  });

  it("takes % and _ in a search as they are", async () => {
    expect((await walk({ q: "100% plan_" }, "name", "asc", 10)).refs).toEqual(["ref-4242"]);
    expect((await walk({ q: "%" }, "name", "asc", 10)).refs).toEqual(["ref-4242"]);
    expect((await walk({ q: "VM-00123" }, "name", "asc", 10)).refs).toEqual(["ref-123"]);
  });

  it("refuses a cursor that it did not make", async () => {
    for (const cursor of [
      "x",
      Buffer.from('["a"]').toString("base64url"),
      Buffer.from('["a","b","c"]').toString("base64url"),
    ]) {
      await expect(listVms(database.db, { sort: "name", order: "asc", limit: 5, cursor })).rejects.toMatchObject({
        code: "list.bad-cursor",
      });
    }
    const byName = await listVms(database.db, { sort: "name", order: "asc", limit: 5, cursor: null });
    await expect(
      listVms(database.db, { sort: "cpus", order: "asc", limit: 5, cursor: byName.next }),
    ).rejects.toMatchObject({ code: "list.bad-cursor" });
  });
});

describe("HostRows", () => {
  it("writes only what changed", async () => {
    const rows = await HostRows.load(database.db, hostIds.b);
    const mine = all.filter(({ host }) => host === "b").map((entry) => entry.vm);
    expect(await rows.put(mine)).toEqual([]);
    const changed = { ...(mine[3] as Vm), state: "crashed" as const };
    expect(await rows.put([...mine.slice(0, 3), changed])).toEqual([{ kind: "vm", ref: changed.ref }]);
    expect(await rows.put([mine[3] as Vm])).toHaveLength(1);
  });

  it("finds what vanished, and removes it once", async () => {
    const rows = await HostRows.load(database.db, hostIds.b);
    const mine = all.filter(({ host }) => host === "b").map((entry) => entry.vm);
    const gone = rows.vanished(new Set(mine.slice(2).map((item) => HostRows.key(item))));
    expect(gone.map(({ ref }) => ref).sort()).toEqual([mine[0]?.ref, mine[1]?.ref].sort());
    expect(await rows.remove(gone)).toHaveLength(2);
    expect(await rows.remove(gone)).toHaveLength(0);
    expect(
      (await listVms(database.db, { host: [hostIds.b], sort: "name", order: "asc", limit: 1, cursor: null })).total,
    ).toBe(mine.length - 2);
    await rows.put(mine);
  });
});
