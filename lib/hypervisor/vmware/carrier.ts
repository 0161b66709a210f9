/**
 * A disk on its way to a VM that is not there yet: vSphere takes disks with a VM around them only, so each comes in a
 * small one of its own, which later becomes the VM, or hands its disk over and goes.
 */
import type { DiskSpec, ResourceRef } from "../adapter.ts";
import { AppError } from "#lib/errors.ts";
import { textAt } from "#lib/wire/soap/element.ts";
import { xml, type XmlText } from "#lib/wire/soap/xml-text.ts";
import { controllersFor, deviceChange, diskDevice, typed } from "./device-spec.ts";
import { folderExists } from "./disk-files.ts";
import { childOf, findVm, SETTING, uuidOf } from "./find-vm.ts";
import { Lease } from "./lease.ts";
import { MAX_DISK } from "./limits.ts";
import { AUTOMATIC, type Place } from "./place.ts";
import { ref, refXml, type Ref } from "./ref.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { asAppError, isFault } from "./vim-fault.ts";

const MEMORY_MB = 64;

export function diskRef(spec: Pick<DiskSpec, "poolRef" | "name">): ResourceRef {
  return { kind: "disk", ref: `${spec.poolRef}/${spec.name}`, label: `disk ${spec.name}` };
}

export function optionValue(key: string, value: string): XmlText {
  return typed("extraConfig", "OptionValue", xml`<key>${key}</key>${typed("value", "xsd:string", xml`${value}`)}`);
}

/** Null: it is not there, or not ours. */
export function findCarrier(client: VimClient, resource: string, options: CallOptions = {}): Promise<Ref | null> {
  const name = resource.slice(resource.lastIndexOf("/") + 1);
  return findVm(client, { key: SETTING.disk, value: resource, uuid: uuidOf(resource), hint: name }, options);
}

/** Throws `disk.exists` when something has the name: a VM in the folder, or files in the datastore. */
export async function requireFree(
  client: VimClient,
  spec: DiskSpec,
  place: Place,
  options: CallOptions = {},
): Promise<void> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/.test(spec.name))
    throw new AppError("invalid", "host.refused", `“${spec.name}” cannot be the name of a disk.`);
  if (spec.virtualSize > MAX_DISK)
    throw new AppError("unprocessable", "host.refused", `vSphere takes disks of 62 TiB at most.`);
  const taken =
    (await childOf(client, place.folder, spec.name, options)) !== null ||
    (await folderExists(client, place.datastore.ref, place.datastore.name, spec.name, options));
  if (taken)
    throw new AppError(
      "conflict",
      "disk.exists",
      `There is something called ${spec.name} in the datastore ${place.datastore.name} already.`,
      {
        hint: "Choose another name.",
      },
    );
}

/** Makes the carrier and opens its lease; the disk's bytes are what is missing. */
export async function importCarrier(
  client: VimClient,
  spec: DiskSpec,
  place: Place,
  signal?: AbortSignal,
): Promise<Lease> {
  const resource = diskRef(spec);
  const doing = `Making the disk ${spec.name} in the datastore ${place.datastore.name} of ${client.name}`;
  const { changes, slots } = controllersFor(["scsi"]);
  const [slot] = slots;
  if (slot === undefined) throw new AppError("internal", "host.refused", "A disk has no place.");
  const version = spec.placement["hardware-version"] ?? AUTOMATIC;
  const disk = diskDevice({ key: -200, file: null, slot, capacity: spec.virtualSize });
  const config = xml`<name>${spec.name}</name>${version === AUTOMATIC ? null : xml`<version>${version}</version>`}<instanceUuid>${uuidOf(resource.ref)}</instanceUuid><guestId>otherGuest64</guestId><annotation>A disk on its way to a VM. Supravisor removes it when the work is over.</annotation><files><vmPathName>${`[${place.datastore.name}]`}</vmPathName></files><numCPUs>1</numCPUs><memoryMB>${MEMORY_MB}</memoryMB>${changes}${deviceChange("add", disk, "create")}${optionValue(SETTING.disk, resource.ref)}`;
  const importSpec = typed("spec", "VirtualMachineImportSpec", xml`<configSpec>${config}</configSpec>`);
  const host = place.host === null ? null : refXml("host", place.host.ref);
  try {
    const reply = await client.call(
      "ImportVApp",
      place.pool,
      xml`${importSpec}${refXml("folder", place.folder)}${host}`,
      { signal, timeout: 300_000 },
    );
    return await Lease.ready(client, ref("HttpNfcLease", textAt(reply, "returnval") ?? ""), doing, signal);
  } catch (error) {
    if (isFault(error, "DuplicateName", "AlreadyExists", "FileAlreadyExists"))
      throw new AppError(
        "conflict",
        "disk.exists",
        `There is something called ${spec.name} in the datastore ${place.datastore.name} already.`,
        { cause: error },
      );
    throw asAppError(error, doing);
  }
}
