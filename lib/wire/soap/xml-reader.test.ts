import { XMLParser } from "fast-xml-parser";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { all, at, numberAt, textAt, type Element } from "./element.ts";
import { parseXml, XmlReader } from "./xml-reader.ts";
import { xml } from "./xml-text.ts";

const XSI = "http://www.w3.org/2001/XMLSchema-instance";

function codeOf(work: () => unknown): string {
  try {
    work();
    return "no error";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}

describe("reading XML", () => {
  it("resolves prefixes, whatever they are called, and tells the attribute type from xsi:type", () => {
    const root = parseXml(
      `<?xml version="1.0"?><a:r xmlns:a="urn:a" xmlns="urn:d"><val xmlns:XMLSchema-instance="${XSI}" XMLSchema-instance:type="vim:ManagedObjectReference" type="HostSystem">host-1</val><a:val/></a:r>`,
    );
    expect(root).toMatchObject({ name: "r", ns: "urn:a" });
    expect(at(root, "val")).toMatchObject({ ns: "urn:d", type: "ManagedObjectReference", text: "host-1" });
    expect(at(root, "val")?.attributes).toEqual({ type: "HostSystem" });
    expect(all(root, "val")[1]).toMatchObject({ ns: "urn:a", type: null, text: "" });
  });

  it("gives back every word that the template escaped", () => {
    const words = `<&>"' ]]> ü 東京 \u{1f600} &amp;`;
    const root = parseXml(xml`<a b="${words}">${words}<c>${xml`<d/>`}</c></a>`.text);
    expect(root.attributes?.["b"]).toBe(words);
    expect(root.text).toContain(words);
    expect(at(root, "c", "d")).toBeDefined();
  });

  it("reads CDATA, comments, numeric entities, `>` in quotes and any line breaks", () => {
    const root = parseXml(`<a>\n <!-- <b> --> <b x='1 > 0' y="it's">&#65;&#x42;<![CDATA[<c>&amp;]]></b>\n</a>\n`);
    expect(textAt(root, "b")).toBe("AB<c>&amp;");
    expect(at(root, "b")?.attributes).toEqual({ x: "1 > 0", y: "it's" });
    expect(numberAt(parseXml("<a><n>12</n></a>"), "n")).toBe(12);
  });

  it("comes to the same wherever the text is cut, and agrees with another parser", () => {
    const text = fc
      .string({ unit: "grapheme", maxLength: 12 })
      .map((s) => s.replaceAll(/[\u0000-\u001f\ufffe\uffff\s]/g, "x"));
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 6 }),
        (words, cuts) => {
          const whole =
            xml`<r>${words.map((word) => xml`<o k="${word}"><v>${word}</v></o>`)}<rest>${words.length}</rest></r>`.text;
          const reader = new XmlReader(["o"]);
          const found: Element[] = [];
          let from = 0;
          for (const cut of [...cuts, whole.length].sort((a, b) => a - b)) {
            for (const element of reader.feed(whole.slice(from, Math.max(from, cut)))) found.push(element);
            from = Math.max(from, cut);
          }
          expect(found.map((element) => [element.attributes?.["k"], textAt(element, "v")])).toEqual(
            words.map((word) => [word, word]),
          );
          expect(numberAt(reader.end(), "rest")).toBe(words.length);
          expect(all(reader.end(), "o")).toEqual([]);
          const other = new XMLParser({
            ignoreAttributes: false,
            parseTagValue: false,
            trimValues: false,
            isArray: (name) => name === "o",
          }).parse(whole) as {
            r: { o: { v: string }[] };
          };
          expect(other.r.o.map((each) => each.v)).toEqual(found.map((element) => textAt(element, "v")));
        },
      ),
    );
  });

  it("refuses what is no XML, or meant to hurt", () => {
    const bad = [
      "",
      "text",
      "<a>",
      "<a></b>",
      "<a/><b/>",
      "<p:a/>",
      "<a>&nope;</a>",
      "<a>&#x110000;</a>",
      `<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>`,
      `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`,
      "<a>".repeat(1000),
      `<a ${"x".repeat(100)}`,
    ];
    for (const text of bad)
      expect([text.slice(0, 40), codeOf(() => parseXml(text))]).toEqual([text.slice(0, 40), "host.protocol"]);
  });
});
