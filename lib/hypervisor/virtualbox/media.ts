/** Virtual hard disks that VirtualBox knows, by UUID, with the disks that they are differences of. */
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import { Slices } from "#lib/wire/slices.ts";
import { MAX_OUTPUT } from "./host-machine.ts";
import { otherLanguage } from "./language.ts";
import { parseRecords, sizeOf } from "./records.ts";
import type { CommandOptions, VBoxManage } from "./vboxmanage.ts";

export interface Medium {
  readonly uuid: string;
  /** Null: it stands alone. */
  readonly parent: string | null;
  /** Path on the host; for iSCSI: the target. */
  readonly location: string;
  /** Null: none of ours (Parallels, QED, iSCSI). */
  readonly format: SourceFormatId | null;
  /** VirtualBox's own word. */
  readonly formatRaw: string;
  /** Bytes, in whole MiB as VirtualBox tells them. */
  readonly capacity: number | null;
  readonly allocated: number | null;
  readonly encrypted: boolean;
  readonly accessible: boolean;
  /** Its own words when it is not. */
  readonly accessError: string | null;
  /** The VMs and snapshots that have it, in VirtualBox's words; null: none. */
  readonly usedBy: string | null;
  /** `writethrough`, `immutable`, `shareable`, …; null: normal. */
  readonly special: string | null;
}

export type Media = ReadonlyMap<string, Medium>;

const FORMAT: Record<string, SourceFormatId> = {
  VDI: "vdi",
  VMDK: "vmdk",
  VHD: "vhd",
  VHDX: "vhdx",
  QCOW: "qcow2",
  QED: "qed",
  PARALLELS: "parallels",
};
const CHAIN_LIMIT = 300;

export async function parseMedia(text: string): Promise<Media> {
  const media = new Map<string, Medium>();
  const records = await parseRecords(text, "UUID");
  const slices = new Slices();
  for (const record of records) {
    if (slices.over) await slices.rest();
    const uuid = record.get("UUID") ?? "";
    const parent = record.get("Parent UUID") ?? "base";
    const formatRaw = record.get("Storage format") ?? "";
    const type = record.get("Type") ?? "";
    const state = record.get("State") ?? "";
    media.set(uuid, {
      uuid,
      parent: parent === "base" ? null : parent,
      location: record.get("Location") ?? "",
      format: FORMAT[formatRaw.toUpperCase()] ?? null,
      formatRaw,
      capacity: sizeOf(record.get("Capacity")),
      allocated: sizeOf(record.get("Size on disk")),
      encrypted: record.get("Encryption") === "enabled",
      accessible: state !== "inaccessible",
      accessError: record.get("Access Error") ?? null,
      usedBy: record.get("In use by VMs") ?? null,
      special: /^(writethrough|immutable|shareable|readonly|multiattach)/.exec(type)?.[1] ?? null,
    });
  }
  return media;
}

/** Throws `host.other-language`: what cannot be read must not look as if there were none, for some are in use. */
export async function readMedia(vbox: VBoxManage, options: CommandOptions = {}): Promise<Media> {
  const text = await vbox.ask(["list", "--long", "hdds"], { ...options, maxBytes: MAX_OUTPUT });
  const media = await parseMedia(text);
  const understood = [...media.values()].some((medium) => medium.location !== "");
  if (!understood && text.trim() !== "") throw otherLanguage(vbox);
  return media;
}

/** The medium and those below it, the one that is written to first. Null: a parent is not known, or it never ends. */
export function chainOf(media: Media, uuid: string): readonly Medium[] | null {
  const chain = new Set<Medium>();
  for (let next: string | null = uuid; next !== null; ) {
    const medium: Medium | undefined = media.get(next);
    if (medium === undefined || chain.size >= CHAIN_LIMIT || chain.has(medium)) return null;
    chain.add(medium);
    next = medium.parent;
  }
  return [...chain];
}
