/** The three messages of an NTLM sign-in, as bytes. Source: [MS-NLMP] 2.2.1 and 2.2.2. */
import { AppError } from "#lib/errors.ts";

const SIGNATURE = "NTLMSSP\0";

export const FLAG = {
  unicode: 0x00000001,
  requestTarget: 0x00000004,
  sign: 0x00000010,
  seal: 0x00000020,
  ntlm: 0x00000200,
  alwaysSign: 0x00008000,
  extendedSessionSecurity: 0x00080000,
  targetInfo: 0x00800000,
  version: 0x02000000,
  key128: 0x20000000,
  keyExchange: 0x40000000,
  key56: 0x80000000,
} as const;

/** Everything that this side can do and wants: NTLMv2, signed and sealed with 128-bit keys. */
export const WANTED = Object.values(FLAG).reduce((sum, flag) => sum + flag, 0);

export const has = (flags: number, flag: number): boolean => Math.floor(flags / flag) % 2 === 1;

/** Ids of the facts that a server tells of itself. */
export const AV = { end: 0, flags: 6, timestamp: 7, targetName: 9, channelBindings: 10 } as const;

export interface AvPair {
  readonly id: number;
  readonly value: Buffer;
}

export interface Challenge {
  readonly flags: number;
  /** 8 bytes. */
  readonly nonce: Buffer;
  readonly target: readonly AvPair[];
  readonly bytes: Buffer;
}

/** Windows 10, as most clients say. */
const VERSION = Buffer.from([10, 0, 0x61, 0x4a, 0, 0, 0, 15]);

export function negotiateMessage(): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.write(SIGNATURE, "latin1");
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(WANTED, 12);
  // No domain, no workstation: both empty, at the end.
  bytes.writeUInt32LE(40, 20);
  bytes.writeUInt32LE(40, 28);
  VERSION.copy(bytes, 32);
  return bytes;
}

/** Bytes that a host tells of itself; its names and its time are some hundred. What is sent back must fit 16 bits. */
const MOST_TARGET = 16 * 1024;
/** Those of its facts that are read have one length. */
const LENGTHS: ReadonlyMap<number, number> = new Map([
  [AV.flags, 4],
  [AV.timestamp, 8],
]);

function malformed(why: string): AppError {
  return new AppError("unavailable", "host.protocol", `The host's NTLM challenge cannot be understood: ${why}.`);
}

/** Throws `host.protocol`. */
export function readChallenge(bytes: Buffer): Challenge {
  if (bytes.length < 32 || bytes.toString("latin1", 0, 8) !== SIGNATURE) throw malformed("it is none");
  if (bytes.readUInt32LE(8) !== 2) throw malformed("it is another message");
  const flags = bytes.readUInt32LE(20);
  if (!has(flags, FLAG.targetInfo) || bytes.length < 48) throw malformed("it says nothing of the host (no NTLMv2)");
  const length = bytes.readUInt16LE(40);
  const offset = bytes.readUInt32LE(44);
  if (offset + length > bytes.length) throw malformed("it is cut");
  if (length > MOST_TARGET) throw malformed("it says too much of the host");
  return { flags, nonce: bytes.subarray(24, 32), target: readPairs(bytes.subarray(offset, offset + length)), bytes };
}

function readPairs(bytes: Buffer): AvPair[] {
  const pairs: AvPair[] = [];
  for (let at = 0; ; ) {
    if (at + 4 > bytes.length) throw malformed("its list has no end");
    const id = bytes.readUInt16LE(at);
    const length = bytes.readUInt16LE(at + 2);
    if (id === AV.end) return pairs;
    if (at + 4 + length > bytes.length) throw malformed("its list is cut");
    if ((LENGTHS.get(id) ?? length) !== length) throw malformed("a fact in it has a wrong length");
    pairs.push({ id, value: bytes.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
}

export function writePairs(pairs: readonly AvPair[]): Buffer {
  const parts = [...pairs, { id: AV.end, value: Buffer.alloc(0) }].map(({ id, value }) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(id, 0);
    head.writeUInt16LE(value.length, 2);
    return Buffer.concat([head, value]);
  });
  return Buffer.concat(parts);
}

export interface AuthenticateParts {
  readonly flags: number;
  readonly domain: string;
  readonly user: string;
  readonly workstation: string;
  readonly lmResponse: Buffer;
  readonly ntResponse: Buffer;
  readonly sessionKey: Buffer;
}

/** Where the message integrity code lies; zeros until it is known. */
export const MIC_AT = 72;
const BODY_AT = 88;

export function authenticateMessage(parts: AuthenticateParts): Buffer {
  const head = Buffer.alloc(BODY_AT);
  head.write(SIGNATURE, "latin1");
  head.writeUInt32LE(3, 8);
  const text = (value: string) => Buffer.from(value, "utf16le");
  const fields: readonly [number, Buffer][] = [
    [28, text(parts.domain)],
    [36, text(parts.user)],
    [44, text(parts.workstation)],
    [12, parts.lmResponse],
    [20, parts.ntResponse],
    [52, parts.sessionKey],
  ];
  let at = BODY_AT;
  for (const [field, value] of fields) {
    head.writeUInt16LE(value.length, field);
    head.writeUInt16LE(value.length, field + 2);
    head.writeUInt32LE(at, field + 4);
    at += value.length;
  }
  head.writeUInt32LE(parts.flags, 60);
  VERSION.copy(head, 64);
  return Buffer.concat([head, ...fields.map(([, value]) => value)]);
}
