/** A VM out of the carriers of its disks: the first becomes the VM, the others hand their disks over and go. */
import type { VmSpec } from "../adapter.ts";
import { AppError } from "#lib/errors.ts";
import { numberAt, textAt, type Element } from "#lib/wire/soap/element.ts";
import { xml, type XmlText } from "#lib/wire/soap/xml-text.ts";
import { findCarrier, optionValue } from "./carrier.ts";
import {
  cdDevice,
  controllersFor,
  deviceChange,
  diskDevice,
  nicDevice,
  requireFixedMac,
  removal,
} from "./device-spec.ts";
import { moveDisk, parsePath } from "./disk-files.ts";
import { SETTING } from "./find-vm.ts";
import { datacenterOf, type Infrastructure } from "./infrastructure.ts";
import { CONTROLLER_BUS } from "./map-devices.ts";
import { annotationOf } from "./map-vm.ts";
import { escapedName } from "./name.ts";
import { propertiesOf } from "./properties.ts";
import { refOf, type Ref } from "./ref.ts";
import { runTask } from "./task.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { isFault } from "./vim-fault.ts";

interface Carried {
  readonly vm: Ref;
  readonly device: Element;
  readonly file: string;
  readonly capacity: number;
}

export interface Composing {
  readonly client: VimClient;
  readonly infra: Infrastructure;
  readonly guestId: string;
  readonly coresPerSocket: number;
  readonly options: CallOptions;
}

export function vmExists(name: string): AppError {
  return new AppError("conflict", "vm.exists", `There is a VM “${name}” on this host already.`, {
    hint: "Choose another name.",
  });
}

/** Throws VimFault and AppError `vm.exists`, `disk.not-found`, `host.refused`. Answers the VM, which is stopped. */
export async function composeVm(work: Composing, spec: VmSpec, tag: string): Promise<Ref> {
  const { client, options } = work;
  for (const { mac } of spec.nics) requireFixedMac(mac);
  const carried: Carried[] = [];
  for (const disk of spec.disks) carried.push(await carriedDisk(work, disk.resource.ref, disk.resource.label));
  const [first, ...others] = carried;
  if (first === undefined)
    throw new AppError("unprocessable", "host.refused", "A VM on vSphere is made from at least one disk.");
  const { vm } = first;
  const folder = refOf((await propertiesOf(client, vm, ["parent"], options)).get("parent"));
  const datacenter =
    folder === null ? undefined : work.infra.datacenters.get(datacenterOf(work.infra, folder.id) ?? "");
  if (folder === null || datacenter === undefined)
    throw new AppError("unprocessable", "host.refused", `The data centre of ${spec.name} cannot be seen by this user.`);
  const files = [first.file, ...others.map((other) => targetFile(first.file, other.file))];
  // From here on the VM is found by its tag, and the names of its files with it.
  await reconfigure(
    work,
    vm,
    xml`<instanceUuid>${tag}</instanceUuid><annotation>${annotationOf(spec.description, tag)}</annotation>${optionValue(SETTING.tag, tag)}${optionValue(SETTING.disk, "")}${optionValue(SETTING.files, JSON.stringify(files))}`,
  );
  await rename(work, vm, spec.name);
  for (const [index, other] of others.entries()) {
    const file = files[index + 1] ?? "";
    await reconfigure(work, other.vm, xml`${optionValue(SETTING.files, JSON.stringify([other.file]))}`);
    await reconfigure(work, other.vm, detach(other.device));
    try {
      await moveDisk(client, other.file, file, datacenter.ref, options);
    } catch (error) {
      // Datastores that are no file systems keep each disk where it was made.
      if (!isFault(error, "NotSupported", "NotImplemented", "InvalidDatastorePath")) throw error;
      files[index + 1] = other.file;
      await reconfigure(work, vm, optionValue(SETTING.files, JSON.stringify(files)));
    }
    await runTask(client, "Destroy_Task", other.vm, xml``, options);
  }
  const devices = await devicesOf(work, vm);
  const disks = carried.map((disk, index) => ({ file: files[index] ?? "", capacity: disk.capacity }));
  await reconfigure(work, vm, xml`${stripped(devices)}`);
  await reconfigure(work, vm, await hardware(work, spec, disks));
  return vm;
}

async function carriedDisk(work: Composing, resource: string, label: string): Promise<Carried> {
  const vm = await findCarrier(work.client, resource, work.options);
  const device = vm === null ? undefined : (await devicesOf(work, vm)).find((each) => each.type === "VirtualDisk");
  const file = textAt(device, "backing", "fileName");
  if (vm === null || device === undefined || file === null)
    throw new AppError("not-found", "disk.not-found", `The ${label} is not on the host.`);
  const capacity = numberAt(device, "capacityInBytes") ?? (numberAt(device, "capacityInKB") ?? 0) * 1024;
  return { vm, device, file, capacity };
}

