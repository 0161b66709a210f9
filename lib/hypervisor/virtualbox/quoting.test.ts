import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  encodedPowerShell,
  posixCommand,
  windowsCommandLine,
  windowsInstallFolder,
  windowsProgram,
  windowsSpace,
} from "./quoting.ts";

const NASTY = [
  "",
  " ",
  "a b",
  `"`,
  `'`,
  `\\`,
  `a\\"b\\`,
  "$HOME `id` $(id)",
  "%PATH%",
  "a\nb",
  "東京",
  "-x",
  "*?!",
  "a;b|c&d",
];

it.each(["sh", "bash"])("a %s gets the arguments as they are", (shell) => {
  const command = posixCommand({ LANG: "C.UTF-8", ODD: "a 'b'" }, "/usr/bin/printf", ["%s\\0", ...NASTY]);
  const got = execFileSync(shell, ["-c", command], { encoding: "utf8" });
  expect(got.split("\0").slice(0, -1)).toEqual(NASTY);
});

/** Python's own writer of Windows command lines, and its reader's rules: two others' word for ours. */
it("a Windows command line is what Python writes for the same arguments", () => {
  const lists = fc.sample(
    fc.array(fc.string({ unit: fc.constantFrom("a", " ", `"`, "\\", "\t", "東") }), { minLength: 1 }),
    200,
  );
  const script =
    "import json,subprocess,sys; print(json.dumps([subprocess.list2cmdline(a) for a in json.load(sys.stdin)]))";
  const said: unknown = JSON.parse(
    execFileSync("python3", ["-c", script], { input: JSON.stringify(lists), encoding: "utf8" }),
  );
  expect(lists.map(windowsCommandLine)).toEqual(said);
});

const decoded = (command: string): string =>
  Buffer.from(/ -EncodedCommand ([A-Za-z0-9+/=]+)$/.exec(command)?.[1] ?? "", "base64").toString("utf16le");

it("neither cmd.exe nor PowerShell finds anything to interpret", () => {
  const command = windowsProgram("C:\\Program Files\\Oracle\\VirtualBox\\VBoxManage.exe", [
    `it's ’ "x" %PATH% $(calc)`,
  ]);
  expect(command).toMatch(/^powershell\.exe( -[A-Za-z]+)+ [A-Za-z0-9+/=]+$/);
  // Every kind of single quote ends a PowerShell string, and is doubled.
  expect(decoded(command)).toContain(`'"it''s ’’ \\"x\\" %PATH% $(calc)"'`);
  expect(decoded(windowsSpace("C:\\it's"))).toContain("'C:\\it''s'");
});

it("reads what a program wrote in the machine's code page, and hands it on as UTF-8", () => {
  const script = decoded(windowsProgram("C:\\VBoxManage.exe", ["list", "vms"]));
  expect(script).toContain("$u=[Text.UTF8Encoding]::new($false);[Console]::OutputEncoding=$u");
  expect(script).toContain("$a=[Text.Encoding]::Default;$i.StandardOutputEncoding=$a;$i.StandardErrorEncoding=$a");
  expect(decoded(windowsInstallFolder())).toMatch(
    /^\[Console\]::OutputEncoding=\[Text\.UTF8Encoding\]::new\(\$false\);/,
  );
});

it("refuses what cmd.exe would cut off", () => {
  expect(() => encodedPowerShell("x".repeat(4000))).toThrow("too long");
});
