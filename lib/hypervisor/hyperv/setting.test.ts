import { expect, it } from "vitest";
import { setting } from "./setting.ts";

it("writes each property with the type of its class, which no caller names", () => {
  expect(setting("Msvm_VirtualSystemSnapshotSettingData", { ConsistencyLevel: 1 })).toContain(
    '<PROPERTY NAME="ConsistencyLevel" TYPE="uint8"><VALUE>1</VALUE>',
  );
  const system = setting("Msvm_VirtualSystemSettingData", {
    ElementName: "web",
    BootOrder: [2, 1],
    SecureBootEnabled: null,
    AutomaticSnapshotsEnabled: false,
  });
  expect(system).toContain(
    '<PROPERTY.ARRAY NAME="BootOrder" TYPE="uint16"><VALUE.ARRAY><VALUE>2</VALUE><VALUE>1</VALUE>',
  );
  expect(system).toContain('<PROPERTY NAME="AutomaticSnapshotsEnabled" TYPE="boolean"><VALUE>false</VALUE>');
  expect(system).not.toContain("SecureBootEnabled");
});
