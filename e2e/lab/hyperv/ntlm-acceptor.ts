/** The server's side of an NTLMv2 sign-in, for the simulated host. Source: [MS-NLMP] 3.2.5. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { hmacMd5, responseKey } from "#lib/wire/ntlm/keys.ts";
import { AV, FLAG, has, MIC_AT, WANTED, writePairs } from "#lib/wire/ntlm/messages.ts";
import { Rc4 } from "#lib/wire/ntlm/rc4.ts";
import { SealedChannel } from "#lib/wire/ntlm/sealed-channel.ts";

export interface Account {
  readonly user: string;
  readonly password: string;
}

/** One connection's sign-in: a challenge, then the answer to it. */
export class NtlmAcceptor {
  readonly #hostName: string;
  readonly #certificate: Buffer | null;
  readonly #nonce = randomBytes(8);
  #first = Buffer.alloc(0);
  #challenge = Buffer.alloc(0);

  /** `certificate`: DER of the TLS certificate; clients must then bind the sign-in to it. */
  constructor(hostName: string, certificate: Buffer | null) {
    this.#hostName = hostName;
    this.#certificate = certificate;
  }

  challenge(first: Buffer): Buffer {
    this.#first = Buffer.from(first);
    const name = Buffer.from(this.#hostName.toUpperCase(), "utf16le");
    const time = Buffer.alloc(8);
    time.writeBigUInt64LE((BigInt(Date.now()) + 11_644_473_600_000n) * 10_000n);
    const info = writePairs([
      { id: 2, value: name },
      { id: 1, value: name },
      { id: 4, value: Buffer.from(this.#hostName, "utf16le") },
      { id: 3, value: Buffer.from(this.#hostName, "utf16le") },
      { id: AV.timestamp, value: time },
    ]);
    const head = Buffer.alloc(56);
    head.write("NTLMSSP\0", "latin1");
    head.writeUInt32LE(2, 8);
    head.writeUInt16LE(name.length, 12);
    head.writeUInt16LE(name.length, 14);
    head.writeUInt32LE(56, 16);
    // What the client asked for, as far as it is known here; the target is a server.
    const asked = first.readUInt32LE(12);
    let flags = 0x00020000 + FLAG.targetInfo;
    for (let bit = 0; bit < 32; bit++) {
      const flag = 2 ** bit;
      if (flag !== FLAG.targetInfo && has(asked, flag) && has(WANTED, flag)) flags += flag;
    }
    head.writeUInt32LE(flags, 20);
    this.#nonce.copy(head, 24);
    head.writeUInt16LE(info.length, 40);
    head.writeUInt16LE(info.length, 42);
    head.writeUInt32LE(56 + name.length, 44);
    Buffer.from([10, 0, 0x63, 0x45, 0, 0, 0, 15]).copy(head, 48);
    this.#challenge = Buffer.concat([head, name, info]);
    return this.#challenge;
  }

  /** The channel when the password was right; null else. */
  accept(last: Buffer, accounts: readonly Account[]): SealedChannel | null {
    const field = (at: number): Buffer => {
      const length = last.readUInt16LE(at);
      const offset = last.readUInt32LE(at + 4);
      return last.subarray(offset, offset + length);
    };
    // Some clients speak of names in the code page only, and Windows takes that.
    const encoding = has(last.readUInt32LE(60), FLAG.unicode) ? "utf16le" : "latin1";
    const domain = field(28).toString(encoding);
    const user = field(36).toString(encoding);
    const account = accounts.find((known) => known.user.toLowerCase() === user.toLowerCase());
    if (account === undefined) return null;
    const response = field(20);
    const blob = response.subarray(16);
    const key = responseKey(user, domain, account.password);
    const proof = hmacMd5(key, this.#nonce, blob);
    if (response.length < 44 || !timingSafeEqual(proof, response.subarray(0, 16))) return null;
    const pairs = readPairs(blob.subarray(28));
    if (this.#certificate !== null && !this.#isBound(pairs.get(AV.channelBindings))) return null;
    const sessionBaseKey = hmacMd5(key, proof);
    const sessionKey = new Rc4(sessionBaseKey).apply(field(52));
    if (has(pairs.get(AV.flags)?.readUInt32LE(0) ?? 0, 2)) {
      const zeroed = Buffer.from(last);
      zeroed.fill(0, MIC_AT, MIC_AT + 16);
      const mic = hmacMd5(sessionKey, this.#first, this.#challenge, zeroed);
      if (!timingSafeEqual(mic, last.subarray(MIC_AT, MIC_AT + 16))) return null;
    }
    return new SealedChannel(sessionKey, "server");
  }

  #isBound(given: Buffer | undefined): boolean {
    if (given === undefined || this.#certificate === null) return false;
    const data = Buffer.concat([
      Buffer.from("tls-server-end-point:"),
      createHash("sha256").update(this.#certificate).digest(),
    ]);
    const head = Buffer.alloc(20);
    head.writeUInt32LE(data.length, 16);
    return createHash("md5").update(head).update(data).digest().equals(given);
  }
}

function readPairs(bytes: Buffer): Map<number, Buffer> {
  const pairs = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const id = bytes.readUInt16LE(at);
    const length = bytes.readUInt16LE(at + 2);
    if (id === AV.end) break;
    pairs.set(id, bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return pairs;
}
