/**
 * WMI's own way to name an instance, which properties hold where WS-Management would hold a reference:
 * `\\HOST\root\virtualization\v2:Msvm_X.Key="value",Other="…"`. Source: MSDN "Describing a WMI Object Path".
 */
import type { CimRef } from "./cim.ts";

const quoted = (value: string): string => `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

export function objectPath(host: string, { namespace, className, keys }: CimRef): string {
  const named = Object.entries(keys).map(([name, value]) => `${name}=${quoted(value)}`);
  return `\\\\${host}\\${namespace.replaceAll("/", "\\")}:${className}.${named.join(",")}`;
}

/** Windows' own limit for a path; WMI's stay far below. */
const LONGEST = 32_768;

/** Null: it is no path of an instance. */
export function readObjectPath(path: string): CimRef | null {
  if (path.length > LONGEST) return null;
  const head = /^(?:\\\\[^\\]*\\)?(?:([^:]*):)?([A-Za-z_]\w*)\./.exec(path);
  if (head === null) return null;
  const keys: Record<string, string> = {};
  const key = /(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^,"]*))(?:,|$)/y;
  key.lastIndex = head[0].length;
  while (key.lastIndex < path.length) {
    const found = key.exec(path);
    if (found === null) return null;
    keys[found[1] ?? ""] = (found[2] ?? found[3] ?? "").replaceAll(/\\(.)/g, "$1");
  }
  return { namespace: (head[1] ?? "").replaceAll("\\", "/"), className: head[2] ?? "", keys };
}
