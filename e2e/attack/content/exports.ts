/** Files that people open in other programs: a spreadsheet, a download. */
import { randomUUID } from "node:crypto";
import { ask } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { FORMULAS } from "./hostile-names.ts";

/** RFC 4180. */
export function csvCells(text: string): string[] {
  const cells: string[] = [];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at]!;
    if (quoted && sign === '"' && text[at + 1] === '"') {
      cell += '"';
      at += 1;
    } else if (sign === '"') quoted = !quoted;
    else if (!quoted && (sign === "," || sign === "\n")) {
      cells.push(cell.replace(/\r$/, ""));
      cell = "";
    } else cell += sign;
  }
  return cells;
}

export async function formulas(bench: Bench): Promise<void> {
  const row = bench.tally.row("content", "cells of the exported trail that begin a formula");
  const demo = { driver: "demo", connection: { transport: "demo", vendor: "kvm" } };
  for (const formula of bench.short ? FORMULAS.filter((_, n) => n % 3 === 0) : FORMULAS) {
    await bench.api("POST", "/users", {
      as: bench.admin,
      body: { email: `${randomUUID()}@example.test`, name: formula, role: "auditor", password: `x ${randomUUID()}` },
    });
    const host = await bench.api("POST", "/hosts", { as: bench.admin, body: { name: formula, target: demo } });
    if (host.status === 201)
      await bench.api("DELETE", `/hosts/${(host.json as { id: string }).id}`, { as: bench.admin });
    await ask(bench.url, "POST", "/api/v1/login", {
      from: bench.address(),
      body: { email: `${formula}@example.test`, password: "x" },
    });
  }
  const file = await bench.api("GET", "/audit/export?format=csv", { as: bench.auditor });
  const cells = csvCells(file.text);
  // A number alone is a number; anything else that begins like a formula is one.
  for (const cell of cells)
    row.check(
      !/^\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(cell) || /^-?\d+(\.\d+)?$/.test(cell),
      JSON.stringify(cell).slice(0, 120),
    );
  const names = bench.tally.row("content", "headers of the export");
  names.check(
    /^attachment; /.test(String(file.headers["content-disposition"])),
    `Content-Disposition: ${String(file.headers["content-disposition"])}`,
  );
  names.check(file.headers["x-content-type-options"] === "nosniff", "no nosniff");
}

const FILE_NAMES = [
  'a"; filename="evil.html',
  "a\r\nX-Injected: 1\r\n\r\n<script>.raw",
  "a\nX-Injected: 1.raw",
  "a'; x.raw",
  "a%0d%0aX-Injected: 1.raw",
  "aé漢.raw",
  "a;b.raw",
  "a\u2028b.raw",
  "<script>.raw",
  "a\\b.raw",
  "a%22b.raw",
  "a*b.raw",
  "UTF-8''x.raw",
];

export async function downloads(bench: Bench): Promise<void> {
  const row = bench.tally.row("content", "headers of downloads by names of files");
  for (const name of bench.short ? FILE_NAMES.filter((_, n) => n % 5 === 0) : FILE_NAMES) {
    const id = await bench.upload(bench.operator, name, Buffer.alloc(4096, 1), { from: "raw" }).catch(() => null);
    if (id === null) {
      row.check(true, name);
      continue;
    }
    const { latest } = await bench.settledImage(id);
    const disk = latest.disks[0];
    if (disk === undefined) continue;
    const file = await bench.api("GET", `/images/${id}/versions/${latest.id}/disks/${disk.id}/file`, {
      as: bench.operator,
    });
    check(row, `download of ${JSON.stringify(name)}`, file.headers);
    const offer = await bench.api("POST", "/transfers", {
      as: bench.operator,
      body: { imageId: id, versionId: latest.id, diskId: disk.id, format: "qcow2" },
      showsSecret: true,
    });
    const given = offer.json as { transfer?: { path: string }; token?: string } | null;
    if (given?.transfer !== undefined) {
      const taken = await ask(bench.url, "GET", `${given.transfer.path}?token=${given.token ?? ""}`);
      row.check(taken.status === 200, `transfer of ${JSON.stringify(name)}: ${taken.status}`);
      check(row, `transfer of ${JSON.stringify(name)}`, taken.headers);
    } else row.check(false, `transfer of ${JSON.stringify(name)}: ${offer.status} ${offer.text.slice(0, 100)}`);
    await bench.api("DELETE", `/images/${id}`, { as: bench.admin });
  }
}

function check(row: { check(ok: boolean, what: string): void }, what: string, headers: Record<string, unknown>): void {
  const value = String(headers["content-disposition"]);
  row.check(
    headers["x-injected"] === undefined && /^attachment; filename\*=UTF-8''[A-Za-z0-9%._~!'()*-]+$/.test(value),
    `${what}: ${value}`,
  );
  row.check(
    /octet-stream/.test(String(headers["content-type"])) && headers["x-content-type-options"] === "nosniff",
    `${what}: ${String(headers["content-type"])}`,
  );
}
