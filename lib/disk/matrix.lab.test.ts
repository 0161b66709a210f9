/** What VirtualBox makes, in each of its formats and shapes, into every kind that we write. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { whyNoVirtualBox } from "#e2e/lab/virtualbox/built.ts";
import { type VirtualBoxLab, virtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import { Matrix } from "./testing/matrix/matrix.ts";
import type { ReadableRow } from "./testing/matrix/row.ts";
import { SAME_TIME } from "./testing/matrix/same-ids.ts";
import { WRITABLE } from "./testing/matrix/writable.ts";

vi.mock("node:crypto", async (original) => (await import("./testing/matrix/same-ids.ts")).sameIds(original));

const reason = whyNoVirtualBox();
let lab: VirtualBoxLab;

/** VirtualBox's names of a format and of what it calls a variant, and what we find it to be. */
const MADE = [
  ["VDI", "Standard", "vdi", "dynamic"],
  ["VDI", "Fixed", "vdi", "fixed"],
  ["VMDK", "Standard", "vmdk", "monolithicSparse"],
  ["VMDK", "Fixed", "vmdk", "monolithicFlat"],
  ["VMDK", "Stream", "vmdk", "streamOptimized"],
  ["VHD", "Standard", "vhd", "dynamic"],
  ["VHD", "Fixed", "vhd", "fixed"],
] as const;

const rows = MADE.map(
  ([format, shape, ours, variant]): ReadableRow => ({
    name: `${format} ${shape} of VirtualBox`,
    format: ours,
    variant,
    beside: variant === "monolithicFlat",
    make: (folder) => {
      const [source, target] = [folder.path("disk.raw"), folder.path(`theirs.${ours}`)];
      lab.vboxManage("convertfromraw", source, target, "--format", format, "--variant", shape);
      return `theirs.${ours}`;
    },
  }),
);

describe.skipIf(reason !== null)(`VirtualBox's images${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  const matrix = new Matrix();
  beforeAll(async () => {
    lab = virtualBoxLab();
    vi.useFakeTimers(SAME_TIME);
    await matrix.make(rows);
  });
  afterAll(() => {
    vi.useRealTimers();
    matrix[Symbol.dispose]();
    lab.stop();
  });

  it.each(rows)("$name is read", (row) => {
    const { format, variant } = row;
    expect(matrix.sources.find((made) => made.row === row)?.facts).toMatchObject({ format, variant });
  });

  it.each(WRITABLE)("all of them into $name", async (row) => {
    expect(await matrix.write(row)).toEqual([]);
  });
});
