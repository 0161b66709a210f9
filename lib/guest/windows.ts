/** Windows on an NTFS volume: by its own folder and registry. NTFS alone says nothing, every data disk has it. */
import type { GuestFacts } from "#lib/domain/guest.ts";
import { hiveValues } from "./readers/hive.ts";
import type { NtfsReader } from "./readers/ntfs.ts";

const CONFIG = "Windows/System32/config";
/** Windows 11 calls itself Windows 10 in its registry; the build tells them apart. */
const FIRST_ELEVEN = 22_000;

export const WINDOWS: NonNullable<GuestFacts["os"]> = {
  id: "windows",
  name: "Windows",
  version: null,
  family: "windows",
};

/** Null: there is no Windows on the volume. */
export async function windowsOn(volume: NtfsReader): Promise<GuestFacts["os"]> {
  if (!(await volume.exists(`${CONFIG}/SYSTEM`)) && !(await volume.exists(`${CONFIG}/SOFTWARE`))) return null;
  const hive = await volume.open(`${CONFIG}/SOFTWARE`);
  const values =
    hive === null
      ? null
      : await hiveValues(hive, "Microsoft\\Windows NT\\CurrentVersion", ["ProductName", "CurrentBuild"]);
  const product = values?.get("ProductName");
  if (product === undefined || product === "") return WINDOWS;
  const build = values?.get("CurrentBuild") ?? null;
  const eleven = build !== null && Number(build) >= FIRST_ELEVEN;
  return { ...WINDOWS, name: eleven ? product.replace(/^Windows 10\b/, "Windows 11") : product, version: build };
}
