import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { hostileLines, hostileXml, repeated } from "#lib/testing/hostile-text.ts";
import { guestType, parseGuestTypes } from "./guest-type.ts";
import { parseMachineReadable } from "./machine-readable.ts";
import { parseMedia } from "./media.ts";
import { parseFields, parseRecords, parseVmList } from "./records.ts";
import { parseSettings } from "./settings-file.ts";
import { vboxError } from "./vbox-error.ts";
import { withoutWarning } from "./wrapper-warning.ts";

const lines = hostileLines();
const most = 1024 ** 2;

describe("records", () => growsLinearly({ parse: (text: string) => parseRecords(text, "Name"), worst: lines, most }));
describe("fields", () => growsLinearly({ parse: parseFields, worst: lines, most }));
describe("media", () => growsLinearly({ parse: parseMedia, worst: hostileLines("UUID: 1\nParent UUID: 2\n"), most }));
describe("the list of VMs", () => growsLinearly({ parse: parseVmList, worst: hostileLines('"web" {1}\n'), most }));
describe("one machine", () =>
  growsLinearly({
    parse: parseMachineReadable,
    worst: { ...hostileLines('name="value"\n'), "a value of many lines": repeated("a\n", 'name="') },
    most,
  }));
describe("guest types", () => growsLinearly({ parse: parseGuestTypes, worst: hostileLines("ID: Debian\n"), most }));
describe("a guest's name", () =>
  growsLinearly({
    parse: (name: string) => guestType({ family: "windows", id: "windows", name, version: name }, new Set()),
    worst: { servers: repeated("server ") },
    most,
  }));
describe("errors", () =>
  growsLinearly({
    parse: (text: string) => vboxError(text, text, 1),
    worst: { ...lines, "errors in one line": repeated("VBoxManage: error: ", "", "\u2028x") },
    most,
  }));
describe("the wrapper's warning", () =>
  growsLinearly({
    parse: withoutWarning,
    worst: { blanks: repeated("\n ", "WARNING: The vboxdrv kernel module is not loaded") },
    most,
  }));
describe("settings files", () => growsLinearly({ parse: parseSettings, worst: hostileXml("VirtualBox"), most }));

it("reads names with line breaks and quotes, and none that does not end", async () => {
  const uuid = "11111111-2222-4333-8444-555555555555";
  expect([...(await parseVmList(`"a\n"b" {${uuid}}\n"c`))]).toEqual([[uuid, 'a\n"b']]);
});
