/** How a differencing VHDX names its parent. Source: [MS-VHDX] 2.6.2.6. */
import { type NamedBytes, readStruct } from "../../fields.ts";
import { insane, refused } from "../../image-error.ts";
import { guidAt, MIB } from "./layout.ts";
import type { Range } from "./structure.ts";

export interface ParentLocator {
  /** Data write GUIDs that the parent may have, in lower case: one, and another while it is being merged into. */
  readonly linkages: readonly string[];
  /** As they were written, best first. */
  readonly paths: readonly string[];
  /** Of the item in the file, for messages. */
  readonly at: number;
}

const TYPE_VHDX = "b04aefb7-d19e-4a81-b789-25b8e9445913";
const HEADER_BYTES = 20;
const ENTRY_BYTES = 12;
const PATHS = ["relative_path", "volume_path", "absolute_win32_path"] as const;
const LINKAGES = ["parent_linkage", "parent_linkage2"] as const;
/** An item has at most 1 MiB (2.6.1.2), a path 32,767 characters. */
const MAX_ITEM_BYTES = MIB;
const MAX_ENTRIES = 64;

/** `item` lies inside the metadata region. Throws `image.header-insane`, `image.vhdx-unknown-parent`. */
export async function readParentLocator(file: NamedBytes, item: Range, signal?: AbortSignal): Promise<ParentLocator> {
  const bad = (offset: number, what: string) => insane(file.name, item.at + offset, what);
  if (item.length < HEADER_BYTES || item.length > MAX_ITEM_BYTES)
    throw bad(0, `its parent locator has ${item.length} bytes`);
  const f = await readStruct(file, item.at, item.length, "le", "the parent locator", signal);
  const type = guidAt(f.raw, 0);
  if (type !== TYPE_VHDX) {
    throw refused(
      file.name,
      item.at,
      "image.vhdx-unknown-parent",
      `has a parent of the unknown kind ${type}`,
      "Merge it into its parent on the host that made it, and bring the result.",
    );
  }
  const count = f.u16(18);
  if (count > MAX_ENTRIES || HEADER_BYTES + count * ENTRY_BYTES > item.length)
    throw bad(18, `its parent locator has ${count} entries`);
  const values = new Map<string, string>();
  for (let i = 0; i < count; i++) {
    const pos = HEADER_BYTES + i * ENTRY_BYTES;
    const text = (offsetAt: number, lengthAt: number) => {
      const offset = f.u32(offsetAt);
      const length = f.u16(lengthAt);
      if (offset + length > item.length) throw bad(offsetAt, "an entry of its parent locator lies outside of it");
      return withoutNuls(f.raw.toString("utf16le", offset, offset + length));
    };
    values.set(text(pos, pos + 8), text(pos + 4, pos + 10));
  }
  const linkages = LINKAGES.map((key) => values.get(key) ?? "")
    .map((text) => text.replace(/^\{|\}$/g, "").toLowerCase())
    .filter((text) => text !== "");
  if (linkages.length === 0) throw bad(0, "its parent locator does not tell the parent's identity");
  return { linkages, paths: PATHS.map((key) => values.get(key) ?? "").filter((path) => path !== ""), at: item.at };
}

function withoutNuls(text: string): string {
  let end = text.length;
  while (text[end - 1] === "\0") end -= 1;
  return text.slice(0, end);
}
