/** Archives in memory, for tests. */
import { encodeTarHeader, tarPadding } from "../containers/tar/header.ts";
import type { ImageFile } from "../io.ts";
import { memoryBytes, memoryImage } from "./memory.ts";

export type ArchiveFiles = Readonly<Record<string, string | Uint8Array>>;

export function tarOf(files: ArchiveFiles): Buffer {
  const parts: Buffer[] = [];
  for (const [name, content] of Object.entries(files)) {
    const bytes = Buffer.from(content);
    parts.push(encodeTarHeader(name, bytes.length), bytes, Buffer.alloc(tarPadding(bytes.length)));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

export const tarImage = (name: string, files: ArchiveFiles): ImageFile => memoryImage(name, memoryBytes(tarOf(files)));

/** Files in one folder, of which `name` is opened. */
export function folderImage(name: string, files: ArchiveFiles): ImageFile {
  const all = new Map(Object.entries(files).map(([each, content]) => [each, Buffer.from(content)]));
  const bytes = all.get(name);
  if (bytes === undefined) throw new RangeError(`${name} is not there`);
  all.delete(name);
  return memoryImage(name, memoryBytes(bytes), all);
}
