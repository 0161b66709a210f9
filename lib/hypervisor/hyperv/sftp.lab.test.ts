/** Disks of a Hyper-V host by SFTP: pushed and read in place, and what goes wrong on the way. */
import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DISKS } from "#e2e/lab/hyperv/seed.ts";
import { type HypervWithSsh, startHypervWithSsh, whyNoHypervSsh } from "#e2e/lab/hyperv/sshd.ts";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { makeVhdxDifference, vhdxLinkage } from "#lib/disk/testing/vhdx-difference.ts";
import { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { HostDisk, HypervisorAdapter, PushedDisk, ResourceRef } from "../adapter.ts";
import { fillDisk } from "../fill-disk.ts";
import { hypervDriver } from "./driver.ts";

const reason = whyNoHypervSsh();
const MiB = 1024 ** 2;
const SIZE = 8 * MiB;

async function told(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  return work.then(
    () => ({ code: "no error", text: "" }),
    (error: unknown) =>
      error instanceof AppError
        ? { code: error.code, text: JSON.stringify([error.message, error.hint, error.details]) }
        : { code: `not an AppError: ${String(error)}`, text: "" },
  );
}

async function readAll(opened: HostDisk): Promise<Buffer> {
  await using held = opened;
  if (held.access === "random") {
    const bytes = Buffer.alloc(held.disk.size);
    await held.disk.read(0, bytes);
    return bytes;
  }
  const bytes = Buffer.alloc(held.stream.size);
  for await (const piece of held.stream.pieces()) bytes.set(piece.bytes, piece.offset);
  return bytes;
}

describe.skipIf(reason !== null)(`Hyper-V disks by SFTP${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: HypervWithSsh;
  let adapter: HypervisorAdapter;
  const content = Buffer.concat([randomBytes(2 * MiB), Buffer.alloc(SIZE - 2 * MiB)]);
  let vhdx: Buffer;
  let empty: Buffer;

  const connection = (files: object = {}, more: object = {}): HypervConnection =>
    HypervConnection.parse({
      transport: "https",
      host: "127.0.0.1",
      port: lab.host.httpsPort,
      user: lab.host.user,
      certificate: lab.host.fingerprint,
      files: { by: "sftp", port: lab.sshd.port, user: "root", hostKey: lab.sshd.hostKey, ...files },
      ...more,
    });
  const secret = () => ({ password: lab.host.password, privateKey: lab.sshd.clientKey });
  const name = () => `x-${randomUUID().slice(0, 8)}`;
  const local = (path: string): string => lab.host.jail.local(path) ?? "";
  const plant = (path: string, bytes: Buffer): ResourceRef => {
    lab.host.jail.makeFolder(path.slice(0, path.lastIndexOf("\\")));
    writeFileSync(local(path), bytes);
    return { kind: "disk", ref: path, label: path };
  };
  const machine = async (path = `${DISKS}\\${name()}.vhdx`, bytes = vhdx): Promise<Vm> =>
    adapter.createVm(
      {
        name: name(),
        cpus: 1,
        memory: 256 * MiB,
        firmware: "uefi",
        secureBoot: false,
        guest: null,
        placement: {},
        disks: [{ resource: plant(path, bytes), format: "vhdx", bus: "scsi" }],
        nics: [],
        description: "",
      },
      randomUUID(),
    );
  const openFirst = async (vm: Vm): Promise<HostDisk> => {
    const id = vm.disks[0]!.id;
    return adapter.openDisk(vm.ref, id, await adapter.planCapture(vm.ref, [id], randomUUID()));
  };
  const create = async (on = adapter): Promise<PushedDisk> => {
    const spec = {
      poolRef: "D:",
      name: name(),
      format: "vhdx" as const,
      virtualSize: SIZE,
      fileLength: null,
      placement: {},
    };
    const created = await on.createDisk(spec);
    if (!("sink" in created)) throw new Error("the host fetches");
    return created;
  };
  /** Sends without end, until something stops it. */
  const endless = async ({ sink }: PushedDisk, signal?: AbortSignal): Promise<void> => {
    for (let at = 0; ; at += MiB) {
      await sink.write(at % (64 * MiB), Buffer.alloc(MiB, 1), signal);
      await delay(5);
    }
  };
  const leftovers = (): string[] =>
    readdirSync(local(DISKS)).filter((each) => /supravisor|\.part|\.transfer/.test(each));

  beforeAll(async () => {
    lab = await startHypervWithSsh();
    adapter = await hypervDriver.open(connection(), secret());
    const [raw, full, blank] = ["c.raw", "c.vhdx", "empty.vhdx"].map((each) => join(lab.host.folder, each)) as [
      string,
      string,
      string,
    ];
    writeFileSync(raw, content);
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", raw, full]);
    execFileSync("qemu-img", [
      "create",
      "-q",
      "-f",
      "vhdx",
      "-o",
      "block_size=1M,block_state_zero=off",
      blank,
      String(SIZE),
    ]);
    vhdx = readFileSync(full);
    empty = readFileSync(blank);
  });
  afterEach(() => lab.sshd.limitFiles(null));
  afterAll(async () => {
    await adapter[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  it("is added only under both confirmed identities, the certificate's first", async () => {
    const nobody = connection({ hostKey: null }, { certificate: null });
    expect(await hypervDriver.identify(nobody)).toEqual({
      kind: "tls-certificate",
      fingerprint: lab.host.fingerprint,
    });
    const half = connection({ hostKey: null });
    expect(await hypervDriver.identify(half)).toEqual({ kind: "ssh-host-key", fingerprint: lab.sshd.hostKey });
    expect((await told(hypervDriver.open(half, secret()))).code).toBe("host.identity-unconfirmed");
    const other = connection({ hostKey: `SHA256:${"A".repeat(43)}` });
    const changed = await told(hypervDriver.open(other, secret()));
    expect(changed.code).toBe("host.key-changed");
    expect(changed.text).toContain(lab.sshd.hostKey);
    expect(await hypervDriver.identify(other)).toEqual({ kind: "ssh-host-key", fingerprint: lab.sshd.hostKey });
    // Sealed HTTP has no certificate, and SSH has a key all the same.
    const http = HypervConnection.parse({
      ...half,
      transport: "http",
      port: lab.host.httpPort,
    });
    expect(await hypervDriver.identify(http)).toMatchObject({ kind: "ssh-host-key" });
  });

  it("tells which of the two refuses the account, and of a server that shows no drives", async () => {
    const key = join(lab.host.folder, "other-key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    const stranger = { ...secret(), privateKey: readFileSync(key, "utf8") };
    const wrongKey = await told(hypervDriver.open(connection(), stranger));
    expect(wrongKey.code).toBe("host.auth-failed");
    expect(wrongKey.text).toContain(`:${lab.sshd.port} `);
    // No key, no password of its own: the account's password is tried, and never told.
    const wrongPassword = await told(hypervDriver.open(connection(), { password: lab.host.password }));
    expect(wrongPassword.code).toBe("host.auth-failed");
    expect(wrongPassword.text).not.toContain(lab.host.password);
    const wrongAccount = await told(hypervDriver.open(connection(), { ...secret(), password: "hunter2" }));
    expect(wrongAccount.text).toContain(`:${lab.host.httpsPort} `);
    expect((await told(hypervDriver.open(connection(), { ...secret(), privateKey: "no key" }))).code).toBe(
      "host.bad-key",
    );
    const drive = join(lab.host.folder, "drives", "C:");
    renameSync(drive, `${drive}-gone`);
    expect((await told(hypervDriver.open(connection(), secret()))).code).toBe("host.no-sftp");
    renameSync(`${drive}-gone`, drive);
  });

  it("pushes a disk into the host's folder, where qemu-img finds what was sent", async () => {
    const created = await create();
    const disk: BlockSource = {
      size: SIZE,
      async *extents() {
        yield { offset: 0, length: 2 * MiB, kind: "data" };
        yield { offset: 2 * MiB, length: SIZE - 2 * MiB, kind: "zero" };
      },
      read: async (offset, into) => void content.copy(into, 0, offset, offset + into.length),
      [Symbol.asyncDispose]: async () => undefined,
    };
    const { fingerprint } = await fillDisk(created, { disk, to: "vhdx", options: {} });
    const there = local(created.resource.ref);
    execFileSync("qemu-img", ["check", "-q", "-f", "vhdx", there]);
    execFileSync("qemu-img", ["compare", "-q", "-f", "raw", "-F", "vhdx", join(lab.host.folder, "c.raw"), there]);
    await using back = await adapter.openResource(created.resource, "vhdx");
    if (back.access !== "random") throw new Error("not at random access");
    expect(await fingerprintDisk(back.disk)).toBe(fingerprint);
    await adapter.remove(created.resource);
  });

  it("reads a chain where it lies, over two drives, and makes nothing for it", async () => {
    const base = plant("C:\\Golden images\\base 100 %.vhdx", vhdx).ref;
    const changed = randomBytes(MiB);
    const child = makeVhdxDifference(empty, {
      locator: { parent_linkage: vhdxLinkage(vhdx), absolute_win32_path: `\\\\?\\${base}` },
      blocks: new Map([[1, changed]]),
    });
    const path = `${DISKS}\\${name()}.avhdx`;
    lab.host.parents.set(path.toLowerCase(), base);
    const vm = await machine(path, child);
    const truth = Buffer.from(content);
    changed.copy(truth, MiB);
    const id = vm.disks[0]!.id;
    const plan = await adapter.planCapture(vm.ref, [id], randomUUID());
    expect(plan).toMatchObject({ ofSnapshot: false, resources: [] });
    expect((await readAll(await adapter.openDisk(vm.ref, id, plan))).equals(truth)).toBe(true);
    // Without its base it is no disk.
    renameSync(local(base), `${local(base)}.gone`);
    expect((await told(adapter.openDisk(vm.ref, id, plan))).code).toMatch(/^(io\.not-found|host\.refused)$/);
    renameSync(`${local(base)}.gone`, local(base));
    // Another one in its place is not its base.
    plant(base, empty);
    expect((await told(adapter.openDisk(vm.ref, id, plan))).code).toBe("image.parent-mismatch");
    expect(leftovers()).toEqual([]);
    expect(lab.host.programs.ran).toEqual([]);
  });

  it("reads what a checkpoint of a running machine froze, above somebody's own checkpoint", async () => {
    const vm = await machine();
    await lab.host.snapshots.take(vm.ref, "before the upgrade");
    await adapter.power(vm.ref, "start");
    const id = vm.disks[0]!.id;
    const plan = await adapter.planCapture(vm.ref, [id], randomUUID());
    expect(plan.resources.map(({ kind }) => kind)).toEqual(["snapshot"]);
    expect((await readAll(await adapter.openDisk(vm.ref, id, plan))).equals(content)).toBe(true);
    for (const each of plan.resources) await adapter.remove(each);
    expect((await adapter.vm(vm.ref)).snapshots.map((each) => each.name)).toEqual(["before the upgrade"]);
    expect(leftovers()).toEqual([]);
  });

  it("notices that a machine was started, or removed, while its disk was read", async () => {
    const vm = await machine();
    const read = async (meanwhile: () => unknown) => {
      const opened = await openFirst(vm);
      await meanwhile();
      return (await told(readAll(opened))).code;
    };
    expect(
      await read(async () => {
        await adapter.power(vm.ref, "start");
        await adapter.power(vm.ref, "stop");
      }),
    ).toBe("vm.running");
    expect(await read(() => lab.host.machines.forget(vm.ref))).toBe("vm.not-found");
  });

  it("ends within two seconds when it is cancelled, both ways, and leaves nothing", async () => {
    const created = await create();
    const stop = new AbortController();
    const sending = told(endless(created, stop.signal));
    await delay(200);
    let at = Date.now();
    stop.abort(new AppError("cancelled", "cancelled", "Enough."));
    expect((await sending).code).toBe("cancelled");
    expect(Date.now() - at).toBeLessThan(2000);
    await created.sink[Symbol.asyncDispose]();
    await adapter.remove(created.resource);
    expect(existsSync(local(created.resource.ref))).toBe(false);

    const vm = await machine();
    const opened = await openFirst(vm);
    if (opened.access !== "once") throw new Error("not a stream");
    const enough = new AbortController();
    lab.sshd.hang(true);
    try {
      const reading = (async () => {
        for await (const _ of opened.stream.pieces(enough.signal)) enough.signal.throwIfAborted();
      })();
      const outcome = told(reading);
      await delay(200);
      at = Date.now();
      enough.abort(new AppError("cancelled", "cancelled", "Enough."));
      expect((await outcome).code).toBe("cancelled");
      await opened[Symbol.asyncDispose]();
      expect(Date.now() - at).toBeLessThan(2000);
    } finally {
      lab.sshd.hang(false);
    }
  });

  it("says that SSH was cut, cleans up over a new connection, and goes on", async () => {
    const created = await create();
    const sending = told(endless(created));
    await delay(150);
    lab.sshd.cut();
    expect((await sending).code).toBe("host.unreachable");
    await created.sink[Symbol.asyncDispose]();
    expect(existsSync(local(created.resource.ref))).toBe(true);
    await adapter.remove(created.resource);
    expect(existsSync(local(created.resource.ref))).toBe(false);

    const vm = await machine();
    const opened = await openFirst(vm);
    lab.sshd.cut();
    expect((await told(readAll(opened))).code).toBe("host.unreachable");
    const again = await openFirst(vm);
    expect((await readAll(again)).equals(content)).toBe(true);
  });

  it("calls a full drive a full pool", async () => {
    lab.sshd.limitFiles(2 * MiB);
    await using there = await hypervDriver.open(connection(), secret());
    const drive = lab.host.store.where("Win32_LogicalDisk", (values) => values["DeviceID"] === "D:")[0]!;
    const free = drive.values["FreeSpace"]!;
    for (const [left, code] of [
      [MiB, "pool.full"],
      [free, "io.failed"],
    ] as const) {
      drive.values["FreeSpace"] = left;
      const created = await create(there);
      const outcome = await told(endless(created));
      expect(outcome.code).toBe(code);
      await created.sink[Symbol.asyncDispose]();
      await there.remove(created.resource);
      expect(existsSync(local(created.resource.ref))).toBe(false);
    }
  });
});
