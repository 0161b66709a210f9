import type { ReactNode } from "react";
import { formatBytes } from "#lib/format/bytes.ts";

/** A size; the exact number of bytes is in its title. */
export function Bytes({ value }: { value: number | null | undefined }): ReactNode {
  if (value === null || value === undefined) return <span>–</span>;
  return <span title={`${value.toLocaleString("en")} bytes`}>{formatBytes(value)}</span>;
}
