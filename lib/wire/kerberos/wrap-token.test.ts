import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { cutToken } from "./wrap-token.ts";

const head = (extra: number, rotation: number, id = 0x0504): Buffer => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(extra, 4);
  bytes.writeUInt16BE(rotation, 6);
  return bytes;
};
const codeOf = (token: Buffer, length: number): string => {
  try {
    cutToken(token, length);
    return "no error";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
};

it("puts all but the message in front, turned as the head then says", () => {
  const [confounder, message, tail] = [randomBytes(16), randomBytes(100), randomBytes(28)];
  const { signature, sealed } = cutToken(Buffer.concat([head(0, 0), confounder, message, tail]), 100);
  expect(signature).toEqual(Buffer.concat([head(0, 28), tail, confounder]));
  expect(sealed).toEqual(message);
});

it("takes no keys but AES, and nothing that is turned or filled up already", () => {
  expect(codeOf(Buffer.concat([head(0, 0, 0x6082), Buffer.alloc(60)]), 16)).toBe("host.kerberos-cipher");
  // AES with SHA-2 has longer checksums.
  expect(codeOf(Buffer.concat([head(0, 0), Buffer.alloc(48)]), 0)).toBe("host.kerberos-cipher");
  expect(codeOf(Buffer.alloc(0), 0)).toBe("host.kerberos-cipher");
  expect(codeOf(Buffer.concat([head(0, 28), Buffer.alloc(44)]), 0)).toBe("host.protocol");
  expect(codeOf(Buffer.concat([head(1, 0), Buffer.alloc(44)]), 0)).toBe("host.protocol");
});
