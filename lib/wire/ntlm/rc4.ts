/** The RC4 key stream that NTLM seals with. It goes on from call to call. */
export class Rc4 {
  readonly #box = Uint8Array.from({ length: 256 }, (_, i) => i);
  #i = 0;
  #j = 0;

  constructor(key: Uint8Array) {
    const box = this.#box;
    for (let i = 0, j = 0; i < 256; i++) {
      j = (j + (box[i] ?? 0) + (key[i % key.length] ?? 0)) % 256;
      [box[i], box[j]] = [box[j] ?? 0, box[i] ?? 0];
    }
  }

  /** Sealing and unsealing are the same. */
  apply(bytes: Uint8Array): Buffer {
    const box = this.#box;
    const out = Buffer.alloc(bytes.length);
    for (let at = 0; at < bytes.length; at++) {
      this.#i = (this.#i + 1) % 256;
      const a = box[this.#i] ?? 0;
      this.#j = (this.#j + a) % 256;
      const b = box[this.#j] ?? 0;
      box[this.#i] = b;
      box[this.#j] = a;
      out[at] = (bytes[at] ?? 0) ^ (box[(a + b) % 256] ?? 0);
    }
    return out;
  }
}
