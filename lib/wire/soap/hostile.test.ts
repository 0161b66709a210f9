import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { cut, each, hostileXml, repeated } from "#lib/testing/hostile-text.ts";
import { AppError } from "#lib/errors.ts";
import { parseXml, XmlReader } from "./xml-reader.ts";
import { XML_LIMITS } from "./xml-limits.ts";

function read(pieces: Iterable<string>): void {
  const reader = new XmlReader(["w"]);
  for (const piece of pieces) for (const _ of reader.feed(piece));
  reader.end();
}

function refusal(work: () => unknown): string {
  try {
    work();
    return "taken";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}

describe("XML of a peer, at once", () => {
  growsLinearly({ parse: parseXml, worst: hostileXml() });
});

describe("XML of a peer, one character at a time", () => {
  growsLinearly({ parse: read, worst: each(hostileXml(), (text) => cut(text, 1)), most: 1024 ** 2 });
});

describe("XML of a peer that is handed out in parts", () => {
  growsLinearly({
    parse: (text: string) => read(cut(text, 1000)),
    worst: { "many parts": repeated("<w><a/></w>", "<r>", "</r>"), "a part of parts": repeated("<w>", "<r>") },
  });
});

describe("what a peer's XML may ask of this process", () => {
  const { tag, attributes, depth } = XML_LIMITS;
  it.each([
    ["a tag that is too long", `<r a="${"x".repeat(tag)}"/>`],
    ["too many attributes", repeated(`a{}="" `, "<r ", "/>")((attributes + 100) * 7)],
    ["elements too deep", "<r>".repeat(depth + 1)],
    ["two attributes of one name", `<r a="1" a="2"/>`],
    ["values without quotes", "<r a=1/>"],
  ])("is bounded: %s", (_what, text) => {
    expect(refusal(() => parseXml(text))).toBe("host.protocol");
    // Before the end has come, too: nothing is kept to be refused later.
    expect(refusal(() => read(cut(text, 4096)))).toBe("host.protocol");
  });

  it("is bounded for each part, and for what is left between the parts", () => {
    const limited = (text: string) => {
      const reader = new XmlReader(["w"], { elements: 10, characters: 1000 });
      for (const _ of reader.feed(text));
      return reader.end();
    };
    const part = "<w><a/><a/></w>";
    expect(refusal(() => limited(`<r>${part.repeat(100)}</r>`))).toBe("taken");
    expect(refusal(() => limited(`<r>${`${part}<rest/>`.repeat(100)}</r>`))).toBe("host.protocol");
    expect(refusal(() => limited(`<r><w>${"<a/>".repeat(20)}</w></r>`))).toBe("host.protocol");
    expect(refusal(() => limited(`<r><w>${"text ".repeat(1000)}</w></r>`))).toBe("host.protocol");
    expect(refusal(() => limited(`<r>${"text <w/>".repeat(1000)}</r>`))).toBe("host.protocol");
  });

  it("does not depend on where it is cut", () => {
    const text = `<?xml version="1.0"?><!-- a -- > b --><r a='1 > "0"'><![CDATA[<x>&amp;]] >]]>&lt;&#x41;<w>t &amp; u</w></r >`;
    for (let at = 1; at < text.length; at += 1) {
      const found: string[] = [];
      const reader = new XmlReader(["w"]);
      for (const piece of [text.slice(0, at), text.slice(at)])
        for (const element of reader.feed(piece)) found.push(element.text);
      expect([found, reader.end()]).toMatchObject([
        ["t & u"],
        { name: "r", text: "<x>&amp;]] ><A", attributes: { a: '1 > "0"' } },
      ]);
    }
  });
});
