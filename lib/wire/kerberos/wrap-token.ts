/**
 * Wrap tokens as the peers of Windows cut them: all that is not the message in front, then the message alone. RFC 4121
 * lets the sender turn the encrypted part to the right by as many bytes as it likes (4.2.5), which does just that.
 */
import { AppError } from "#lib/errors.ts";

const HEAD = 16;
const TOKEN_ID = 0x0504;
/** In the head: bytes filled up before encrypting, bytes that were turned. */
const EXTRA_COUNT = 4;
const ROTATION = 6;
/** The head's encrypted copy and the checksum: what follows the message. */
const TAIL = HEAD + 12;
/** Random bytes before the message. */
const CONFOUNDER = 16;
export const SIGNATURE = HEAD + TAIL + CONFOUNDER;

/** `token`: as gss_wrap makes it. Throws `host.kerberos-cipher` for keys that are not AES. */
export function cutToken(token: Buffer, messageLength: number): { signature: Buffer; sealed: Buffer } {
  if (token.length < HEAD || token.readUInt16BE(0) !== TOKEN_ID || token.length !== SIGNATURE + messageLength) {
    throw new AppError("unprocessable", "host.kerberos-cipher", "The domain gave a key that is not AES.", {
      hint: "Allow AES for the account and the host (msDS-SupportedEncryptionTypes), or use HTTPS.",
    });
  }
  if (token.readUInt16BE(EXTRA_COUNT) !== 0 || token.readUInt16BE(ROTATION) !== 0)
    throw new AppError("unavailable", "host.protocol", "A message was sealed in a way that cannot be sent.");
  const head = Buffer.from(token.subarray(0, HEAD));
  head.writeUInt16BE(TAIL, ROTATION);
  const end = token.length - TAIL;
  const turned = Buffer.concat([head, token.subarray(end), token.subarray(HEAD, end)]);
  return { signature: turned.subarray(0, SIGNATURE), sealed: turned.subarray(SIGNATURE) };
}