/** Beside the first disk, under its own name, which nobody else uses. */
function targetFile(first: string, file: string): string {
  const home = parsePath(first);
  const own = parsePath(file);
  if (home === null || own === null || home.datastore !== own.datastore)
    throw new AppError("unprocessable", "host.refused", "The disks of one VM are to be in one datastore.");
  const folder = home.path.slice(0, home.path.lastIndexOf("/") + 1);
  return `[${home.datastore}] ${folder}${own.path.slice(own.path.lastIndexOf("/") + 1)}`;
}

async function devicesOf({ client, options }: Composing, vm: Ref): Promise<readonly Element[]> {
  return (
    (await propertiesOf(client, vm, ["config.hardware.device"], options)).get("config.hardware.device")?.children ?? []
  );
}

async function reconfigure({ client, options }: Composing, vm: Ref, content: XmlText): Promise<void> {
  if (content.text === "") return;
  await runTask(client, "ReconfigVM_Task", vm, xml`<spec>${content}</spec>`, options);
}

async function rename({ client, options }: Composing, vm: Ref, name: string): Promise<void> {
  try {
    await runTask(client, "Rename_Task", vm, xml`<newName>${escapedName(name)}</newName>`, options);
  } catch (error) {
    const taken =
      isFault(error, "DuplicateName") ||
      (isFault(error, "InvalidArgument") && textAt(error.detail ?? undefined, "invalidProperty") === "name");
    throw taken ? vmExists(name) : error;
  }
}

function detach(device: Element): XmlText {
  return removal(device.type ?? "VirtualDisk", textAt(device, "key") ?? "", {
    controllerKey: textAt(device, "controllerKey"),
    unit: textAt(device, "unitNumber"),
  });
}

/** Without the disks and controllers that the carrier came with; the two IDE controllers belong to every VM. */
function stripped(devices: readonly Element[]): readonly XmlText[] {
  const disks = devices.filter((each) => each.type === "VirtualDisk");
  const controllers = devices.filter((each) => {
    const bus = CONTROLLER_BUS[each.type ?? ""];
    return bus !== undefined && bus !== "ide";
  });
  return [...disks, ...controllers].map(detach);
}

async function hardware(
  work: Composing,
  spec: VmSpec,
  disks: readonly { file: string; capacity: number }[],
): Promise<XmlText> {
  const buses = spec.disks.map((disk) => disk.bus);
  const { changes, slots } = controllersFor(buses);
  const cd = cdDevice(-400, buses);
  const diskChanges = disks.flatMap((disk, index) => {
    const slot = slots[index];
    return slot === undefined ? [] : [deviceChange("add", diskDevice({ key: -(200 + index), ...disk, slot }))];
  });
  const nics: XmlText[] = [];
  for (const [index, nic] of spec.nics.entries()) {
    const network = work.infra.networks.get(nic.networkRef);
    if (network === undefined)
      throw new AppError("not-found", "host.refused", `There is no network “${nic.networkRef}” on this host.`);
    const opaque = network.ref.type === "OpaqueNetwork" ? await opaqueOf(work, network.ref) : null;
    nics.push(deviceChange("add", nicDevice(-(300 + index), nic.model, network, opaque, nic.mac)));
  }
  const boot =
    spec.firmware === "uefi"
      ? xml`<bootOptions><efiSecureBootEnabled>${spec.secureBoot}</efiSecureBootEnabled></bootOptions>`
      : null;
  // The order of the elements is that of the schema: hosts insist on it. vSphere counts memory in MiB and takes multiples of four.
  const megabytes = Math.max(4, Math.ceil(spec.memory / 1024 ** 2 / 4) * 4);
  return xml`<guestId>${work.guestId}</guestId><numCPUs>${spec.cpus}</numCPUs><numCoresPerSocket>${work.coresPerSocket}</numCoresPerSocket><memoryMB>${megabytes}</memoryMB>${changes}${diskChanges}${cd === null ? null : deviceChange("add", cd)}${nics}${boot}<firmware>${spec.firmware === "uefi" ? "efi" : "bios"}</firmware>`;
}

async function opaqueOf({ client, options }: Composing, network: Ref): Promise<{ id: string; type: string }> {
  const summary = (await propertiesOf(client, network, ["summary"], options)).get("summary");
  return { id: textAt(summary, "opaqueNetworkId") ?? "", type: textAt(summary, "opaqueNetworkType") ?? "" };
}
