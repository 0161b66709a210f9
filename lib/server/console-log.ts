/** What libraries print goes through our log too: as JSON, with control characters escaped and secrets cut. */
import { format } from "node:util";
import type { Logger } from "pino";

/** Answers what puts the console back. */
export function sendConsoleToLog(log: Logger): () => void {
  const methods = ["error", "warn", "log", "info", "debug"] as const;
  const before = methods.map((method) => [method, console[method]] as const);
  const level = { error: "error", warn: "warn", log: "info", info: "info", debug: "debug" } as const;
  for (const method of methods) {
    console[method] = (...said: unknown[]) => {
      const errors = said.filter((each) => each instanceof Error);
      const words = format(...said.map((each) => (each instanceof Error ? each.message : each)));
      log[level[method]]({ printed: true, ...(errors[0] === undefined ? {} : { err: errors[0] }) }, words);
    };
  }
  return () => {
    for (const [method, print] of before) console[method] = print;
  };
}
