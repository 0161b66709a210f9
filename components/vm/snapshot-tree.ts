import type { VmSnapshot } from "#lib/domain/inventory.ts";

export interface SnapshotNode {
  snapshot: VmSnapshot;
  depth: number;
}

/** Parents before children, with their depth. One whose parent is not in the list counts as a root; a ring ends. */
export function snapshotTree(snapshots: readonly VmSnapshot[]): readonly SnapshotNode[] {
  const known = new Set(snapshots.map((each) => each.id));
  const rows: SnapshotNode[] = [];
  const seen = new Set<string>();
  const add = (snapshot: VmSnapshot, depth: number): void => {
    if (seen.has(snapshot.id)) return;
    seen.add(snapshot.id);
    rows.push({ snapshot, depth });
    for (const child of snapshots) if (child.parentId === snapshot.id) add(child, depth + 1);
  };
  for (const each of snapshots) if (each.parentId === null || !known.has(each.parentId)) add(each, 0);
  for (const each of snapshots) add(each, 0);
  return rows;
}
