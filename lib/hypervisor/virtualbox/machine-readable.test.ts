import { expect, it } from "vitest";
import { isWhole, parseMachineReadable } from "./machine-readable.ts";

/** As VirtualBox 7.2.22 prints it, shortened. */
const TEXT = String.raw`name="Web \"1\" & <ünïcode> 東京 ' x"
groups="/a b/c"
UUID="11111111-2222-4333-8444-555555555555"
CfgFile="C:\\VMs\\web\\web.vbox"
memory=256
VMState="poweroff"
storagecontrollername0="SATA"
"SATA-0-0"="/vms/d \"one\".vdi"
"SATA-ImageUUID-0-0"="cfb1484d-961e-4cef-8aa7-97d5e19cbe5c"
"SATA-1-0"="emptydrive"
nic1="nat"
 rec_screen0
rec_screen_id=0
description="line 1
line \"2\"
name=\"x\"
UUID="00000000-0000-4000-8000-000000000000"
"SATA-5-0"="/etc/shadow"
"
SnapshotName="snap "a" é"
SnapshotDescription="two
"SATA-6-0"="/etc/passwd"
lines"
GuestMemoryBalloon=0
`;

it("reads quoted keys, several lines, escapes, and skips what has no equals sign", async () => {
  const info = await parseMachineReadable(TEXT);
  expect(info.get("name")).toBe(`Web "1" & <ünïcode> 東京 ' x`);
  expect(info.get("CfgFile")).toBe(String.raw`C:\VMs\web\web.vbox`);
  expect(info.get("memory")).toBe("256");
  expect(info.get("SATA-0-0")).toBe(`/vms/d "one".vdi`);
  expect(info.get("SATA-ImageUUID-0-0")).toBe("cfb1484d-961e-4cef-8aa7-97d5e19cbe5c");
  expect(info.get("rec_screen_id")).toBe("0");
});

it("believes nothing that a person wrote into a description", async () => {
  const info = await parseMachineReadable(TEXT);
  expect(info.get("UUID")).toBe("11111111-2222-4333-8444-555555555555");
  expect(info.get("description")).toContain(`line "2"`);
  expect(info.has("SATA-5-0")).toBe(false);
  expect(info.has("SATA-6-0")).toBe(false);
  const unescaped = await parseMachineReadable('UUID="a"\ndescription="x"\n"SATA-5-0"="/etc/shadow"\n');
  expect([...unescaped.keys()]).toEqual(["UUID", "description"]);
});

it("takes names as older versions print them, without escapes", async () => {
  expect((await parseMachineReadable(String.raw`name="a "b" c\d"`)).get("name")).toBe(String.raw`a "b" c\d`);
});

it("takes a shared folder that is a whole drive as 6.1 prints it, and loses nothing after it", async () => {
  const text = [
    'SharedFolderNameMachineMapping1="d"',
    String.raw`SharedFolderPathMachineMapping1="D:\"`,
    "memory=256",
    'description="x"',
  ].join("\n");
  const info = await parseMachineReadable(text);
  expect([...info.keys()]).toEqual([
    "SharedFolderNameMachineMapping1",
    "SharedFolderPathMachineMapping1",
    "memory",
    "description",
  ]);
  expect(info.get("SharedFolderPathMachineMapping1")).toBe("D:\\");
  // Elsewhere such an end is an escaped quote, and the next line the same text.
  const other = await parseMachineReadable(`${String.raw`name="a \"`}\nUUID="x"\n`);
  expect([...other.keys()]).toEqual(["name"]);
});

it("sees an answer that was torn", () => {
  expect(isWhole(TEXT)).toBe(true);
  expect(isWhole(TEXT.slice(0, TEXT.indexOf("VMState")))).toBe(false);
  expect(isWhole("")).toBe(false);
});

it("ends with any text", async () => {
  expect((await parseMachineReadable('name="never closed\nmore')).get("name")).toBe("never closed\nmore");
  expect((await parseMachineReadable('"')).size).toBe(0);
  expect((await parseMachineReadable('a="')).get("a")).toBe("");
  expect((await parseMachineReadable(`x="${"\\".repeat(100_000)}`)).get("x")?.length).toBe(50_000);
});
