/** Text as Windows programs write it into pipes: in the machine's ANSI code page, which is UTF-8 hardly anywhere. */

/** What the encodings of the WHATWG are called, by the number of the code page. */
const NAMES: Readonly<Record<number, string>> = {
  874: "windows-874",
  932: "shift_jis",
  936: "gbk",
  949: "euc-kr",
  950: "big5",
  54936: "gb18030",
  65001: "utf-8",
};

/** `codePage`: as `GetACP` tells it. One that is not known is read as Western, where at least ASCII is right. */
export function decoderOf(codePage: number): TextDecoder {
  const name = NAMES[codePage] ?? (codePage >= 1250 && codePage <= 1258 ? `windows-${codePage}` : "windows-1252");
  return new TextDecoder(name);
}
