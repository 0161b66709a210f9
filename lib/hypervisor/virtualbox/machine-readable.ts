/**
 * `VBoxManage showvminfo --machinereadable`: one `key="value"` or `key=value` a line, with these traps:
 * keys may stand in quotes; values run over several lines; quotes within are escaped in some fields and versions and
 * not in others; some lines have no `=` at all; descriptions hold whatever a person wrote, other keys included.
 */

export type MachineInfo = ReadonlyMap<string, string>;

const KEY = /^(?:"((?:[^"\\]|\\.)*)"|([A-Za-z][\w.-]*(?:\[\d+\])?))=/;

/**
 * The first of two lines of one key counts, and the VM's description is the last key that is read: a text that ends a
 * line with a quote cannot be told from two values, so nothing after it could be believed. Snapshots come after it;
 * the settings file has them.
 */
export function parseMachineReadable(text: string): MachineInfo {
  const found = new Map<string, string>();
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const key = KEY.exec(line);
    if (key === null) continue;
    if (key[2]?.startsWith("Snapshot") === true) break;
    let value = line.slice(key[0].length);
    if (value.startsWith('"')) {
      while (!isClosed(value) && at + 1 < lines.length) {
        at += 1;
        value += `\n${lines[at] ?? ""}`;
      }
      value = plain(value.slice(1, value.endsWith('"') && value.length > 1 ? -1 : undefined));
    }
    const name = key[1] === undefined ? (key[2] ?? "") : plain(key[1]);
    if (!found.has(name)) found.set(name, value);
    if (name === "description") break;
  }
  return found;
}

/** Ends with a quote that is not escaped, apart from the one it begins with. */
function isClosed(value: string): boolean {
  if (value.length < 2 || !value.endsWith('"')) return false;
  const backslashes = /\\*$/.exec(value.slice(0, -1))?.[0].length ?? 0;
  return backslashes % 2 === 0;
}

/** Versions before 7.0 escape nothing, so a lone backslash stays one. */
const plain = (text: string): string => text.replaceAll(/\\(["\\])/g, "$1");

/** The answer came whole. */
export function isWhole(text: string): boolean {
  return /^UUID=/m.test(text) && /^VMState(?:Err)?=/m.test(text);
}
