import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Incoming } from "./incoming.ts";
import { type TransferAddress, TransferHost } from "./transfer-host.ts";

const run = promisify(execFile);
let host: TransferHost;
let folder: string;
const content = randomBytes(3_500_000);
const file = {
  length: content.length,
  read: async (offset: number, into: Uint8Array) => void content.copy(into, 0, offset, offset + into.length),
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "supravisor-transfer-"));
  host = await TransferHost.listen("127.0.0.1", [0, 0]);
  writeFileSync(join(folder, "ca.pem"), host.certificate);
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const curl = (address: TransferAddress, ...args: string[]) =>
  run("curl", [
    ...["-q", "-sS", "--fail", "--cacert", join(folder, "ca.pem")],
    ...["-H", `Authorization: Bearer ${address.token}`, ...args, address.url],
  ]);

it("gives a file to curl, whole and from the middle on", async () => {
  const address = host.offer(file);
  const path = join(folder, "got");
  await curl(address, "-o", path);
  expect(readFileSync(path).equals(content)).toBe(true);
  writeFileSync(path, content.subarray(0, 1_234_567));
  await curl(address, "-C", "-", "-o", path);
  expect(readFileSync(path).equals(content)).toBe(true);
});

it("answers to a name in its certificate, wherever curl is told that the name is", async () => {
  const address = host.offer(file);
  const path = join(folder, "named");
  const { url, resolve } = address.named;
  expect(new URL(url).hostname).not.toMatch(/^[\d.]+$/);
  await curl({ ...address, url }, "--resolve", resolve ?? "", "-o", path);
  expect(readFileSync(path).equals(content)).toBe(true);
  await expect(curl({ ...address, url }, "-o", path)).rejects.toThrow();
  await using six = await TransferHost.listen("::1", [0, 0]);
  expect(six.offer(file).named.resolve).toMatch(/^supravisor-transfer:\d+:\[::1\]$/);
  await using called = await TransferHost.listen("localhost", [0, 0]);
  const there = called.offer(file);
  expect(there.named).toEqual({ url: there.url, resolve: null });
});

it("takes a file from curl, in two goes when the first was cut", async () => {
  const path = join(folder, "send");
  writeFileSync(path, content);
  const incoming = new Incoming("a file");
  const address = host.accept(incoming);
  const parts: Buffer[] = [];
  const reading = (async () => {
    for await (const piece of incoming.bytes()) parts.push(Buffer.from(piece));
  })();
  // The first goes away by itself after a moment.
  await expect(curl(address, "--limit-rate", "800k", "--max-time", "1", "-T", path)).rejects.toThrow();
  expect(incoming.received).toBeGreaterThan(0);
  expect(incoming.complete).toBe(false);
  await curl(address, "-C", String(incoming.received), "-T", path);
  await reading;
  expect(Buffer.concat(parts).equals(content)).toBe(true);
});

it("says nothing to whoever has no token, or the token of something else", async () => {
  const address = host.offer(file);
  const other = host.offer(file);
  await expect(curl({ ...address, token: "x".repeat(43) })).rejects.toThrow(/404/);
  await expect(curl({ ...address, token: other.token })).rejects.toThrow(/404/);
  address.close();
  await expect(curl(address)).rejects.toThrow(/404/);
});

it("ends a file that nobody sends any more", async () => {
  const incoming = new Incoming("a file");
  host.accept(incoming);
  const reading = (async () => {
    for await (const _piece of incoming.bytes()) continue;
  })();
  incoming.fail(new Error("given up"));
  await expect(reading).rejects.toThrow("given up");
});
