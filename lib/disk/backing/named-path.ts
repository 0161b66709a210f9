/** What QEMU's images call the file that they stand on: a path, `file:` and a path, or `json:` with one in it. */

export interface NamedPath {
  /** As it stands in the image, without QEMU's words around it. */
  readonly path: string;
  /** Its last part: the only one that counts on another machine. Never empty, `.` or `..`. */
  readonly name: string;
  /** A plain name, without any folder. */
  readonly plain: boolean;
  /** The driver that a `json:` name tells; null: not told. */
  readonly driver: string | null;
}

/** null: no path of a file, but an address of something else, or nothing that could be a file's name. */
export function namedPath(text: string): NamedPath | null {
  if (text.startsWith("json:")) return fromJson(text.slice(5));
  const path = text.startsWith("file:") ? text.slice(5).replace(/^\/\/(?=\/)/, "") : text;
  // `nbd:…`, `https://…`; `C:\…` is a path of Windows.
  if (/^[a-z][a-z0-9+.-]+:/i.test(path)) return null;
  return fromPath(path, null);
}

function fromPath(path: string, driver: string | null): NamedPath | null {
  const name = path.split(/[/\\]/).at(-1) ?? "";
  if (name === "" || name === "." || name === ".." || name.includes("\0")) return null;
  return { path, name, plain: name === path || `./${name}` === path, driver };
}

type Json = Readonly<Record<string, unknown>>;

function fromJson(text: string): NamedPath | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(parsed) || !isPlainNode(parsed)) return null;
  const driver = typeof parsed["driver"] === "string" ? parsed["driver"] : null;
  const inner = parsed["file"];
  if (isRecord(inner)) {
    return inner["driver"] === "file" && typeof inner["filename"] === "string"
      ? fromPath(inner["filename"], driver)
      : null;
  }
  const flat = parsed["file.filename"];
  if (typeof flat === "string" && (parsed["file.driver"] ?? "file") === "file") return fromPath(flat, driver);
  const own = parsed["filename"];
  return driver === "file" && typeof own === "string" ? fromPath(own, null) : null;
}

/** Only these: an `offset`, a `size`, a `backing` of its own would make another disk of the same file. */
const PLAIN_KEYS = /^(?:driver|file|filename|node-name|read-only|discard|detect-zeroes|cache(?:\..+)?|aio|locking)$/;

function isPlainNode(node: Json): boolean {
  return Object.entries(node).every(([key, value]) => {
    const own = key.startsWith("file.") ? key.slice(5) : key;
    if (!PLAIN_KEYS.test(own)) return false;
    return key !== "file" || !isRecord(value) || isPlainNode(value);
  });
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
