/** `VBoxManage list …`: blocks of `Name:   value` lines with an empty line between, and the list of VMs. */
import { AppError } from "#lib/errors.ts";
import { Slices } from "#lib/wire/slices.ts";
import { eachLine } from "./lines.ts";

/** A name that comes twice in a block keeps its first value. */
export type Listed = ReadonlyMap<string, string>;

/** Fields of one answer. Ten thousand VMs have a tenth of them. */
const MOST_FIELDS = 2_000_000;

interface Field {
  readonly name: string;
  /** What stands behind the colon, blanks included. */
  readonly rest: string;
}

/** Null: the line is none. Its name begins with a letter. */
function fieldOf(line: string): Field | null {
  const colon = line.indexOf(":");
  return colon < 1 || !/^[A-Za-z]/.test(line) ? null : { name: line.slice(0, colon), rest: line.slice(colon + 1) };
}

function tooMany(): AppError {
  return new AppError("unavailable", "host.protocol", `VBoxManage lists more than ${MOST_FIELDS} properties.`);
}

/** Each block begins with the field `first`; its values can hold anything, blank lines included. */
export async function parseRecords(text: string, first: string): Promise<Listed[]> {
  const records: Map<string, string>[] = [];
  let fields = 0;
  await eachLine(text, (line) => {
    const field = fieldOf(line);
    // A value is set off by blanks, else the colon is part of something else.
    if (field === null || (field.rest !== "" && !/^\s/.test(field.rest))) return;
    fields += 1;
    if (fields > MOST_FIELDS) throw tooMany();
    if (field.name === first) records.push(new Map());
    const record = records.at(-1);
    if (record !== undefined && !record.has(field.name)) record.set(field.name, field.rest.trim());
  });
  return records;
}

/** One block without a beginning of its own: `list hostinfo`, `list systemproperties`. */
export async function parseFields(text: string): Promise<Listed> {
  const fields = new Map<string, string>();
  await eachLine(text, (line) => {
    const field = fieldOf(line.trimStart());
    if (field === null || fields.has(field.name)) return;
    if (fields.size >= MOST_FIELDS) throw tooMany();
    fields.set(field.name, field.rest.trim());
  });
  return fields;
}

/** `"Name "with" quotes" {uuid}` by UUID; the name comes as it is, unescaped, and may hold line breaks. */
export async function parseVmList(text: string, signal?: AbortSignal): Promise<Map<string, string>> {
  const slices = new Slices();
  const vms = new Map<string, string>();
  const begins = /^"/gm;
  const ends = /" \{([0-9a-f-]{36})\}\r?(?:\n|$)/g;
  // Both only move forward: an entry begins at the first quote that begins a line, and ends at the first end behind it.
  for (let begin = begins.exec(text); begin !== null; begin = begins.exec(text)) {
    ends.lastIndex = begin.index + 1;
    const end = ends.exec(text);
    if (end === null) break;
    vms.set(end[1] ?? "", text.slice(begin.index + 1, end.index));
    if (slices.over) await slices.rest(signal);
    begins.lastIndex = ends.lastIndex;
  }
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
  const found = /^(\d{1,16}) (\w{1,10})/.exec(text ?? "");
  const unit = UNITS[(found?.[2] ?? "").toLowerCase()];
  return found === null || unit === undefined ? null : Number(found[1]) * unit;
}
