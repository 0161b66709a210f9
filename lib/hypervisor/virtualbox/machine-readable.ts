/**
 * `VBoxManage showvminfo --machinereadable`: one `key="value"` or `key=value` a line, with these traps:
 * keys may stand in quotes; values run over several lines; quotes within are escaped in some fields and versions and
 * not in others; some lines have no `=` at all; 6.1 writes a shared folder `D:\` as it is, so that its value ends in
 * `\"`; descriptions hold whatever a person wrote, other keys included.
 */
import { Slices } from "#lib/wire/slices.ts";
import { linesOf } from "./lines.ts";

export type MachineInfo = ReadonlyMap<string, string>;

/** Lines that are read: a machine with all its cards, ports and disks has some hundreds. */
const MOST_LINES = 50_000;
/** Characters of a value, a description foremost. */
const MOST_VALUE = 1024 ** 2;
/** Not escaped before 7.0. */
const RAW = /^SharedFolderPath/;
const PLAIN_KEY = /^[A-Za-z][\w.-]{0,200}(?:\[\d{1,10}\])?=/;

interface Key {
  readonly name: string;
  readonly quoted: boolean;
  /** Where the value begins. */
  readonly end: number;
}

function keyOf(line: string): Key | null {
  if (!line.startsWith('"')) {
    const found = PLAIN_KEY.exec(line)?.[0];
    return found === undefined ? null : { name: found.slice(0, -1), quoted: false, end: found.length };
  }
  for (let at = 1; at < line.length; at += 1) {
    if (line[at] === "\\") at += 1;
    else if (line[at] === '"')
      return line[at + 1] === "=" ? { name: plain(line.slice(1, at)), quoted: true, end: at + 2 } : null;
  }
  return null;
}

/**
 * The first of two lines of one key counts, and the VM's description is the last key that is read: a text that ends a
 * line with a quote cannot be told from two values, so nothing after it could be believed. Snapshots come after it;
 * the settings file has them.
 */
export async function parseMachineReadable(text: string, signal?: AbortSignal): Promise<MachineInfo> {
  const slices = new Slices();
  const found = new Map<string, string>();
  const lines = linesOf(text);
  let count = 0;
  let ahead: string | null = null;
  const next = (): string | null => {
    if (ahead !== null) {
      const line = ahead;
      ahead = null;
      return line;
    }
    const { done, value } = lines.next();
    count += 1;
    return done === true || count > MOST_LINES ? null : value;
  };
  for (let line = next(); line !== null; line = next()) {
    if (slices.over) await slices.rest(signal);
    const key = keyOf(line);
    if (key === null) continue;
    if (!key.quoted && key.name.startsWith("Snapshot")) break;
    let value = line.slice(key.end);
    if (value.startsWith('"')) {
      const parts = [value.slice(1, MOST_VALUE)];
      let length = value.length;
      for (let closed = isClosed(value.slice(1)); !closed; ) {
        const more = next();
        if (more === null) break;
        if (slices.over) await slices.rest(signal);
        if (RAW.test(key.name) && parts.length === 1 && value.endsWith('"') && keyOf(more) !== null) {
          ahead = more;
          break;
        }
        if (length <= MOST_VALUE) parts.push(more.slice(0, MOST_VALUE));
        length += more.length + 1;
        closed = isClosed(more);
      }
      const whole = parts.join("\n");
      value = plain(whole.endsWith('"') ? whole.slice(0, -1) : whole);
    }
    if (!found.has(key.name)) found.set(key.name, value);
    if (key.name === "description") break;
  }
  return found;
}

/** Whether a line ends the value: with a quote that is not escaped. */
function isClosed(line: string): boolean {
  if (!line.endsWith('"')) return false;
  let backslashes = 0;
  while (line[line.length - 2 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 0;
}

/** Versions before 7.0 escape nothing, so a lone backslash stays one. */
const plain = (text: string): string => text.replaceAll(/\\(["\\])/g, "$1");

/** The answer came whole. */
export function isWhole(text: string): boolean {
  return /^UUID=/m.test(text) && /^VMState(?:Err)?=/m.test(text);
}
