/** Lines of what VBoxManage prints, one by one: its answers have no length that could be relied on. */
import { Slices } from "#lib/wire/slices.ts";

/** Lines between two looks at the time. */
const AT_ONCE = 512;

/** Without their ends, `\n` or `\r\n`. */
export function* linesOf(text: string): Generator<string> {
  for (let from = 0; from <= text.length; ) {
    const end = text.indexOf("\n", from);
    const line = end < 0 ? text.slice(from) : text.slice(from, end);
    yield line.endsWith("\r") ? line.slice(0, -1) : line;
    if (end < 0) return;
    from = end + 1;
  }
}

/** Calls back for each line, with turns for others in between. */
export async function eachLine(text: string, take: (line: string) => void): Promise<void> {
  const slices = new Slices();
  let count = 0;
  for (const line of linesOf(text)) {
    take(line);
    count += 1;
    if (count % AT_ONCE === 0 && slices.over) await slices.rest();
  }
}
