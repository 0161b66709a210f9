/** A hypervisor's own description of a machine, in a package or beside its disks. */
import { refused, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { OpenedContainer } from "../container.ts";
import { filesBeside, type PackageFiles, readText } from "../files/package-files.ts";
import { MOST_XML_BYTES, parseXml, type XmlElement } from "../xml.ts";
import { type DescribedMachine, openDescribed } from "./described.ts";
import { machineOfDisks, readHyperVXml } from "./hyperv.ts";
import { readVbox } from "./vbox.ts";
import { decodeVmx, readVmx } from "./vmx.ts";

export type MachineKind = "vmx" | "vbox" | "hyperv";

const MOST_VMX_BYTES = 1_048_576;

/** Throws `image.*`. */
export async function describedIn(
  kind: MachineKind,
  container: string,
  files: PackageFiles,
  descriptor: string,
  signal?: AbortSignal,
): Promise<DescribedMachine> {
  if (/\.vmcx$/i.test(descriptor)) return machineOfDisks(container, files, null, signal);
  const file = await files.open(descriptor);
  if (file === null) throw truncated(container, 0, "its description is gone");
  const most = kind === "vmx" ? MOST_VMX_BYTES : MOST_XML_BYTES;
  const bytes = await readText(container, file, most, signal);
  if (kind === "vmx") return readVmx(container, decodeVmx(bytes));
  const read: (root: XmlElement) => DescribedMachine | null = kind === "vbox" ? readVbox : readHyperVXml;
  const machine = read(parseXml(container, file.at, bytes));
  if (machine !== null) return machine;
  const hint = "Name the file that describes the machine, or the disk itself.";
  throw refused(container, file.at, "image.not-a-machine", "describes no machine", hint);
}

/** A description that was named, its disks beside it. The result owns `image.bytes`. Throws `image.*`. */
export async function openMachine(kind: MachineKind, image: ImageFile, signal?: AbortSignal): Promise<OpenedContainer> {
  const files = await filesBeside(image);
  const others = files.names.filter((name) => /\.vmcx$/i.test(name) && name !== image.name);
  if (/\.vmcx$/i.test(image.name) && others.length > 0) {
    // Which disk is whose stands in what is not read.
    const hint = "Name the disk itself: the newest .avhdx of its chain, or the .vhdx where there is none.";
    throw refused(
      image.name,
      0,
      "image.machine-unsaid",
      "lies among the settings of other machines or checkpoints",
      hint,
    );
  }
  const machine = await describedIn(kind, image.name, files, image.name, signal);
  if (/\.vmcx$/i.test(image.name) && machine.disks.length === 0) {
    const hint =
      "The disks of an export lie in its folder “Virtual Hard Disks”: name the folder of the export itself, the disk there, or a zip of the export.";
    throw refused(image.name, 0, "image.no-disks", "has no disk beside it", hint);
  }
  return openDescribed({ kind, image, files, descriptor: image.name }, machine);
}
