/** Texts that hurt readers who look at something more than once. Each makes about so many characters. */

export type HostileTexts = Readonly<Record<string, (length: number) => string>>;

/** `unit` again and again, between a beginning and an end. `{}` in it becomes a number. */
export function repeated(unit: string, begin = "", end = ""): (length: number) => string {
  return (length) => {
    const count = Math.max(1, Math.floor(length / unit.length));
    if (!unit.includes("{}")) return begin + unit.repeat(count) + end;
    const parts: string[] = [];
    for (let i = 0; i < count; i += 1) parts.push(unit.replace("{}", String(i)));
    return begin + parts.join("") + end;
  };
}

/** For readers of XML whose root is an element of this name. */
export const hostileXml = (root = "r"): HostileTexts => ({
  "`>` in attributes": repeated(`a{}=">" `, `<${root} `, "/>"),
  "many attributes": repeated(`a{}="1" `, `<${root} `, "/>"),
  "many namespaces": repeated(`xmlns:p{}="u" `, `<${root} `, "/>"),
  "elements with prefixes below many namespaces": (length) =>
    `<${root} ${repeated(`xmlns:p{}="u" `)(length / 2)}>${repeated("<p0:a/>")(length / 2)}</${root}>`,
  "one attribute that does not end": repeated("a", `<${root} b="`),
  "a tag of one word": repeated("a", `<${root}`),
  "a tag of blanks": repeated(" ", `<${root}`, "x"),
  "words without values": repeated("a ", `<${root} `),
  "words and blanks before an equals sign": repeated("a    ", `<${root} `, "=>"),
  quotes: repeated(`"'`, `<${root} a=`),
  "opening brackets": repeated("<"),
  "closing brackets": repeated(">", `<${root}>`),
  "tags that do not end": repeated("<a ", `<${root}>`),
  "a comment that does not end": repeated("-->".slice(0, 2), `<${root}><!--`),
  "comments within comments": repeated("<!--", `<${root}>`),
  "many comments": repeated("<!-- -->", `<${root}>`, `</${root}>`),
  "CDATA that does not end": repeated("]]", `<${root}><![CDATA[`),
  "an instruction that does not end": repeated("?", "<?"),
  "deep nesting": (length) => {
    const depth = Math.floor(length / 7);
    return `${"<a>".repeat(depth)}${"</a>".repeat(depth)}`;
  },
  "many siblings": repeated("<a/>", `<${root}>`, `</${root}>`),
  "siblings of many names": repeated("<a{}/>", `<${root}>`, `</${root}>`),
  "text between siblings": repeated("x<a/>", `<${root}>`, `</${root}>`),
  entities: repeated("&amp;", `<${root}>`, `</${root}>`),
  "entities in an attribute": repeated("&#65;", `<${root} a="`, `"/>`),
  "entities that do not end": repeated("&", `<${root}>`, `</${root}>`),
  "long text": repeated("x", `<${root}>`, `</${root}>`),
  "line breaks": repeated("\n", `<${root}>`, `</${root}>`),
  "line breaks before the root": repeated("\n", "", `<${root}/>`),
  "a document type": repeated("<!ENTITY a '&b;'>", "<!DOCTYPE r ["),
});

/** For readers of lines: `Key: value`, `key="value"` and the like. */
export const hostileLines = (line = "Name: value\n"): HostileTexts => ({
  "many lines": repeated(line),
  "empty lines": repeated("\n"),
  "carriage returns": repeated("\r"),
  "one long word": repeated("a"),
  "blanks behind a colon": repeated(" ", "Name:", "x\u2028x"),
  "blanks behind an equals sign": repeated(" ", "name=", "x\u2028x"),
  "blanks before a line": repeated(" "),
  "blanks before a word that is none": repeated(" ", "", "\u2028\u0000"),
  colons: repeated(":"),
  "equals signs": repeated("="),
  quotes: repeated('"'),
  "quotes at the beginning of lines": repeated('"\n'),
  "quoted words that do not end": repeated('"a '),
  backslashes: repeated("\\"),
  "backslashes before something else": repeated("\\", "", "x"),
  "backslashes in quotes": repeated("\\", 'name="', 'x"\n'),
  braces: repeated("{"),
  "separators of lines that only some know": repeated("\u2028"),
  digits: repeated("1"),
  "digits and dots": repeated("1."),
  "bytes of zero": repeated("\u0000"),
  "bytes of zero before something else": repeated("\u0000", "", "x"),
});

/** In pieces of this length: peers choose where they cut. */
export function cut(text: string, length: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += length) pieces.push(text.slice(at, at + length));
  return pieces;
}

/** The same texts as something else: as bytes, in pieces, within a message. */
export function each<T>(
  texts: HostileTexts,
  change: (text: string) => T,
): Readonly<Record<string, (length: number) => T>> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, make]) => [name, (length: number) => change(make(length))]),
  );
}
