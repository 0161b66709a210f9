import { expect, it } from "vitest";
import { fetchScript, NO_SPACE, powershell, sendScript } from "./download-script.ts";

const transfer = {
  url: "https://10.0.0.1:20000/transfers/ab",
  header: "D:\\O'Brien’s VMs\\a $x `n.vhdx.transfer-key",
  fingerprint: "ab".repeat(32),
  path: "D:\\O'Brien’s VMs\\a $x `n.vhdx",
};

it("pins the one certificate, by code that needs no runspace", () => {
  const script = fetchScript(transfer);
  expect(script).toContain(`ServerCertificateValidationCallback=[Pin]::Of('${"ab".repeat(32)}')`);
  expect(script).toContain("ComputeHash(c.GetRawCertData())");
  expect(script).toContain("$r.Proxy=$null");
});

it("takes the token from a file: the command line holds nothing to sign in with", () => {
  for (const script of [fetchScript(transfer), sendScript(transfer, 4096)]) {
    expect(script).toContain(
      "$r.Headers.Add([IO.File]::ReadAllText('D:\\O''Brien’’s VMs\\a $x `n.vhdx.transfer-key').Trim())",
    );
    expect(script).not.toMatch(/bearer/i);
  }
});

it("keeps paths to themselves: PowerShell takes typographic quotes for plain ones", () => {
  expect(fetchScript(transfer)).toContain("[IO.File]::Open('D:\\O''Brien’’s VMs\\a $x `n.vhdx','OpenOrCreate')");
});

it("goes on at the end of what is there, or at the byte that is asked for", () => {
  expect(fetchScript(transfer)).toContain("$n=$f.Seek(0,'End');if($n -gt 0){$r.AddRange([long]$n)}");
  const send = sendScript(transfer, 4096);
  expect(send).toContain("$r.ContentLength=$f.Length-4096");
  expect(send).toContain('"bytes 4096-$($f.Length-1)/$($f.Length)"');
  expect(send).toContain("[void]$f.Seek(4096,'Begin')");
  expect(send).toContain("AllowWriteStreamBuffering=$false");
});

it("ends as curl does when the drive is full", () => expect(fetchScript(transfer)).toContain(`exit ${NO_SPACE}`));

it("fits a command line, and is what was written", () => {
  const line = powershell(
    sendScript(
      { ...transfer, path: `D:\\${"x".repeat(240)}.vhdx`, header: `D:\\${"y".repeat(240)}.vhdx.transfer-key` },
      2 ** 45,
    ),
  );
  expect(line.length).toBeLessThan(8191);
  const encoded = /-EncodedCommand (\S+)$/.exec(line)?.[1] ?? "";
  expect(Buffer.from(encoded, "base64").toString("utf16le")).toContain("x".repeat(240));
});
