import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { repeated } from "#lib/testing/hostile-text.ts";
import { serializeError } from "./log.ts";

describe("what the log keeps of an error", () => {
  growsLinearly({
    parse: (message: string) => {
      const error = new Error(message);
      error.stack = message;
      return serializeError(error);
    },
    worst: {
      "queries without parameters": repeated("Failed query: "),
      "queries with parameters": repeated("Failed query: params: "),
      "one query with parameters": repeated("params: ", "Failed query: select"),
      "parameters on lines of their own": repeated("\nparams: ", "Failed query: "),
    },
    most: 1024 ** 2,
  });

  it.each([
    ["Failed query: select $1\nparams: secret", "Failed query: select $1"],
    ["Failed query: select $1 params: secret\n    at x", "Failed query: select $1 \n    at x"],
    ["Failed query: a\nparams: s1\nFailed query: b\nparams: s2\nend", "Failed query: a\nFailed query: b\nend"],
    ["params: kept, for no query failed", "params: kept, for no query failed"],
    ["Failed query: without any", "Failed query: without any"],
  ])("is without a query's parameters: %j", (message, shown) => {
    expect(serializeError(new Error(message))).toMatchObject({ message: shown });
  });
});
