import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, describe, expect, it, vi } from "vitest";
import { hosts } from "#lib/db/schema.ts";
import { postgresPrograms, startTestPostgres } from "#lib/db/testing-postgres.ts";
import { sealSecret } from "#lib/inventory/host-access.ts";
import { openServices, type OpenOptions } from "./services.ts";

// Every opening makes the queue's tables.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe.skipIf(postgresPrograms === null)("services on a shared Postgres", () => {
  async function setUp() {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const warnings: string[] = [];
    const log = pino({ level: "warn" }, { write: (line: string) => warnings.push(line) });
    const folder = async (): Promise<string> => {
      const path = await mkdtemp(join(tmpdir(), "supravisor-services-"));
      closers.push(() => rm(path, { recursive: true, force: true }));
      return path;
    };
    const open = (dataDir: string, more: Partial<OpenOptions> = {}) =>
      openServices({ dataDir, databaseUrl: postgres.url, log, ...more });
    const once = async (dataDir: string, more: Partial<OpenOptions> = {}): Promise<void> =>
      (await open(dataDir, more)).close();
    return { open, once, folder, warnings };
  }

  it("never take another key for theirs, and never put one in the way, unless that is wanted", async () => {
    const { open, once, folder, warnings } = await setUp();
    const right = await folder();
    const console = await open(right);
    const id = "00000000-0000-4000-8000-000000000001";
    await console.services.db.insert(hosts).values({
      id,
      name: "kvm-1",
      vendor: "kvm",
      connection: { driver: "demo" } as never,
      secretBox: sealSecret(console.services.secrets, id, { kind: "password", password: "secret" } as never),
    });
    await console.close();

    const wrong = await folder();
    await expect(once(wrong)).rejects.toMatchObject({ code: "secret.other-key" });
    expect(await readdir(wrong)).toEqual([]);
    await writeFile(join(wrong, "secret.key"), `${Buffer.alloc(32, 7).toString("base64")}\n`);
    await expect(once(wrong)).rejects.toMatchObject({ code: "secret.other-key" });
    expect(await readdir(wrong)).toEqual(["secret.key"]);
    // Workers too leave their folder as it is.
    await expect(once(wrong, { joins: true })).rejects.toMatchObject({ code: "worker.other-key" });
    expect(await readdir(wrong)).toEqual(["secret.key"]);
    // The right ones are not locked out.
    await once(right, { joins: true });
    await once(right);
    expect(warnings.join("")).not.toContain("kvm-1");

    await once(wrong, { acceptNewKey: true });
    for (const _start of [1, 2]) {
      warnings.length = 0;
      await once(wrong);
      expect(warnings.join("")).toMatch(/kvm-1.*sealed with another key/s);
    }
    await writeFile(join(wrong, "secret.key"), "");
    await expect(once(wrong)).rejects.toMatchObject({ code: "secret.bad-key" });
  });

  it("are those of one console; workers beside it are welcome", async () => {
    const { open, once, folder } = await setUp();
    const shared = await folder();
    const first = await open(shared, { displaced: () => undefined });
    closers.push(() => first.close());
    expect(first.claim?.state()).toBe("held");
    await expect(once(shared, { displaced: () => undefined })).rejects.toMatchObject({ code: "console.running" });
    await once(shared, { joins: true });
  });
});
