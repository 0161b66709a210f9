/** Some thousand mutants of hosts' answers on every run; `npm run fuzz` goes on for as long as it is asked to. */
import { describe, expect, it } from "vitest";
import { fuzzPeer, PEER_PARSERS } from "./testing-mutants.ts";

describe("mutants of hosts' answers", () => {
  it.each(Object.entries(PEER_PARSERS))("what is good is read: %s", async (_name, { good, read }) => {
    await expect(Promise.resolve(good).then(read)).resolves.toBeDefined();
  });

  it.each(Object.keys(PEER_PARSERS))("end in a typed error or in a value: %s", async (name) => {
    const { read, refused, broken } = await fuzzPeer(name, 1, 1000);
    expect(broken).toEqual([]);
    expect(read + refused).toBe(1000);
  });
});
