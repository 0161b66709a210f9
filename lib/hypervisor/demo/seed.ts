/** What a simulated host holds when it is first opened: a few VMs with small real disks. */
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { convertDisk } from "#lib/disk/convert.ts";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { createHash } from "node:crypto";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import type { Vm, VmDisk } from "#lib/domain/inventory.ts";
import type { DemoPools } from "./pools.ts";
import type { DemoProduct } from "./products.ts";

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

interface Plan {
  readonly name: string;
  readonly state: Vm["state"];
  readonly cpus: number;
  readonly memory: number;
  readonly guestOs: string;
  /** Bytes, the disk that it starts from first. */
  readonly disks: readonly { readonly size: number; readonly locked?: boolean }[];
  readonly snapshots?: boolean;
}

const PLANS: readonly Plan[] = [
  {
    name: "web-01",
    state: "running",
    cpus: 2,
    memory: 2 * GiB,
    guestOs: "Debian GNU/Linux 12",
    disks: [{ size: 256 * MiB }],
  },
  {
    name: "web-02",
    state: "running",
    cpus: 2,
    memory: 2 * GiB,
    guestOs: "Debian GNU/Linux 12",
    disks: [{ size: 256 * MiB }],
  },
  {
    name: "db-01",
    state: "running",
    cpus: 4,
    memory: 16 * GiB,
    guestOs: "Red Hat Enterprise Linux 9",
    disks: [{ size: 512 * MiB }, { size: 256 * MiB }],
    snapshots: true,
  },
  {
    name: "build-03",
    state: "stopped",
    cpus: 8,
    memory: 8 * GiB,
    guestOs: "Ubuntu 24.04",
    disks: [{ size: 128 * MiB }],
  },
  {
    name: "legacy-app",
    state: "stopped",
    cpus: 1,
    memory: 1 * GiB,
    guestOs: "Windows Server 2012 R2",
    disks: [{ size: 128 * MiB }, { size: 64 * MiB, locked: true }],
  },
];

/** The same identifier at every start, so that links to a seeded VM stay right. */
function stableId(...parts: string[]): string {
  const hex = createHash("sha256").update(parts.join("/")).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A little data at the beginning and nothing after it, as a fresh guest's disk. */
function smallDisk(size: number, label: string): BlockSource {
  const head = Buffer.alloc(64 * 1024, `${label} `);
  return {
    size,
    async *extents() {
      yield { offset: 0, length: head.length, kind: "data" };
      yield { offset: head.length, length: size - head.length, kind: "zero" };
    },
    async read(offset, into) {
      into.fill(0);
      if (offset < head.length) into.set(head.subarray(offset, Math.min(head.length, offset + into.length)));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface SeededDisk {
  readonly pool: string;
  readonly name: string;
  readonly format: DiskFormatId;
  readonly size: number;
  /** What it holds, over and over. */
  readonly words: string;
}

/** Answers with the disk's place in the pool; one that is there already stays as it is. */
async function seedDisk(pools: DemoPools, { pool, name, format, size, words }: SeededDisk): Promise<string> {
  const spec = { poolRef: pool, name, format, virtualSize: size, fileLength: null, placement: {} };
  const resource = await pools.plan(spec).catch(() => null);
  if (resource !== null) {
    await using sink = await createFileSink(pools.diskPath(resource.ref), { mode: 0o600 });
    await convertDisk({ disk: smallDisk(size, words), to: format, sink });
  }
  return `${pool}/${name}.${resource?.ref.split(".").pop() ?? format}`;
}

export async function seedVms(vendor: Vendor, product: DemoProduct, pools: DemoPools): Promise<Vm[]> {
  const vms: Vm[] = [];
  const pool = product.pools[0];
  const format = product.capabilities.diskFormats[0];
  const firmware = product.capabilities.firmware[0];
  if (pool === undefined || format === undefined || firmware === undefined) return vms;
  for (const [index, plan] of PLANS.entries()) {
    const disks: VmDisk[] = [];
    for (const [position, { size, locked }] of plan.disks.entries()) {
      const name = position === 0 ? plan.name : `${plan.name}_${position}`;
      disks.push({
        id: `disk${position}`,
        label: `Disk ${position + 1}`,
        bus: firmware.bootBuses[0] ?? null,
        source: await seedDisk(pools, { pool: pool.name, name, format, size, words: `${vendor} ${name}` }),
        storageRef: pool.name,
        format,
        capacity: size,
        allocated: null,
        readOnly: false,
        captureBlocker: locked === true ? "The disk is a pass-through device of the host." : null,
      });
    }
    const id = stableId(vendor, plan.name);
    const network = product.networks[0];
    vms.push({
      kind: "vm",
      ref: id,
      name: plan.name,
      state: plan.state,
      cpus: plan.cpus,
      memory: plan.memory,
      firmware: firmware.firmware,
      secureBoot: false,
      guestOs: plan.guestOs,
      machine: product.machine,
      description: null,
      startedAt: plan.state === "running" ? new Date(Date.now() - (index + 1) * 86_400_000).toISOString() : null,
      disks,
      nics: [
        {
          id: "nic0",
          mac: `02:5a:${id.slice(0, 2)}:${id.slice(2, 4)}:${id.slice(4, 6)}:${id.slice(6, 8)}`,
          model: product.capabilities.nics[0] ?? null,
          modelRaw: null,
          networkRef: network?.name ?? null,
          networkName: network?.name ?? null,
          connected: true,
          addresses: plan.state === "running" ? [`192.0.2.${10 + index}`] : [],
        },
      ],
      snapshots: plan.snapshots
        ? [
            {
              id: "1",
              name: "before upgrade",
              parentId: null,
              createdAt: "2026-10-02T08:00:00.000Z",
              state: "stopped",
              current: false,
            },
            {
              id: "2",
              name: "after upgrade",
              parentId: "1",
              createdAt: "2026-10-02T09:30:00.000Z",
              state: "running",
              current: true,
            },
          ]
        : [],
      tag: null,
    });
  }
  return vms;
}
