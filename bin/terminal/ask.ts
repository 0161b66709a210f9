import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UsageError } from "./print-error.ts";

/** Asks on the terminal; a hidden answer is not echoed. Without a terminal there is nobody to ask. */
export async function ask(question: string, hidden = false): Promise<string> {
  if (!process.stdin.isTTY)
    throw new UsageError(`${question.replace(/:?\s*$/, "")} is needed, and there is no terminal to ask on.`);
  let mute = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!mute) process.stderr.write(chunk);
      done();
    },
  });
  const reader = createInterface({ input: process.stdin, output, terminal: true });
  const answer = reader.question(question);
  mute = hidden;
  try {
    return await answer;
  } finally {
    reader.close();
    if (hidden) process.stderr.write("\n");
  }
}
