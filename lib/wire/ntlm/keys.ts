/** What NTLMv2 derives from a password and a challenge. Source: [MS-NLMP] 3.3.2, 3.4.5. */
import { createHash, createHmac } from "node:crypto";
import { md4 } from "./md4.ts";

export const hmacMd5 = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const mac = createHmac("md5", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};
const md5 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** NTOWFv2. The domain keeps its case, the user does not. */
export function responseKey(user: string, domain: string, password: string): Buffer {
  const hash = md4(Buffer.from(password, "utf16le"));
  return hmacMd5(hash, Buffer.from(user.toUpperCase() + domain, "utf16le"));
}

export interface ResponseInput {
  readonly key: Buffer;
  /** The server's 8 bytes. */
  readonly nonce: Buffer;
  /** This side's 8 bytes. */
  readonly clientNonce: Buffer;
  /** Windows time: 8 bytes, little-endian. */
  readonly time: Buffer;
  /** Facts of the server, with what this side adds to them, as bytes. */
  readonly target: Buffer;
}

export function ntlmV2Response(input: ResponseInput): { response: Buffer; sessionBaseKey: Buffer } {
  const head = Buffer.from([1, 1, 0, 0, 0, 0, 0, 0]);
  const blob = Buffer.concat([head, input.time, input.clientNonce, Buffer.alloc(4), input.target, Buffer.alloc(4)]);
  const proof = hmacMd5(input.key, input.nonce, blob);
  return { response: Buffer.concat([proof, blob]), sessionBaseKey: hmacMd5(input.key, proof) };
}

export type Direction = "client" | "server";

const words = (direction: Direction, purpose: "signing" | "sealing"): Buffer =>
  Buffer.from(
    `session key to ${direction === "client" ? "client-to-server" : "server-to-client"} ${purpose} key magic constant\0`,
    "latin1",
  );

export const signKey = (sessionKey: Buffer, from: Direction): Buffer => md5(sessionKey, words(from, "signing"));
/** For 128-bit keys. */
export const sealKey = (sessionKey: Buffer, from: Direction): Buffer => md5(sessionKey, words(from, "sealing"));
