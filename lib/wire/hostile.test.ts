/** The small formats of the wire: tokens, sealed parts, XDR. */
import { describe } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { repeated } from "#lib/testing/hostile-text.ts";
import { readChallenge } from "./ntlm/messages.ts";
import { readEmbedded } from "./wsman/embedded.ts";
import { readObjectPath } from "./wsman/object-path.ts";
import { readSealed } from "./wsman/sealed-body.ts";
import { XdrReader } from "./xdr/reader.ts";

const PROTOCOL = "application/HTTP-SPNEGO-session-encrypted";
const PART = `--Encrypted Boundary\r\n\tContent-Type: ${PROTOCOL}\r\n\tOriginalContent: type=x;Length=0\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\0\0\0\0`;

describe("sealed messages", () => {
  growsLinearly({
    parse: (bytes: Buffer) => readSealed(PROTOCOL, bytes),
    worst: {
      "many empty parts": (n) => Buffer.from(repeated(PART, "", "--Encrypted Boundary--")(n), "latin1"),
      "a type that does not end": (n) => Buffer.from(`${PART.slice(0, 110)}${";Length=".repeat(n / 8)}`, "latin1"),
    },
  });
});

describe("NTLM challenges", () => {
  growsLinearly({
    parse: readChallenge,
    worst: {
      "many empty facts": (n) => {
        const length = Math.min(n - (n % 4), 16_384);
        const bytes = Buffer.alloc(48 + length);
        bytes.write("NTLMSSP\0", "latin1");
        bytes.writeUInt32LE(2, 8);
        bytes.writeUInt32LE(0x00800000, 20);
        bytes.writeUInt16LE(length, 40);
        bytes.writeUInt32LE(48, 44);
        for (let at = 48; at + 4 < bytes.length; at += 4) bytes.writeUInt16LE(1, at);
        return bytes;
      },
    },
    most: 16_384,
  });
});

describe("names and instances of WMI", () => {
  growsLinearly({
    parse: readObjectPath,
    worst: {
      "many keys": repeated("a{}=b,", "\\\\h\\n:C."),
      backslashes: repeated("\\\\", 'C.a="'),
      "quotes that do not end": repeated('a="', "C."),
      colons: repeated(":"),
    },
    most: 32_768,
  });
  growsLinearly({
    parse: readEmbedded,
    worst: {
      "many properties": repeated(
        '<PROPERTY NAME="a{}"><VALUE>1</VALUE></PROPERTY>',
        '<INSTANCE CLASSNAME="C">',
        "</INSTANCE>",
      ),
      "an array of many values": repeated(
        "<VALUE>1</VALUE>",
        '<INSTANCE CLASSNAME="C"><PROPERTY.ARRAY NAME="a"><VALUE.ARRAY>',
        "</VALUE.ARRAY></PROPERTY.ARRAY></INSTANCE>",
      ),
    },
    most: 256 * 1024,
  });
});

describe("XDR", () => {
  growsLinearly({
    parse: (bytes: Buffer) => new XdrReader(bytes, { text: 4 * 1024 ** 2, list: 1_000_000 }).array((r) => r.string()),
    worst: {
      "many empty texts": (n) => {
        const bytes = Buffer.alloc(4 + n - (n % 4));
        bytes.writeUInt32BE((bytes.length - 4) / 4);
        return bytes;
      },
    },
  });
});
