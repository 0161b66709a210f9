import { describe, expect, it } from "vitest";
import { answerChallenge, splitAccount } from "./client.ts";
import { ntlmV2Response, responseKey } from "./keys.ts";
import { md4 } from "./md4.ts";
import { readChallenge } from "./messages.ts";
import { Rc4 } from "./rc4.ts";
import { SealedChannel } from "./sealed-channel.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

describe("MD4 and RC4", () => {
  it.each([
    ["", "31d6cfe0d16ae931b73c59d7e0c089c0"],
    ["abc", "a448017aaf21d8525fc10ae87aa6729d"],
    ["message digest", "d9130a8164549fe818874806e1c7014b"],
    [
      "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
      "e33b4ddc9c38f2199c3e7b164fcc0536",
    ],
  ])("digests %j as RFC 1320 does", (text, digest) => expect(md4(Buffer.from(text)).toString("hex")).toBe(digest));

  it("makes the key stream that everybody knows", () => {
    expect(new Rc4(Buffer.from("Key")).apply(Buffer.from("Plaintext")).toString("hex")).toBe("bbf316e8d940af0ad3");
  });
});

/** The example of [MS-NLMP] 4.2.4. */
describe("the specification's own sign-in", () => {
  const key = responseKey("User", "Domain", "Password");
  const target = hex("02000c0044006f006d00610069006e00 01000c0053006500720076006500720000000000");

  it("derives the same keys", () => {
    expect(key.toString("hex")).toBe("0c868a403bfd7a93a3001ef22ef02e3f");
    const { response, sessionBaseKey } = ntlmV2Response({
      key,
      nonce: hex("0123456789abcdef"),
      clientNonce: hex("aaaaaaaaaaaaaaaa"),
      time: Buffer.alloc(8),
      target,
    });
    expect(response.subarray(0, 16).toString("hex")).toBe("68cd0ab851e51c96aabc927bebef6a1c");
    expect(sessionBaseKey.toString("hex")).toBe("8de40ccadbc14a82f15cb0ad0de95ca3");
    expect(new Rc4(sessionBaseKey).apply(Buffer.alloc(16, 0x55)).toString("hex")).toBe(
      "c5dad2544fc9799094ce1ce90bc9d03e",
    );
  });

  it("seals and signs the same message", () => {
    const { sealed, signature } = new SealedChannel(Buffer.alloc(16, 0x55), "client").seal(
      Buffer.from("Plaintext", "utf16le"),
    );
    expect(sealed.toString("hex")).toBe("54e50165bf1936dc996020c1811b0f06fb5f");
    expect(signature.toString("hex")).toBe("010000007fb38ec5c55d497600000000");
  });
});

describe("a sealed channel", () => {
  const key = Buffer.alloc(16, 7);

  it("carries messages both ways, each with its own number", () => {
    const client = new SealedChannel(key, "client");
    const server = new SealedChannel(key, "server");
    for (const text of ["one", "two", ""]) {
      const { sealed, signature } = client.seal(Buffer.from(text));
      expect(server.unseal(signature, sealed).toString()).toBe(text);
    }
    const back = server.seal(Buffer.from("back"));
    expect(client.unseal(back.signature, back.sealed).toString()).toBe("back");
  });

  it("refuses what was changed, and what was said before", () => {
    const client = new SealedChannel(key, "client");
    const changed = client.seal(Buffer.from("start"));
    changed.sealed[0] = 255 - (changed.sealed[0] ?? 0);
    expect(() => new SealedChannel(key, "server").unseal(changed.signature, changed.sealed)).toThrow(/signature/);
    const server = new SealedChannel(key, "server");
    const once = new SealedChannel(key, "client").seal(Buffer.from("start"));
    server.unseal(once.signature, once.sealed);
    expect(() => server.unseal(once.signature, once.sealed)).toThrow(/signature/);
  });
});

describe("a challenge", () => {
  it.each([
    ["nothing", Buffer.alloc(0)],
    ["another message", Buffer.concat([Buffer.from("NTLMSSP\0"), Buffer.alloc(60)])],
    ["a list that leads out of it", listAt(40_000, 8)],
    ["a list without an end", listAt(48, 8)],
  ])("that is %s is refused", (_what, bytes) => expect(() => readChallenge(bytes)).toThrow(/NTLM challenge/));

  function listAt(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(56, 1);
    bytes.write("NTLMSSP\0", "latin1");
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(0xe28a8215, 20);
    bytes.writeUInt16LE(length, 40);
    bytes.writeUInt32LE(offset, 44);
    return bytes;
  }

  it("that offers no sealing is not answered", () => {
    const bytes = listAt(48, 4);
    bytes.writeUInt32LE(0x00808201, 20);
    bytes.fill(0, 48);
    expect(() =>
      answerChallenge(bytes, { user: "a", password: "b" }, { service: "HTTP/h", certificate: null }),
    ).toThrow(/seal/);
  });

  it("names the account's domain as it was typed", () => {
    expect(splitAccount("LAB\\ops")).toEqual({ domain: "LAB", user: "ops" });
    expect(splitAccount("ops@lab.example")).toEqual({ domain: "", user: "ops@lab.example" });
  });
});
