/** `VBoxManage list …`: blocks of `Name:   value` lines with an empty line between, and the list of VMs. */

/** A name that comes twice in a block keeps its first value. */
export type Listed = ReadonlyMap<string, string>;

/** Each block begins with the field `first`; its values can hold anything, blank lines included. */
export function parseRecords(text: string, first: string): Listed[] {
  const records: Map<string, string>[] = [];
  for (const line of text.split(/\r?\n/)) {
    const found = /^([A-Za-z][^:]*?):(?:\s+(.*))?$/.exec(line);
    if (found === null) continue;
    const name = found[1] ?? "";
    if (name === first) records.push(new Map());
    const record = records.at(-1);
    if (record !== undefined && !record.has(name)) record.set(name, (found[2] ?? "").trim());
  }
  return records;
}

/** One block without a beginning of its own: `list hostinfo`, `list systemproperties`. */
export function parseFields(text: string): Listed {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const found = /^\s*([A-Za-z][^:]*?):\s*(.*)$/.exec(line);
    const name = found?.[1];
    if (name !== undefined && !fields.has(name)) fields.set(name, found?.[2]?.trim() ?? "");
  }
  return fields;
}

/** `"Name "with" quotes" {uuid}` by UUID; the name comes as it is, unescaped. */
export function parseVmList(text: string): Map<string, string> {
  const vms = new Map<string, string>();
  for (const [, name, uuid] of text.matchAll(/^"([\s\S]*?)" \{([0-9a-f-]{36})\}\r?$/gm))
    if (name !== undefined && uuid !== undefined) vms.set(uuid, name);
  return vms;
}

const UNITS: Record<string, number> = {
  byte: 1,
  bytes: 1,
  kbyte: 1024,
  kbytes: 1024,
  mbyte: 1024 ** 2,
  mbytes: 1024 ** 2,
};

/** `100 MBytes`, `24105 MByte`; null for anything else. */
export function sizeOf(text: string | undefined): number | null {
  const found = /^(\d+) (\w+)/.exec(text ?? "");
  const unit = UNITS[(found?.[2] ?? "").toLowerCase()];
  return found === null || unit === undefined ? null : Number(found[1]) * unit;
}
