/** A version 4 UUID (RFC 9562, 5.4). `crypto.randomUUID` is missing on pages that came by plain HTTP from another machine. */
export function randomUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte, index) => {
    const value = index === 6 ? 0x40 + (byte % 16) : index === 8 ? 0x80 + (byte % 64) : byte;
    return value.toString(16).padStart(2, "0");
  });
  const part = (from: number, to: number) => hex.slice(from, to).join("");
  return [part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 16)].join("-");
}
