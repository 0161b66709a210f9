import { expect, it } from "vitest";
import * as command from "./command-line.ts";

it("puts odd paths into quotes, and refuses what cmd would not leave alone", () => {
  expect(command.quoted("D:\\O'Brien's VMs (old) & co; ^ !x! Ω\\a.vhdx")).toBe(
    "\"D:\\O'Brien's VMs (old) & co; ^ !x! Ω\\a.vhdx\"",
  );
  for (const path of ["", 'a"b', "100 %PATH%", "a\nb", "a\0", "a<b", "a>b", "a|b"])
    expect(() => command.quoted(path)).toThrow(expect.objectContaining({ code: "host.bad-path" }));
});

it("leaves every & to the shell that runs the line", () => {
  const lines = ["-----BEGIN CERTIFICATE-----", "MIIB+/=="];
  expect(command.inTurn(command.makeFolder("D:\\a"), command.writeLines("D:\\a\\c", lines))).toBe(
    'mkdir "D:\\a"& (echo -----BEGIN CERTIFICATE-----& echo MIIB+/==)> "D:\\a\\c"',
  );
  for (const line of ["a & b", "a%b", "a>b", "a\rb"])
    expect(() => command.writeLines("D:\\x", [line])).toThrow(expect.objectContaining({ code: "host.bad-path" }));
});

it("tells curl what to trust, where to go on, and no secret", () => {
  const transfer = {
    url: "https://console:20000/transfers/ab",
    resolve: "console:20000:[10.0.0.1]",
    certificate: "D:\\x.ca",
    header: "D:\\x.key",
  };
  const fetched = command.fetchFile(transfer, "D:\\x.part");
  expect(fetched).toContain('--cacert "D:\\x.ca" -H "@D:\\x.key" -C - -o "D:\\x.part" https://console:20000/');
  expect(fetched).toMatch(/^curl\.exe -q .*--noproxy "\*"/);
  expect(fetched).toContain(" --resolve console:20000:[10.0.0.1] ");
  expect(command.fetchFile({ ...transfer, resolve: null }, "D:\\x.part")).not.toContain("--resolve");
  expect(command.sendFile(transfer, "D:\\x.vhdx", 4096)).toContain('-C 4096 -T "D:\\x.vhdx" https://');
});
