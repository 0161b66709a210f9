/** MD4, which today's crypto libraries leave out and NTLM still stands on. Source: RFC 1320. */

const SHIFTS = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
] as const;
const ORDER = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
  [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
] as const;
const ADD = [0, 0x5a827999, 0x6ed9eba1] as const;

const MIX = [
  (x: number, y: number, z: number) => (x & y) | (~x & z),
  (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z),
  (x: number, y: number, z: number) => x ^ y ^ z,
] as const;

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

/** 16 bytes. */
export function md4(message: Uint8Array): Buffer {
  const padded = Buffer.alloc(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  padded.writeBigUInt64LE(BigInt(message.length) * 8n, padded.length - 8);
  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
  for (let at = 0; at < padded.length; at += 64) {
    let [a = 0, b = 0, c = 0, d = 0] = state;
    for (const round of [0, 1, 2] as const) {
      for (const [step, word] of ORDER[round].entries()) {
        const mixed = (a + MIX[round](b, c, d) + padded.readUInt32LE(at + word * 4) + ADD[round]) | 0;
        [a, b, c, d] = [d, rotate(mixed, SHIFTS[round][step % 4] ?? 0), b, c];
      }
    }
    // A typed array keeps sums to 32 bits.
    for (const [i, value] of [a, b, c, d].entries()) state[i] = (state[i] ?? 0) + value;
  }
  const digest = Buffer.alloc(16);
  state.forEach((value, i) => digest.writeUInt32LE(value, i * 4));
  return digest;
}
