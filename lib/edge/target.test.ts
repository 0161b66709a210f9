import { describe, expect, it } from "vitest";
import { readTarget } from "./target.ts";

const read = (raw: string, host = "console.example") => readTarget(raw, host);

describe("a request's path", () => {
  it.each([
    ["/", "/", ""],
    ["/api/v1/vms?host=a&q=..%2f", "/api/v1/vms", "?host=a&q=..%2f"],
    ["/sign-in/?next=//x", "/sign-in/", "?next=//x"],
    ["/%61pi/%61uth/session", "/api/auth/session", ""],
    ["/api/v1/transfers/1/debian%2012.qcow2", "/api/v1/transfers/1/debian%2012.qcow2", ""],
    ["/api/v1/transfers/1/a%3bb.raw", "/api/v1/transfers/1/a%3Bb.raw", ""],
    ["/api/v1/vms/1/vm%2fwith%5cslashes", "/api/v1/vms/1/vm%2Fwith%5Cslashes", ""],
    ["/vms/1/vm%2fname", "/vms/1/vm%2Fname", ""],
    ["/api/v1/vms/1/100%25", "/api/v1/vms/1/100%25", ""],
    ["/files/.hidden/a..b/...", "/files/.hidden/a..b/...", ""],
    ["http://console.example/api/v1/health?x=1", "/api/v1/health", "?x=1"],
    ["HTTP://CONSOLE.example", "/", ""],
  ])("%s is read as %s", (raw, path, search) => {
    expect(read(raw)).toEqual({ path, search });
    // Reading it again changes nothing: whoever reads what we hand on reads the same.
    expect(read(path + search)).toEqual({ path, search });
  });

  const dots = [
    ".",
    "..",
    "%2e",
    "%2E%2e",
    ".%2e",
    "%2e.",
    "%252e",
    "%252e%252e",
    "%25252e",
    "..;",
    "..;x=1",
    ".%3b",
    "..%3Bx",
    "..%00",
    "%2e%2e%2f",
    "..%5c",
  ];
  const places = [
    "/X/api/auth/session",
    "/api/X/auth/session",
    "/api/auth/X/session",
    "/api/v1/X/hosts",
    "/api/v1/hosts/X",
    "/_next/X/api/auth/session",
    "/vms/1/X",
    "/api/v1/vms/1/X/power",
    "/X",
  ];
  it.each(dots.flatMap((dot) => places.map((place) => place.replace("X", dot))))("refuses %s", (raw) => {
    expect(() => read(raw)).toThrow(expect.objectContaining({ code: "request.bad-path", kind: "invalid" }));
  });

  it.each([
    "//api/auth/session",
    "/api//auth/session",
    "/api/auth/session//",
    "/\\api/auth",
    "/api\\auth/session",
    "/api/auth%2fsession",
    "/api%2Fv1/hosts",
    "/api%5cv1/hosts",
    "/vms%2f1/x",
    "/vms/1%2f2/x",
    "/api/auth;x/session",
    "/api/v1/hosts;jsessionid=1",
    "/api/v1/ho\u0000sts",
    "/api/v1/hosts%00",
    "/api/v1/hosts%0d%0aX: y",
    "/api/v1/hosts%7f",
    "/api/v1/%",
    "/api/v1/%zz",
    "/api/v1/%2",
    "/api/v1/%u002e",
    "/api/v1/ho sts",
    "/api/v1/h\u00f6sts",
    "/api/v1/hosts#x",
    "*",
    "",
    "api/v1/hosts",
    "http://evil.example/api/v1/hosts",
    "http://console.example@evil.example/api/v1/hosts",
    "http://user@console.example/api/v1/hosts",
    "ftp://console.example/api/v1/hosts",
    "javascript:alert(1)",
    "http:///api/v1/hosts",
    "http://console.example/../api/auth/session",
    "http://console.example//api",
  ])("refuses %j", (raw) => {
    expect(() => read(raw)).toThrow(expect.objectContaining({ code: "request.bad-path" }));
  });
});
