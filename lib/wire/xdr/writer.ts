/** XDR encoding (RFC 4506): big-endian, everything padded to four bytes. */

export class XdrWriter {
  readonly #parts: Buffer[] = [];

  int(value: number): this {
    const part = Buffer.alloc(4);
    part.writeInt32BE(value);
    this.#parts.push(part);
    return this;
  }

  uint(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32BE(value);
    this.#parts.push(part);
    return this;
  }

  /** Unsigned 64 bits. */
  hyper(value: number): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64BE(BigInt(value));
    this.#parts.push(part);
    return this;
  }

  /** Fixed-length opaque. */
  fixed(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes));
    const over = bytes.length % 4;
    if (over !== 0) this.#parts.push(Buffer.alloc(4 - over));
    return this;
  }

  string(value: string): this {
    const bytes = Buffer.from(value, "utf8");
    return this.uint(bytes.length).fixed(bytes);
  }

  /** A pointer to a string: 0, or 1 and the string. */
  optionalString(value: string | null): this {
    return value === null ? this.uint(0) : this.uint(1).string(value);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
