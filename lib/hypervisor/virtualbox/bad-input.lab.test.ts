/** Whatever can go wrong on the way to a real VirtualBox: a clear error, and nothing half-made left there. */
import { randomUUID } from "node:crypto";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNoVirtualBox } from "#e2e/lab/virtualbox/built.ts";
import { localTarget, sshTarget } from "#e2e/lab/virtualbox/host.ts";
import { startVirtualBoxSshd, type VirtualBoxSshd } from "#e2e/lab/virtualbox/sshd.ts";
import { virtualBoxLab, type VirtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import type { InventoryChange } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { DiskSpec, HypervisorAdapter, VmSpec } from "../adapter.ts";
import { openHost } from "../registry.ts";

const MIB = 1024 ** 2;
const reason = whyNoVirtualBox();

async function outcome(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  return work.then(
    () => ({ code: "no error", text: "" }),
    (error: unknown) =>
      error instanceof AppError
        ? { code: error.code, text: `${error.message} ${error.hint ?? ""} ${JSON.stringify(error.details ?? {})}` }
        : { code: `not an AppError: ${String(error)}`, text: "" },
  );
}
const codeOf = async (work: Promise<unknown>): Promise<string> => (await outcome(work)).code;

describe.skipIf(reason !== null)(
  `a real VirtualBox and bad luck${reason === null ? "" : ` (skipped: ${reason})`}`,
  () => {
    let lab: VirtualBoxLab;
    let sshd: VirtualBoxSshd;
    let local: HypervisorAdapter;
    let proxy: Server;
    const sockets = new Set<Socket>();

    beforeAll(async () => {
      lab = virtualBoxLab();
      sshd = await startVirtualBoxSshd(lab);
      local = await openHost(localTarget(lab), null);
      proxy = createServer((from) => {
        const to = createConnection({ port: sshd.port, host: "127.0.0.1" });
        for (const socket of [from, to]) {
          sockets.add(socket);
          socket.on("error", () => undefined);
        }
        from.pipe(to).pipe(from);
      });
      await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    });
    afterAll(async () => {
      await local[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      proxy.close();
      lab.stop();
    });

    const ssh = () => sshTarget(sshd);
    const throughProxy = () => {
      const { target, secret } = ssh();
      const address = proxy.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      return openHost({ ...target, connection: { ...target.connection, port } as never }, secret);
    };
    const cut = (): void => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    };
    const diskSpec = (name: string): DiskSpec => ({
      poolRef: lab.machineFolder,
      name,
      format: "vdi",
      virtualSize: 8 * MIB,
      fileLength: 8 * MIB,
      placement: {},
    });
    const vmSpec = (name: string, more: Partial<VmSpec> = {}): VmSpec => ({
      name,
      cpus: 1,
      memory: 64 * MIB,
      firmware: "bios",
      secureBoot: false,
      guest: { family: "linux", id: "debian", name: "Debian GNU/Linux", version: "12" },
      placement: {},
      disks: [],
      nics: [{ networkRef: "nat", model: "virtio", mac: "08:00:27:aa:bb:cc" }],
      description: `two\nlines "and" quotes`,
      ...more,
    });
    const pushed = async (adapter: HypervisorAdapter, spec: DiskSpec) => {
      const created = await adapter.createDisk(spec);
      if (!("sink" in created)) throw new Error("VirtualBox's disks are sent");
      return created;
    };
    /** Everything below the machine folder, and every VM and disk that VirtualBox knows. */
    const traces = () => ({
      files: readdirSync(lab.machineFolder, { recursive: true }).sort(),
      vms: lab.vboxManage("list", "vms"),
      disks: lab.vboxManage("list", "hdds"),
    });

    it("tells when VBoxManage is missing, too old, or something else", async () => {
      const folder = join(lab.folder, "programs");
      const program = (kind: string, script: string): string => {
        mkdirSync(join(folder, kind), { recursive: true });
        const path = join(folder, kind, "VBoxManage");
        writeFileSync(path, `#!/bin/sh\n${script}\n`);
        chmodSync(path, 0o755);
        return path;
      };
      const open = (path: string) => outcome(openHost(localTarget({ executable: path }), null));
      expect((await open("/nowhere/VBoxManage")).code).toBe("host.no-hypervisor");
      expect((await open(program("old", "echo 5.2.44r139111"))).code).toBe("host.too-old");
      expect((await open(program("other", "echo hello"))).code).toBe("host.no-hypervisor");
      expect((await open(program("broken", "echo 'VBoxManage: error: kaputt' >&2; exit 1"))).code).toBe(
        "host.no-hypervisor",
      );
      expect((await open("VBoxManage")).code).toBe("host.no-hypervisor");
      expect((await open("/bin/sh")).code).toBe("host.no-hypervisor");
      // A connection names no program: what an earlier version stored is not looked at.
      const marker = join(folder, "ran");
      const old = { transport: "local", program: program("named", `touch ${marker}; echo 7.2.0r1`) };
      await using adapter = await openHost({ ...localTarget(lab), connection: old as never }, null);
      expect(adapter.capabilities.canStartVms).toBe(false);
      expect(existsSync(marker)).toBe(false);
    });

    it("asks Debian's wrapper, which warns before every answer", async () => {
      const executable = join(lab.folder, "wrapped", "VBoxManage");
      mkdirSync(join(lab.folder, "wrapped"));
      const words = lab.command("/usr/bin/VBoxManage").map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
      writeFileSync(executable, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`);
      chmodSync(executable, 0o755);
      await using adapter = await openHost(localTarget({ executable }), null);
      expect(adapter.capabilities).toMatchObject({
        canStartVms: false,
        whyNotStart: expect.stringContaining("/dev/vboxdrv"),
      });
      const kinds: string[] = [];
      for await (const item of adapter.inventory()) kinds.push(item.kind);
      expect(kinds).toEqual(expect.arrayContaining(["host", "pool", "network"]));
    });

    it("keeps a wrong password out of its words, and sends none to a host that shows another key", async () => {
      const { target } = ssh();
      const wrong = await outcome(openHost(target, { password: "hunter2hunter2" }));
      const other = { ...target.connection, hostKey: `SHA256:${"A".repeat(43)}` } as never;
      const changed = await outcome(openHost({ ...target, connection: other }, { password: "hunter2hunter2" }));
      expect([wrong.code, changed.code]).toEqual(["host.auth-failed", "host.key-changed"]);
      expect(wrong.text + changed.text).not.toContain("hunter2");
    });

    it("a connection that is cut in the middle of an upload ends it; what was made is removed by the next session", async () => {
      const before = traces();
      const adapter = await throughProxy();
      const { resource, sink } = await pushed(adapter, diskSpec("cut"));
      const block = Buffer.alloc(MIB, 7);
      const writing = (async () => {
        for (let at = 0; at < 64; at += 1) {
          await sink.write(at * MIB, block);
          if (at === 8) cut();
        }
        await sink.commit(64 * MIB);
      })();
      expect(await codeOf(writing)).toBe("host.unreachable");
      await sink[Symbol.asyncDispose]();
      expect(existsSync(resource.ref)).toBe(true);
      // The same session signs in again by itself.
      await adapter.remove(resource);
      await adapter[Symbol.asyncDispose]();
      expect(traces()).toEqual(before);
    });

    it("a connection that is cut during a watch is opened again, and the changes go on", async () => {
      const adapter = await throughProxy();
      const stop = new AbortController();
      const seen: InventoryChange[] = [];
      const watching = (async () => {
        for await (const change of adapter.watch(stop.signal)) seen.push(change);
      })();
      const until = async (test: (change: InventoryChange) => boolean): Promise<void> => {
        for (let i = 0; i < 200 && !seen.some(test); i += 1) await new Promise((resolve) => setTimeout(resolve, 100));
        expect(seen.some(test)).toBe(true);
      };
      await until((change) => change.type === "put" && change.item.kind === "network");
      cut();
      const uuid = randomUUID();
      lab.vboxManage("createvm", "--name", "after", "--ostype", "Other_64", "--register", "--uuid", uuid);
      const named = (name: string) => (change: InventoryChange) =>
        change.type === "put" && change.item.kind === "vm" && change.item.name === name;
      await until(named("after"));
      lab.vboxManage("modifyvm", uuid, "--name", `renamed "é"`);
      await until(named(`renamed "é"`));
      lab.vboxManage("unregistervm", uuid, "--delete");
      await until((change) => change.type === "gone" && change.ref === uuid);
      const before = Date.now();
      stop.abort();
      await watching;
      expect(Date.now() - before).toBeLessThan(2000);
      await adapter[Symbol.asyncDispose]();
    });

    it("two deploys of one name at once make one VM, and the other leaves nothing", async () => {
      const before = traces();
      await using second = await openHost(ssh().target, ssh().secret);
      const [a, b] = [randomUUID(), randomUUID()];
      const codes = await Promise.all([
        codeOf(local.createVm(vmSpec("twice"), a)),
        codeOf(second.createVm(vmSpec("twice"), b)),
      ]);
      expect([...codes].sort()).toEqual(["no error", "vm.exists"]);
      // Each job undoes what its ledger names.
      await local.remove(local.planVm(vmSpec("twice"), codes[0] === "no error" ? b : a));
      const winner = codes[0] === "no error" ? a : b;
      expect(await local.vm(winner)).toMatchObject({
        name: "twice",
        tag: winner,
        guestOs: expect.stringContaining("Debian"),
      });
      await local.remove(local.planVm(vmSpec("twice"), winner));
      expect(traces()).toEqual(before);
    });

    it("makes a VM anew that was begun and cut off, and takes names of every kind", async () => {
      const before = traces();
      for (const name of ["x".repeat(80), "東".repeat(80), ` a/b \\ -"'$(id)%PATH% `, "-x"]) {
        const tag = randomUUID();
        lab.vboxManage("createvm", "--name", "begun", "--ostype", "Other_64", "--register", "--uuid", tag);
        const vm = await local.createVm(vmSpec(name), tag);
        expect(vm).toMatchObject({ name, tag, ref: tag, description: `two\nlines "and" quotes` });
        expect(vm.nics).toMatchObject([
          { mac: "08:00:27:aa:bb:cc", model: "virtio", networkRef: "nat", connected: true },
        ]);
        await local.remove(local.planVm(vmSpec(name), tag));
      }
      expect(traces()).toEqual(before);
    });

    it("a VM that cannot be made whole is removed whole", async () => {
      const before = traces();
      const { resource, sink } = await pushed(local, diskSpec("no-disk"));
      await sink.write(0, Buffer.from("this is no VDI"));
      await sink.commit(4096);
      const tag = randomUUID();
      const spec = vmSpec("half", { disks: [{ resource, format: "vdi", bus: "sata" }] });
      const refused = await outcome(local.createVm(spec, tag));
      expect(refused.code).toBe("host.refused");
      expect(refused.text).toContain("VirtualBox says");
      await local.remove(local.planVm(spec, tag));
      await local.remove(resource);
      expect(traces()).toEqual(before);
      expect(
        await codeOf(
          local.createVm(vmSpec("net", { nics: [{ networkRef: "none:x", model: "e1000", mac: null }] }), tag),
        ),
      ).toBe("host.refused");
      expect(traces()).toEqual(before);
    });

    it("removes only what the ledger names: another's disk, another's files and another's VM stay", async () => {
      const tag = randomUUID();
      const made = local.planVm(vmSpec("ours"), tag);
      await local.createVm(vmSpec("ours"), tag);
      const theirs = join(lab.machineFolder, "ours", "theirs.vdi");
      lab.vboxManage("createmedium", "disk", "--filename", theirs, "--size", "8");
      lab.vboxManage("storagectl", tag, "--name", "X", "--add", "sata", "--portcount", "1");
      const place = ["--storagectl", "X", "--port", "0", "--device", "0", "--type", "hdd"];
      lab.vboxManage("storageattach", tag, ...place, "--medium", theirs);
      await local.remove(made);
      expect(await codeOf(local.vm(tag))).toBe("vm.not-found");
      expect(readdirSync(join(lab.machineFolder, "ours"))).toEqual(["theirs.vdi"]);

      const taken = randomUUID();
      lab.vboxManage("createvm", "--name", "taken", "--ostype", "Other_64", "--register", "--uuid", taken);
      lab.vboxManage("setextradata", taken, "supravisor/tag", randomUUID());
      expect(await codeOf(local.remove({ kind: "vm", ref: taken, label: "VM taken" }))).toBe("vm.not-ours");
      expect((await local.vm(taken)).name).toBe("taken");

      // A disk that somebody's snapshots rest on.
      const { resource, sink } = await pushed(local, diskSpec("rested-on"));
      await sink[Symbol.asyncDispose]();
      await local.remove(resource);
      lab.vboxManage("createmedium", "disk", "--filename", resource.ref, "--size", "8");
      lab.vboxManage("storagectl", taken, "--name", "X", "--add", "sata", "--portcount", "1");
      lab.vboxManage("storageattach", taken, ...place, "--medium", resource.ref);
      expect(await codeOf(local.remove(resource))).toBe("disk.in-use");
      lab.vboxManage("snapshot", taken, "take", "s");
      expect(await codeOf(local.remove(resource))).toBe("disk.in-use");
      expect(existsSync(resource.ref)).toBe(true);
      lab.vboxManage("unregistervm", taken, "--delete");
      await local.remove(resource);
    });

    it.each(["local", "ssh"])("%s: a file system that fills up is a full pool", async (way) => {
      const small = join(lab.folder, `small-${way}`);
      mkdirSync(small);
      // What is mounted inside the lab is seen there alone.
      const mount = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", small];
      if (way === "ssh") lab.inside("mount", ...mount);
      else execFileSync("mount", mount);
      lab.vboxManage("setproperty", "machinefolder", small);
      try {
        await using adapter =
          way === "ssh" ? await openHost(ssh().target, ssh().secret) : await openHost(localTarget(lab), null);
        const spec = { ...diskSpec("full"), poolRef: small };
        expect(await codeOf(adapter.createDisk({ ...spec, fileLength: 2 ** 50 }))).toBe("pool.full");
        const { resource, sink } = await pushed(adapter, { ...spec, fileLength: null });
        const writing = (async () => {
          for (let at = 0; at < 16; at += 1) await sink.write(at * MIB, Buffer.alloc(MIB, 1));
          await sink.commit(16 * MIB);
        })();
        expect(await codeOf(writing)).toBe("pool.full");
        await sink[Symbol.asyncDispose]();
        await adapter.remove(resource);
        expect(way === "ssh" ? lab.inside("ls", small) : readdirSync(small).join()).toBe("");
      } finally {
        if (way === "local") execFileSync("umount", [small]);
        lab.vboxManage("setproperty", "machinefolder", lab.machineFolder);
      }
    });

    it("gives up within two seconds when it is told to", async () => {
      await using adapter = await openHost(ssh().target, ssh().secret);
      const soon = async (work: (signal: AbortSignal) => Promise<unknown>): Promise<number> => {
        const stop = new AbortController();
        const running = work(stop.signal).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 30));
        const since = Date.now();
        stop.abort();
        await running;
        return Date.now() - since;
      };
      const all = async (signal: AbortSignal): Promise<void> => {
        for await (const _ of adapter.inventory(signal)) signal.throwIfAborted();
      };
      expect(await soon(all)).toBeLessThan(2000);
      expect(await soon((signal) => adapter.vm(randomUUID(), signal))).toBeLessThan(2000);
      expect(await soon((signal) => local.refreshCapabilities(signal))).toBeLessThan(2000);
    });
  },
);
