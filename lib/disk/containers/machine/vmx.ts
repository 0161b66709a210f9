/** Settings of a machine of VMware Workstation, Fusion and ESXi: `key = "value"` in lines. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import { refused } from "../../image-error.ts";
import type { DescribedDisk, DescribedMachine } from "./described.ts";

const LINE = /^\s*([\w.:-]{1,200})\s*=\s*"([^"]*)"/;
const DEVICE = /^(ide|scsi|sata|nvme)(\d{1,2}):(\d{1,3})\.filename$/;
/** As BIOSes go through them. */
const BUSES = ["ide", "scsi", "sata", "nvme"];
const MOST_LINES = 20_000;
const MOST_MEMORY_MIB = 64 * 2 ** 20;

export const looksLikeVmx = (text: string): boolean =>
  /^\s*(?:\.encoding|config\.version|virtualHW\.version|displayName)\s*=\s*"/im.test(text.slice(0, 8192));

/** As the file says it is encoded, which stands in ASCII. */
export function decodeVmx(bytes: Buffer): string {
  const said = /^\s*\.encoding\s*=\s*"([\w-]{1,40})"/im.exec(bytes.toString("latin1", 0, 4096))?.[1] ?? "utf-8";
  try {
    return new TextDecoder(said).decode(bytes);
  } catch {
    return bytes.toString("utf8");
  }
}

/** Throws `image.encrypted`. */
export function readVmx(file: string, text: string): DescribedMachine {
  const settings = new Map<string, string>();
  for (const line of text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/, MOST_LINES)) {
    const read = LINE.exec(line);
    if (read?.[1] !== undefined) settings.set(read[1].toLowerCase(), unescaped(read[2] ?? ""));
  }
  const value = (key: string): string => settings.get(key) ?? "";
  if (value("encryption.keysafe") !== "") {
    const hint = "Decrypt the machine in VMware Workstation first.";
    throw refused(file, 0, "image.encrypted", "describes a machine that is encrypted", hint);
  }
  const disks = disksOf(settings);
  const notes: string[] = [];
  if (value("checkpoint.vmstate") !== "") notes.push("The machine is suspended: what its memory holds was left aside.");
  const cpus = Number(value("numvcpus") || "1");
  const memory = Number(value("memsize"));
  const first = disks[0]?.place.replace(/:.*$/, "") ?? "";
  const nics = [...Array(16).keys()].filter((i) => isTrue(value(`ethernet${i}.present`)));
  const macs = nics
    .map((i) => value(`ethernet${i}.address`) || value(`ethernet${i}.generatedaddress`))
    .filter((address) => address !== "");
  return {
    name: value("displayname") || null,
    hints: {
      cpus: Number.isInteger(cpus) && cpus > 0 && cpus <= 4096 ? cpus : null,
      memory: Number.isInteger(memory) && memory > 0 && memory <= MOST_MEMORY_MIB ? memory * 2 ** 20 : null,
      firmware: /^efi$/i.test(value("firmware")) ? "uefi" : "bios",
      bus: busOf(first, value(`${first}.virtualdev`)),
      nic: nics[0] === undefined ? null : nicOf(value(`ethernet${nics[0]}.virtualdev`)),
    },
    details: {
      ...(value("virtualhw.version") === "" ? {} : { hardware: `vmx-${value("virtualhw.version").slice(0, 10)}` }),
      nics: nics.length,
      ...(macs.length === 0 ? {} : { macs: macs.join(", ").slice(0, 400) }),
      ...(value("guestos") === "" ? {} : { guestId: value("guestos").slice(0, 120) }),
      ...(settings.has("uefi.secureboot.enabled") ? { secureBoot: isTrue(value("uefi.secureboot.enabled")) } : {}),
    },
    notes,
    disks,
  };
}

const isTrue = (text: string): boolean => /^(true|1|yes|on)$/i.test(text);

/** `|22` stands for a quotation mark. */
const unescaped = (text: string): string =>
  text.replace(/\|([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

interface Placed extends DescribedDisk {
  readonly key: readonly number[];
}

function disksOf(settings: ReadonlyMap<string, string>): DescribedDisk[] {
  const booted = (settings.get("bios.hddorder") ?? "").toLowerCase().split(/[,\s]+/);
  const found: Placed[] = [];
  for (const [key, path] of settings) {
    const [, bus = "", controller = "", unit = ""] = DEVICE.exec(key) ?? [];
    if (bus === "" || path === "") continue;
    const place = `${bus}${controller}:${unit}`;
    const of = (name: string): string => settings.get(`${place}.${name}`) ?? "";
    if (of("present") !== "" && !isTrue(of("present"))) continue;
    if (/cdrom/i.test(of("devicetype")) || /\.(iso|flp)$/i.test(path) || !/\.vmdk$/i.test(path)) continue;
    const first = booted.indexOf(place);
    const key0 = first === -1 ? booted.length : first;
    found.push({ path, place, key: [key0, BUSES.indexOf(bus), Number(controller), Number(unit)] });
  }
  return found
    .sort((a, b) => {
      const at = a.key.findIndex((mine, i) => mine !== b.key[i]);
      return at === -1 ? 0 : (a.key[at] ?? 0) - (b.key[at] ?? 0);
    })
    .map(({ path, place }) => ({ path, place }));
}

function busOf(controller: string, kind: string): DiskBus | null {
  if (controller.startsWith("ide")) return "ide";
  if (controller.startsWith("sata")) return "sata";
  if (controller.startsWith("nvme")) return "nvme";
  if (!controller.startsWith("scsi")) return null;
  if (/pvscsi/i.test(kind)) return "pvscsi";
  return /sas/i.test(kind) ? "sas" : "scsi";
}

function nicOf(kind: string): NicModel | null {
  if (/^vmxnet3$/i.test(kind)) return "vmxnet3";
  if (/^e1000e$/i.test(kind)) return "e1000e";
  return /^e1000$/i.test(kind) ? "e1000" : null;
}
