import { expect, it } from "vitest";
import type { VmSnapshot } from "#lib/domain/inventory.ts";
import { snapshotTree } from "./snapshot-tree.ts";

const snapshot = (id: string, parentId: string | null): VmSnapshot => ({
  id,
  name: id,
  parentId,
  createdAt: null,
  state: null,
  current: false,
});
const shape = (list: VmSnapshot[]): string[] =>
  snapshotTree(list).map((row) => `${"-".repeat(row.depth)}${row.snapshot.id}`);

it("puts children under their parents, whatever the order", () => {
  expect(shape([snapshot("c", "b"), snapshot("a", null), snapshot("b", "a"), snapshot("d", "a")])).toEqual([
    "a",
    "-b",
    "--c",
    "-d",
  ]);
});

it("keeps one whose parent is unknown, and ends in a ring", () => {
  expect(shape([snapshot("x", "gone"), snapshot("r", "s"), snapshot("s", "r")])).toEqual(["x", "r", "-s"]);
});
