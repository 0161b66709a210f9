/** The small formats of the wire: tokens, sealed parts, output of programs, XDR. */
import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { repeated } from "#lib/testing/hostile-text.ts";
import { cutToken } from "./kerberos/wrap-token.ts";
import { readChallenge } from "./ntlm/messages.ts";
import type { Element } from "./soap/element.ts";
import { offersKerberos, tokenIn } from "./wsman/challenge.ts";
import { readEmbedded } from "./wsman/embedded.ts";
import { readObjectPath } from "./wsman/object-path.ts";
import { ProgramOutput } from "./wsman/program-output.ts";
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

describe("ways to sign in that a listener offers", () => {
  growsLinearly({
    parse: (challenge: string) => [
      offersKerberos(challenge),
      tokenIn(challenge, "Kerberos"),
      tokenIn(challenge, "NTLM"),
    ],
    worst: {
      "commas and blanks": repeated(",        "),
      blanks: repeated(" ", ","),
      "many of one name": repeated("Kerberos, "),
      "a long token": repeated("A", "Kerberos ", "="),
      "tokens that are none": repeated(", Negotiate !"),
    },
  });
});

describe("sealed messages of Kerberos", () => {
  growsLinearly({
    parse: (token: Buffer) => cutToken(token, token.length - 60),
    worst: {
      "a long one": (n) => {
        const token = Buffer.alloc(n + 60);
        token.writeUInt16BE(0x0504);
        return token;
      },
    },
    most: 64 * 1024 ** 2,
  });
});

describe("output of programs by WinRS", () => {
  const stream = (text: string): Element => ({
    name: "Stream",
    ns: "",
    type: null,
    attributes: { Name: "stdout" },
    children: [],
    text,
  });
  const read = async (streams: readonly Element[]) => {
    const output = new ProgramOutput(() => undefined);
    await output.take(streams);
    return output.end();
  };
  growsLinearly({
    parse: read,
    worst: {
      "single bytes": (n) => Array.from({ length: Math.ceil(n / 40) }, () => stream("QQ==")),
      "empty pieces": (n) => Array.from({ length: Math.ceil(n / 30) }, () => stream("")),
      "one long piece": (n) => [stream("A".repeat(n))],
      "what is no Base64": (n) => [stream("\u2028".repeat(n))],
    },
  });

  it("keep their beginning, and characters that lie in two pieces", async () => {
    const bytes = Buffer.from("grün ✓");
    const cut = Array.from(bytes, (_, i) => stream(bytes.subarray(i, i + 1).toString("base64")));
    expect((await read(cut)).stdout).toBe("grün ✓");
    const long = stream(Buffer.alloc(100_000, "x").toString("base64"));
    expect((await read([long, long])).stdout).toBe("x".repeat(64 * 1024));
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
      "one long text": (n) => {
        const bytes = Buffer.alloc(8 + n - (n % 4), 0xff);
        bytes.writeUInt32BE(1);
        bytes.writeUInt32BE(bytes.length - 8, 4);
        return bytes;
      },
      "many empty texts": (n) => {
        const bytes = Buffer.alloc(4 + n - (n % 4));
        bytes.writeUInt32BE((bytes.length - 4) / 4);
        return bytes;
      },
    },
  });
  growsLinearly({
    parse: (bytes: Buffer) => new XdrReader(bytes, { text: 4, list: 1_000_000 }).list((r) => r.string()),
    worst: {
      "a list in slices": (n) => {
        const bytes = Buffer.alloc(4 + n - (n % 4));
        bytes.writeUInt32BE((bytes.length - 4) / 4);
        return bytes;
      },
    },
  });
});
