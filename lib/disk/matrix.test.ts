/**
 * Every kind of image that we read into every kind that we write, from a file and through a pipe; what comes out is read
 * by programs that we did not write. A new kind is a line in `testing/matrix`.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { CONTAINER_KINDS } from "#lib/domain/container.ts";
import { DISK_FORMATS, SOURCE_FORMATS } from "#lib/domain/disk-format.ts";
import { OvaOptions } from "./containers/ova/options.ts";
import { PACKAGE_WRITERS } from "./containers/write.ts";
import { XvaOptions } from "./containers/xva/write.ts";
import { formatOf } from "./registry.ts";
import { MATRIX_SIZE } from "./testing/matrix/disk.ts";
import { Matrix } from "./testing/matrix/matrix.ts";
import { READABLE_OTHER } from "./testing/matrix/readable-other.ts";
import { READABLE_QEMU } from "./testing/matrix/readable-qemu.ts";
import type { ReadableRow, WritableRow } from "./testing/matrix/row.ts";
import { SAME_TIME } from "./testing/matrix/same-ids.ts";
import { WRITABLE } from "./testing/matrix/writable.ts";
import { expectSameDisk } from "./testing/same-disk.ts";

vi.mock("node:crypto", async (original) => (await import("./testing/matrix/same-ids.ts")).sameIds(original));

const READABLE = [...READABLE_QEMU, ...READABLE_OTHER];
const matrix = new Matrix();
beforeAll(async () => {
  vi.useFakeTimers(SAME_TIME);
  await matrix.make(READABLE);
});
afterAll(() => {
  vi.useRealTimers();
  matrix[Symbol.dispose]();
});

it.each(READABLE)("reads $name", async (row) => {
  const source = matrix.sources.find((made) => made.row === row);
  expect(source?.facts).toMatchObject({ format: row.format, variant: row.variant });
  const size = source?.facts.virtualSize ?? 0;
  if (row.rounded === true) expect(size).toBeGreaterThan(MATRIX_SIZE);
  else expect(size).toBe(MATRIX_SIZE);
  const plain = row.packing === undefined && row.container === undefined && row.acceptDirty !== true;
  if (plain && row.format !== "raw") await expectSameDisk(source?.path ?? "", matrix.disk.path);
});

it.each(WRITABLE)("writes $name", async (row) => {
  expect(await matrix.write(row)).toEqual([]);
});

/** Options by name, with the words that they take where those are a list; but for what they are when nothing is said. */
function optionsOf(schema: z.ZodType): Map<string, Set<unknown>> {
  const all = new Map<string, Set<unknown>>();
  const unsaid = new Map<string, unknown>();
  // Some options are only clear before they are transformed, some only after.
  for (const io of ["input", "output"] as const) {
    const json = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as {
      properties?: Record<string, { enum?: unknown[]; const?: unknown; default?: unknown }>;
    };
    for (const [name, { enum: list, const: word, default: otherwise }] of Object.entries(json.properties ?? {})) {
      if (otherwise !== undefined) unsaid.set(name, otherwise);
      all.set(name, new Set([...(all.get(name) ?? []), ...(list ?? (word === undefined ? [] : [word]))]));
    }
  }
  for (const [name, words] of all) words.delete(unsaid.get(name));
  return all;
}

describe("the matrix is whole", () => {
  const schemas = new Map<WritableRow["to"], z.ZodType>([
    ...DISK_FORMATS.map((id) => [id, formatOf(id).options] as const),
    ["ova", OvaOptions],
    ["xva", XvaOptions],
  ]);

  it("every format, container and packing is read", () => {
    const of = (pick: (row: ReadableRow) => string | undefined) => new Set(READABLE.map(pick).filter(Boolean));
    expect([...of(({ format }) => format)].sort()).toEqual([...SOURCE_FORMATS].sort());
    expect([...of(({ container }) => container)].sort()).toEqual([...CONTAINER_KINDS].sort());
    expect([...of(({ packing }) => packing)].sort()).toEqual(["gzip", "xz", "zip", "zstd"]);
    expect(new Set(READABLE.map(({ name }) => name)).size).toBe(READABLE.length);
  });

  it.each([...DISK_FORMATS, ...(Object.keys(PACKAGE_WRITERS) as (keyof typeof PACKAGE_WRITERS)[])])(
    "every option of %s is written with",
    (to) => {
      const rows = WRITABLE.filter((row) => row.to === to);
      expect(rows).not.toEqual([]);
      for (const [name, words] of optionsOf(schemas.get(to) ?? z.never())) {
        const said = rows.map(({ options }) => options[name]).filter((value) => value !== undefined);
        expect(said, `no row says ${name}`).not.toEqual([]);
        expect(said, `words of ${name}`).toEqual(expect.arrayContaining([...words]));
      }
    },
  );
});
