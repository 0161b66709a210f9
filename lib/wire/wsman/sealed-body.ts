/** A SOAP message sealed under a sign-in, as WinRM wraps it. Source: [MS-WSMV] 2.2.9.1. */
import { AppError } from "#lib/errors.ts";

const BOUNDARY = "Encrypted Boundary";
const SOAP = "application/soap+xml;charset=UTF-8";
/** The longest signature of any way to sign in is far below. */
const MOST_SIGNATURE = 1024;

/** Seals what is said over one connection, in the order in which it is said. */
export interface MessageSeal {
  /** Its name in the content type. */
  readonly protocol: string;
  /** `sealed` is as long as the message. */
  seal(message: Buffer): SealedPart;
  /** Throws `host.protocol` when the message was changed on its way, left out or repeated. */
  unseal(signature: Uint8Array, sealed: Uint8Array): Buffer;
}

export interface SealedPart {
  readonly signature: Buffer;
  readonly sealed: Buffer;
}

export const sealedType = (protocol: string): string =>
  `multipart/encrypted;protocol="${protocol}";boundary="${BOUNDARY}"`;

export const sealBody = (channel: MessageSeal, message: Buffer): Buffer =>
  writeSealed(channel.protocol, channel.seal(message));

export function writeSealed(protocol: string, { signature, sealed }: SealedPart): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(signature.length);
  // The tabs are part of what WinRM expects.
  const head =
    `--${BOUNDARY}\r\n\tContent-Type: ${protocol}\r\n` +
    `\tOriginalContent: type=${SOAP};Length=${sealed.length}\r\n` +
    `--${BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), length, signature, sealed, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

function malformed(why: string): AppError {
  return new AppError("unavailable", "host.protocol", `A sealed message cannot be read: ${why}.`);
}

const HEAD =
  /^--Encrypted Boundary\r\n\t?Content-Type: (application\/HTTP-[A-Za-z]+-session-encrypted)\r\n\t?OriginalContent: type=[^\r\n]*?;Length=(\d{1,9})\r\n--Encrypted Boundary\r\n\t?Content-Type: application\/octet-stream\r\n/i;

/** A message of more than 16 KiB may come in several sealed parts, one behind another. Throws `host.protocol`. */
export function readSealed(protocol: string, body: Buffer): readonly SealedPart[] {
  const parts: SealedPart[] = [];
  for (let at = 0; ; ) {
    const head = HEAD.exec(body.toString("latin1", at, Math.min(body.length, at + 400)));
    if (head === null) throw malformed("it has no head");
    if (head[1]?.toLowerCase() !== protocol.toLowerCase()) throw malformed(`it is sealed by ${head[1]}`);
    const from = at + head[0].length + 4;
    const length = Number(head[2]);
    const signatureLength = from <= body.length ? body.readUInt32LE(from - 4) : 0;
    const sealedAt = from + signatureLength;
    if (signatureLength > MOST_SIGNATURE || sealedAt + length > body.length) throw malformed("it is cut");
    parts.push({ signature: body.subarray(from, sealedAt), sealed: body.subarray(sealedAt, sealedAt + length) });
    at = sealedAt + length;
    const rest = body.toString("latin1", at, Math.min(body.length, at + 30));
    if (rest.startsWith(`--${BOUNDARY}--`)) return parts;
    if (!rest.startsWith(`--${BOUNDARY}\r\n`)) throw malformed("a part of it does not end");
  }
}

/** Throws `host.protocol`. */
export const unsealBody = (channel: MessageSeal, body: Buffer): Buffer =>
  Buffer.concat(readSealed(channel.protocol, body).map(({ signature, sealed }) => channel.unseal(signature, sealed)));
