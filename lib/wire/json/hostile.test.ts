import { describe } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { cut, each, repeated } from "#lib/testing/hostile-text.ts";
import { JsonReader } from "./json-reader.ts";

function read(pieces: Iterable<string>): unknown {
  const reader = new JsonReader();
  for (const piece of pieces) reader.feed(piece);
  return reader.end();
}

const WORST = {
  "many numbers": repeated("0,", "[", "0]"),
  "many texts": repeated('"a",', "[", "0]"),
  "many empty lists": repeated("[],", "[", "0]"),
  "many empty objects": repeated("{},", "[", "0]"),
  "one object of many names": repeated('"a{}":0,', "{", '"b":0}'),
  "names that are numbers": repeated('"{}":0,', "{", '"b":0}'),
  "deep nesting": repeated("["),
  "a text that does not end": repeated("a", '"'),
  "a text of escapes": repeated("\\n", '"', '"'),
  "a text of quotes": repeated('\\"', '"'),
  "a text of surrogates": repeated("\\ud83d\\ude00", '"', '"'),
  backslashes: repeated("\\", '"'),
  blanks: repeated(" "),
  "a number that does not end": repeated("1"),
};

describe("JSON of a peer, at once", () => {
  growsLinearly({ parse: read, worst: each(WORST, (text) => [text]) });
});

describe("JSON of a peer, one character at a time", () => {
  growsLinearly({ parse: read, worst: each(WORST, (text) => cut(text, 1)), most: 1024 ** 2 });
});
