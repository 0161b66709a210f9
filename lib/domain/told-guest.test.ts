import { describe, expect, it } from "vitest";
import { toldGuest } from "./told-guest.ts";

describe("a host's word for a guest", () => {
  it.each([
    ["Debian GNU/Linux 12 (64-bit)", "debian", "12", "linux"],
    ["Debian12_64", "debian", "12", "linux"],
    ["http://debian.org/debian/11", "debian", "11", "linux"],
    ["Ubuntu 24.04", "ubuntu", "24.04", "linux"],
    ["Ubuntu Linux (64-bit)", "ubuntu", null, "linux"],
    ["Red Hat Enterprise Linux 9 (64-bit)", "rhel", "9", "linux"],
    ["http://rockylinux.org/rocky/9", "rocky", "9", "linux"],
    ["SUSE Linux Enterprise 15 (64-bit)", "sles", "15", "linux"],
    ["Other 5.x or later Linux (64-bit)", "linux", "5", "linux"],
    ["Microsoft Windows Server 2019 (64-bit)", "windows", null, "windows"],
    ["http://microsoft.com/win/2k22", "windows", null, "windows"],
    ["Windows2022_64", "windows", null, "windows"],
    ["FreeBSD 13 or later versions (64-bit)", "freebsd", null, "other"],
  ])("%s", (words, id, version, family) => {
    expect(toldGuest(words)).toEqual({ id, name: words, version, family });
  });

  it("that says nothing is unknown", () => {
    for (const words of [null, "", "Other (64-bit)", "otherGuest64", "Darwin"]) expect(toldGuest(words)).toBeNull();
  });
});
