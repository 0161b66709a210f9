import { expect, it } from "vitest";
import { readCurl, takesCaFile } from "./curl.ts";

const windows = (version: string, tls = "Schannel") =>
  readCurl(`curl ${version} (Windows) libcurl/${version} ${tls} zlib/1.3 WinIDN\r\nRelease-Date: 2024-07-31\r\n`);

it("knows which curl takes a file of certificates", () => {
  expect(windows("8.9.1")).toEqual({ major: 8, minor: 9, schannel: true });
  for (const [version, can] of [
    ["7.55.1", false],
    ["7.60.0", true],
    ["7.83.1", true],
    ["8.13.0", true],
  ] as const)
    expect(takesCaFile(windows(version)!), version).toBe(can);
  expect(takesCaFile(windows("7.55.1", "WinSSL")!)).toBe(false);
  // One that an administrator has put there.
  expect(takesCaFile(windows("7.55.1", "OpenSSL/1.1.0")!)).toBe(true);
});

it("sees that there is none, whatever the shell says of it", () => {
  for (const said of ["", "'curl.exe' is not recognized", "curl: try 'curl --help'"]) expect(readCurl(said)).toBeNull();
});
