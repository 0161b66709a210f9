/**
 * Identifiers and times make each file another one. For `vi.mock("node:crypto", sameIds)`: without them, files that are
 * otherwise equal are equal, and need be judged only once.
 */
export async function sameIds(original: () => Promise<unknown>): Promise<Record<string, unknown>> {
  return {
    ...((await original()) as Record<string, unknown>),
    randomBytes: (length: number) => Buffer.alloc(length, 0x5a),
    randomInt: () => 0x00c0_ffee,
    randomUUID: () => "5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a",
  };
}

export const SAME_TIME = { toFake: ["Date" as const], now: Date.parse("2024-02-29T12:00:00Z") };
