/** Texts that people bring instead of a disk image: error pages, pointers, descriptions of machines. */
import type { OtherContent, Sample } from "./content.ts";

const LOOKED_AT = 4096;
const MOST_TEXT = 1_048_576;

/** null: no text, as far as its beginning tells. */
export function byText({ head, size }: Sample): OtherContent | null {
  const text = textOf(head.subarray(0, LOOKED_AT));
  if (text === null) return null;
  const start = text.trimStart();
  if (/^version https:\/\/git-lfs\.github\.com\/spec\//.test(start)) {
    const told = /^size (\d{1,18})$/m.exec(start)?.[1];
    return {
      code: "image.not-a-disk",
      what: `is a pointer of Git LFS${told === undefined ? "" : ` to a file of ${told} bytes`}, not that file`,
      hint: "Fetch the file itself in the repository (git lfs pull), and bring that.",
    };
  }
  if (/^(?:\.\.\/)*(?:\.git)?\/?annex\/objects\//.test(start)) {
    return {
      code: "image.not-a-disk",
      what: "is a pointer of git-annex, not the file that it stands for",
      hint: "Fetch the file itself in the repository (git annex get), and bring that.",
    };
  }
  if (/^<!doctype html|^<html[\s>]/i.test(start)) return page("is a web page, not an image", start);
  if (/^[{[]/.test(start) && /"(?:error|errors|message|code|status)"\s*:/i.test(start)) {
    return answer("is the answer of a server (JSON), not an image", jsonWords(start));
  }
  if (/^(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]{0,2000}?-->\s*)?<(?:\w+:)?Error[\s>]/.test(start)) {
    return answer("is the answer of a server (XML), not an image", xmlWords(start));
  }
  return machine(start) ?? plain(size);
}

/** null for what holds bytes that no text has. UTF-16 only with its mark. */
function textOf(bytes: Buffer): string | null {
  if (bytes.length === 0) return null;
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString("utf16le", 2);
  for (const byte of bytes)
    if (byte < 0x09 || (byte > 0x0d && byte < 0x20 && byte !== 0x1b) || byte === 0x7f) return null;
  const text = bytes.toString("utf8");
  // A letter may be cut at the end of what was looked at.
  if (text.slice(0, -4).includes("\ufffd")) return null;
  return text.replace(/^\ufeff/, "");
}

const AGAIN =
  "The address gave this instead of the file: it may have expired, or want a sign-in. Open it in a browser, and fetch the file again.";

function page(what: string, text: string): OtherContent {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(text)?.[1];
  return answer(what, title ?? null);
}

function answer(what: string, words: string | null): OtherContent {
  const said = words === null ? "" : shorten(words);
  return { code: "image.not-a-disk", what: said === "" ? what : `${what}: “${said}”`, hint: AGAIN };
}

function shorten(words: string): string {
  return words
    .replace(/[\s\p{C}]+/gu, " ")
    .trim()
    .slice(0, 100);
}

function jsonWords(text: string): string | null {
  return /"(?:message|error_description|error|detail|code)"\s*:\s*"([^"\\]{1,200})/i.exec(text)?.[1] ?? null;
}

function xmlWords(text: string): string | null {
  const code = /<Code>([^<]{1,100})/.exec(text)?.[1];
  const message = /<Message>([^<]{1,200})/.exec(text)?.[1];
  return [code, message].filter((word) => word !== undefined).join(": ") || null;
}

/** Descriptions of machines, which name their disks. */
function machine(text: string): OtherContent | null {
  const of = (what: string): OtherContent => ({
    code: "image.not-a-disk",
    what: `is the description of ${what}, not a disk`,
    hint: "Bring the disk files that it names.",
  });
  if (/^(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]{0,2000}?-->\s*)?<domain[\s>]/.test(text)) return of("a libvirt domain");
  if (/<VirtualBox\s/.test(text)) return of("a VirtualBox machine (.vbox)");
  if (/<ParallelsVirtualMachine\s/.test(text)) return of("a Parallels machine (config.pvs)");
  if (/^\s*(?:\.encoding|config\.version|virtualHW\.version)\s*=/im.test(text)) return of("a VMware machine (.vmx)");
  if (/^[0-9a-f]{32,128} [ *]\S/m.test(text)) {
    return {
      code: "image.not-a-disk",
      what: "is a list of checksums, not a disk",
      hint: "Bring the file that it is about.",
    };
  }
  return null;
}

/** Of a large file only the beginning was seen: that alone is no proof. */
function plain(size: number): OtherContent | null {
  return size > MOST_TEXT
    ? null
    : {
        code: "image.not-a-disk",
        what: "is a text, not a disk image",
        hint: "Bring the disk image itself.",
        likely: true,
      };
}
