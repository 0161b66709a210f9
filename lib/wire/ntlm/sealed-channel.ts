/** Messages sealed and signed under the key of an NTLM sign-in, in both directions. Source: [MS-NLMP] 3.4. */
import { timingSafeEqual } from "node:crypto";
import { AppError } from "#lib/errors.ts";
import { type Direction, hmacMd5, sealKey, signKey } from "./keys.ts";
import { Rc4 } from "./rc4.ts";

const SIGNATURE_BYTES = 16;

class Half {
  readonly #sign: Buffer;
  readonly #stream: Rc4;
  #sequence = 0;

  constructor(sessionKey: Buffer, from: Direction) {
    this.#sign = signKey(sessionKey, from);
    this.#stream = new Rc4(sealKey(sessionKey, from));
  }

  apply(bytes: Uint8Array): Buffer {
    return this.#stream.apply(bytes);
  }

  /** Of the message in the clear, after it went through the stream: the order is part of the protocol. */
  signature(message: Uint8Array): Buffer {
    const number = Buffer.alloc(4);
    number.writeUInt32LE(this.#sequence);
    this.#sequence = (this.#sequence + 1) % 2 ** 32;
    const checksum = this.#stream.apply(hmacMd5(this.#sign, number, message).subarray(0, 8));
    return Buffer.concat([Buffer.from([1, 0, 0, 0]), checksum, number]);
  }
}

export class SealedChannel {
  readonly protocol = "application/HTTP-SPNEGO-session-encrypted";
  readonly #out: Half;
  readonly #in: Half;

  constructor(sessionKey: Buffer, side: Direction) {
    this.#out = new Half(sessionKey, side);
    this.#in = new Half(sessionKey, side === "client" ? "server" : "client");
  }

  seal(message: Uint8Array): { signature: Buffer; sealed: Buffer } {
    const sealed = this.#out.apply(message);
    return { signature: this.#out.signature(message), sealed };
  }

  /** Throws `host.protocol` when the message was changed on its way, left out or repeated. */
  unseal(signature: Uint8Array, sealed: Uint8Array): Buffer {
    const message = this.#in.apply(sealed);
    const expected = this.#in.signature(message);
    if (signature.length !== SIGNATURE_BYTES || !timingSafeEqual(expected, signature)) {
      throw new AppError("unavailable", "host.protocol", "A sealed answer of the host does not carry its signature.", {
        hint: "Something between here and the host changes what it says.",
      });
    }
    return message;
  }
}
