import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { HostConnection } from "#lib/domain/connection.ts";
import { openHost } from "../registry.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "vbox-local-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** A program that writes down with which environment it ran, and passes for a VirtualBox too old to be used. */
async function program(path: string): Promise<{ path: string; seen(): Promise<string | null> }> {
  await mkdir(dirname(path), { recursive: true });
  const mark = join(folder, `seen-${path.replaceAll("/", "_")}`);
  await writeFile(path, `#!/bin/sh\nenv > "${mark}"\necho 5.0.0r1\n`);
  await chmod(path, 0o755);
  return { path, seen: () => readFile(mark, "utf8").catch(() => null) };
}

const open = (connection: object) =>
  openHost(HostConnection.parse({ driver: "virtualbox", connection }), null).then(
    () => "opened",
    (error: { code?: string }) => error.code ?? String(error),
  );

it("runs the VBoxManage that the server's environment names, and tells it no secret", async () => {
  const named = await program(join(folder, "vb", "VBoxManage"));
  vi.stubEnv("SUPRAVISOR_VBOXMANAGE", named.path);
  vi.stubEnv("VBOX_USER_HOME", join(folder, "home"));
  for (const name of ["SUPRAVISOR_ADMIN_PASSWORD", "NEXTAUTH_SECRET", "DATABASE_URL", "WHATEVER"])
    vi.stubEnv(name, "s3cr3t");
  expect(await open({ transport: "local" })).toBe("host.too-old");
  const seen = await named.seen();
  expect(seen).toContain(`VBOX_USER_HOME=${join(folder, "home")}`);
  expect(seen).toContain("LC_ALL=");
  expect(seen).toContain(`PATH=${process.env["PATH"]}`);
  expect(seen).not.toContain("s3cr3t");
});

it("runs nothing that a connection names, in whatever words", async () => {
  const asked = await program(join(folder, "import", "VBoxManage"));
  vi.stubEnv("SUPRAVISOR_VBOXMANAGE", (await program(join(folder, "vb", "VBoxManage"))).path);
  for (const connection of [
    { transport: "local", program: asked.path },
    { transport: "local", programPath: asked.path },
    { transport: "local", executable: asked.path },
  ])
    expect(await open(connection)).toBe("host.too-old");
  expect(await asked.seen()).toBeNull();
});

it("reads a connection that an earlier version stored, and leaves its program out", () => {
  const local = { driver: "virtualbox", connection: { transport: "local", program: "/opt/vb/VBoxManage" } };
  expect(HostConnection.parse(local)).toEqual({ driver: "virtualbox", connection: { transport: "local" } });
  const there = { transport: "ssh", host: "mac", port: 22, user: "ann", hostKey: null };
  expect(HostConnection.parse({ driver: "virtualbox", connection: { ...there, program: null } })).toEqual({
    driver: "virtualbox",
    connection: there,
  });
});

it("takes no other program for VBoxManage, and looks nowhere else", async () => {
  const other = await program(join(folder, "vb", "sh"));
  const onPath = await program(join(folder, "path", "VBoxManage"));
  vi.stubEnv("PATH", `${dirname(onPath.path)}:${process.env["PATH"]}`);
  for (const path of [other.path, "VBoxManage", "./VBoxManage", join(folder, "nowhere", "VBoxManage")]) {
    vi.stubEnv("SUPRAVISOR_VBOXMANAGE", path);
    expect(await open({ transport: "local" }), path).toBe("host.no-hypervisor");
  }
  vi.stubEnv("SUPRAVISOR_VBOXMANAGE", undefined);
  await open({ transport: "local" });
  expect(await other.seen()).toBeNull();
  expect(await onPath.seen()).toBeNull();
});
