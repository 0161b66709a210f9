/** A SOAP message sealed under an NTLM session, as WinRM wraps it. Source: [MS-WSMV] 2.2.9.1, [MS-NLMP] 3.4. */
import { AppError } from "#lib/errors.ts";
import { SIGNATURE_BYTES, type SealedChannel } from "../ntlm/sealed-channel.ts";

const PROTOCOL = "application/HTTP-SPNEGO-session-encrypted";
const BOUNDARY = "Encrypted Boundary";
const SOAP = "application/soap+xml;charset=UTF-8";

export const SEALED_TYPE = `multipart/encrypted;protocol="${PROTOCOL}";boundary="${BOUNDARY}"`;

export function sealBody(channel: SealedChannel, message: Buffer): Buffer {
  const { signature, sealed } = channel.seal(message);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(SIGNATURE_BYTES);
  // The tabs are part of what WinRM expects.
  const head =
    `--${BOUNDARY}\r\n\tContent-Type: ${PROTOCOL}\r\n` +
    `\tOriginalContent: type=${SOAP};Length=${message.length}\r\n` +
    `--${BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), length, signature, sealed, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

function malformed(why: string): AppError {
  return new AppError("unavailable", "host.protocol", `A sealed message cannot be read: ${why}.`);
}

/** A message of more than 16 KiB may come in several sealed parts, one behind another. Throws `host.protocol`. */
export function unsealBody(channel: SealedChannel, body: Buffer): Buffer {
  const messages: Buffer[] = [];
  for (let at = 0; ; ) {
    const head =
      /^--Encrypted Boundary\r\n\t?Content-Type: application\/HTTP-SPNEGO-session-encrypted\r\n\t?OriginalContent: type=[^\r\n]*?;Length=(\d{1,9})\r\n--Encrypted Boundary\r\n\t?Content-Type: application\/octet-stream\r\n/i.exec(
        body.toString("latin1", at, Math.min(body.length, at + 400)),
      );
    if (head === null) throw malformed("it has no head");
    const from = at + head[0].length;
    const length = Number(head[1]);
    if (from + 4 + SIGNATURE_BYTES + length > body.length) throw malformed("it is cut");
    if (body.readUInt32LE(from) !== SIGNATURE_BYTES) throw malformed("its signature has another length");
    const sealedAt = from + 4 + SIGNATURE_BYTES;
    messages.push(channel.unseal(body.subarray(from + 4, sealedAt), body.subarray(sealedAt, sealedAt + length)));
    at = sealedAt + length;
    const rest = body.toString("latin1", at, Math.min(body.length, at + 30));
    if (rest.startsWith(`--${BOUNDARY}--`)) return Buffer.concat(messages);
    if (!rest.startsWith(`--${BOUNDARY}\r\n`)) throw malformed("a part of it does not end");
  }
}
