import { describe, expect, it } from "vitest";
import { addressRule } from "./address-rule.ts";
import { requireFetchable } from "./fetchable.ts";

const codeOf = (url: string, networks: readonly string[] = []): string => {
  try {
    requireFetchable(url, addressRule(networks, []));
    return "fetchable";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe("what is refused before anything is connected to", () => {
  it.each([
    ...["http://127.0.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/"],
    ...["http://017700000001/", "http://127.1/", "http://127.0.0.1./", "http://0/", "http://１２７.0.0.1/"],
    ...["http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/"],
    ...["http://[2002:7f00:1::]/", "http://[fe80::1]/", "http://169.254.169.254/latest/", "http://2852039166/"],
    ...["http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://a.localhost/", "http://a.localhost./"],
    ...[
      "http://ip6-localhost/",
      "http://localhost.localdomain/",
      "http://metadata.google.internal/",
      "https://10.0.0.1/",
    ],
    ...["http://[fd00::1]/", "http://l%6fcalhost/", "http://ⓛocalhost/", "http://127。0。0。1/"],
  ])("%s: an address of this server or its network", (url) => expect(codeOf(url)).toBe("import.private-address"));

  it.each([
    ...["file:///etc/passwd", "ftp://example.com/x", "gopher://example.com/", "data:text/plain,x", "ws://example.com/"],
    ...["http://user@example.com/", "http://user:secret@example.com/", "http://:secret@example.com/", "nonsense", ""],
    ...["http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://1.2.3.256/", "http://example.com:99999/"],
    ...["http://example.com:22/", "http://example.com:25/", "http://example.com:0/", "https://example.com:6667/"],
  ])("%s: no address of a file", (url) => expect(codeOf(url)).toBe("import.bad-url"));

  it.each(["http://a.invalid/", "http://127.0.0.1.nip.invalid/", "http://invalid./"])("%s: a name of nobody", (url) =>
    expect(codeOf(url)).toBe("import.unknown-host"),
  );

  it.each([
    ...["https://example.com/disk.img", "http://example.com:8080/x", "https://example.com:6443/x", "http://8.8.8.8/"],
    ...[
      "http://[2606:4700::1111]/",
      "https://localhost.example.com/",
      "https://notlocalhost/",
      "http://invalid.example/",
    ],
  ])("%s may be", (url) => expect(codeOf(url)).toBe("fetchable"));
});

it("lets into listed networks, and no further", () => {
  const listed = ["10.0.0.0/8", "fd00::/16"];
  expect(codeOf("http://10.9.8.7:9000/x", listed)).toBe("fetchable");
  expect(codeOf("http://[fd00::9]/x", listed)).toBe("fetchable");
  for (const url of ["http://192.168.0.1/", "http://127.0.0.1/", "http://localhost/", "http://169.254.169.254/"])
    expect(codeOf(url, listed), url).toBe("import.private-address");
});
