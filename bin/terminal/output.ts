/** The one way to the terminal: everything that the command line says goes through here, made printable. */
import { printable, printableJson } from "./printable.ts";

type Stream = NodeJS.WritableStream;

/** One line: results to stdout, the rest to stderr. */
export function printLine(text: string, stream: Stream = process.stdout): void {
  stream.write(`${printable(text)}\n`);
}

export function printLines(lines: readonly string[], stream: Stream = process.stdout): void {
  stream.write(lines.map((line) => `${printable(line)}\n`).join(""));
}

/** `indent`: for people; otherwise all on one line. */
export function printJson(value: unknown, stream: Stream = process.stdout, indent?: number): void {
  stream.write(`${printableJson(value, indent)}\n`);
}
