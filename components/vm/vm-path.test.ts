import { expect, it } from "vitest";
import { parseVmKey, vmKey, vmPath } from "./vm-path.ts";

const vm = { hostId: "h-1", ref: "group/a b%" };

it("keeps any identifier whole", () => {
  expect(vmPath(vm)).toBe("/vms/h-1/group%2Fa%20b%25");
  expect(parseVmKey(vmKey(vm))).toEqual(vm);
});

it.each([null, "", "h-1", "h-1/", "/ref"])("does not take %j for a VM", (key) => expect(parseVmKey(key)).toBeNull());
