import { bootEntryWarning, loadersFor } from "#lib/domain/guest-warnings.ts";
import type { Firmware } from "#lib/domain/hardware.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import type { KnownContext, PreflightRule } from "../context.ts";
import { familyOf } from "../safe-devices.ts";

const X86: ReadonlySet<string> = new Set(["x86_64", "i686"]);

const other = (firmware: Firmware): Firmware => (firmware === "bios" ? "uefi" : "bios");
const WORD: Record<Firmware, string> = { bios: "BIOS", uefi: "UEFI" };

function choiceOf({ host, choice }: KnownContext) {
  return host.capabilities.firmware.find((offered) => offered.firmware === choice.firmware);
}

function canSwitch({ host }: KnownContext, to: Firmware): boolean {
  return host.capabilities.firmware.some((offered) => offered.firmware === to && offered.available);
}

const switchTo = (ctx: KnownContext, to: Firmware) => {
  const offered = ctx.host.capabilities.firmware.find((f) => f.firmware === to);
  const bus = offered && !offered.bootBuses.includes(ctx.choice.bus) ? offered.bootBuses[0] : undefined;
  return { label: `Use ${offered?.label ?? WORD[to]}`, set: { firmware: to, ...(bus === undefined ? {} : { bus }) } };
};

export const firmwareRules: readonly PreflightRule[] = [
  {
    id: "target.firmware-unavailable",
    about: "The host does not offer the chosen firmware.",
    check: (ctx) => {
      const offered = choiceOf(ctx);
      if (offered?.available) return [];
      const to = other(ctx.choice.firmware);
      return [
        {
          severity: "blocker",
          field: "firmware",
          message: offered?.reason ?? `${ctx.host.name} does not offer ${WORD[ctx.choice.firmware]} firmware.`,
          source: "live host",
          remedy: canSwitch(ctx, to) ? switchTo(ctx, to) : null,
        },
      ];
    },
  },
  {
    id: "target.secure-boot-unavailable",
    about: "Secure Boot was chosen where the firmware or the host cannot do it.",
    check: (ctx) => {
      if (!ctx.choice.secureBoot) return [];
      const offered = choiceOf(ctx);
      if (offered?.secureBoot) return [];
      const why =
        ctx.choice.firmware === "bios"
          ? "Secure Boot is a part of UEFI; this VM starts with BIOS."
          : `${offered?.label ?? "The firmware"} on ${ctx.host.name} does not offer Secure Boot.`;
      return [
        {
          severity: "blocker",
          field: "secure-boot",
          message: why,
          source: "live host",
          remedy: { label: "Without Secure Boot", set: { secureBoot: false } },
        },
      ];
    },
  },
  {
    id: "target.secure-boot-trust",
    about: "Whose signatures Secure Boot takes for this guest on this host.",
    check: (ctx) => {
      const offered = choiceOf(ctx);
      if (!ctx.choice.secureBoot || offered?.secureBootTrusts === undefined) return [];
      const trusted = offered.secureBootTrusts[familyOf(ctx.image) === "windows" ? "windows" : "other"];
      return [
        {
          severity: "info",
          field: "secure-boot",
          message: `Secure Boot takes what “${trusted}” has signed: the guest's boot loader must be.`,
          source: "live host",
          remedy: null,
        },
      ];
    },
  },
  {
    id: "target.firmware-limits",
    about: "More virtual CPUs or memory than a VM may have with the chosen firmware.",
    check: (ctx) => {
      const { choice } = ctx;
      const offered = choiceOf(ctx);
      const limits = offered?.limits;
      if (limits === undefined) return [];
      const { maxCpus, maxMemory } = limits;
      const finding = (field: "cpus" | "memory", may: string, set: { cpus: number } | { memory: number }) => ({
        severity: "blocker" as const,
        field,
        message: `${offered?.label ?? "This firmware"} on ${ctx.host.name} may have ${may}.`,
        source: "live host",
        remedy: { label: `Use ${may}`, set },
      });
      return [
        ...(choice.cpus > maxCpus && choice.cpus <= ctx.host.capabilities.limits.maxCpus
          ? [finding("cpus", `${maxCpus} virtual CPUs`, { cpus: maxCpus })]
          : []),
        ...(choice.memory > maxMemory && choice.memory <= ctx.host.capabilities.limits.maxMemory
          ? [finding("memory", `${formatBytes(maxMemory)} of memory`, { memory: maxMemory })]
          : []),
      ];
    },
  },
  {
    id: "target.boot-disk-too-large",
    about: "The chosen firmware cannot boot from a disk of this size on this host.",
    check: (ctx) => {
      const offered = choiceOf(ctx);
      const limit = offered?.limits?.maxBootDisk;
      const size = ctx.image.disks[0]?.virtualSize ?? 0;
      if (limit === undefined || size <= limit) return [];
      const to = other(ctx.choice.firmware);
      const boots = ctx.image.disks[0]?.guest?.boots;
      return [
        {
          severity: "blocker",
          field: "firmware",
          message: `${offered?.label ?? "This firmware"} on ${ctx.host.name} boots from disks of up to ${formatBytes(limit)}; this one has ${formatBytes(size)}.`,
          source: "live host",
          remedy: canSwitch(ctx, to) && boots?.[to] === true ? switchTo(ctx, to) : null,
        },
      ];
    },
  },
  {
    id: "guest.firmware-mismatch",
    about: "The image boots with the other firmware only; a guest does not survive that change.",
    check: (ctx) => {
      const boots = ctx.image.disks[0]?.guest?.boots;
      const { firmware } = ctx.choice;
      if (boots === undefined || boots[firmware] || !boots[other(firmware)]) return [];
      const to = other(firmware);
      return [
        {
          severity: "blocker",
          field: "firmware",
          message: `${ctx.image.name} boots with ${WORD[to]} only: ${ctx.image.disks[0]?.guest?.bootEvidence.join("; ") || "no loader for the other firmware was found"}.`,
          source: "the image's partition table and boot loaders",
          remedy: canSwitch(ctx, to) ? switchTo(ctx, to) : null,
        },
      ];
    },
  },
  {
    id: "guest.no-boot-loader",
    about: "No boot loader was found on the first disk.",
    check: ({ image }) => {
      const guest = image.disks[0]?.guest;
      const boots = guest?.boots;
      return boots === undefined || boots.bios || boots.uefi
        ? []
        : [
            {
              severity: "warning",
              field: "image",
              message: `No boot loader was found on the first disk of ${image.name}: the VM may not start.${(guest?.bootEvidence ?? []).map((why) => ` ${why}`).join("")}`,
              source: "the image's partition table",
              remedy: null,
            },
          ];
    },
  },
  {
    id: "guest.boot-entry-missing",
    about: "UEFI finds the boot loader by a boot entry only, which a new VM does not have.",
    check: (ctx) => {
      const guest = ctx.image.disks[0]?.guest;
      const why = guest == null ? null : bootEntryWarning(guest, ctx.host.facts?.arch ?? null);
      if (why === null || ctx.choice.firmware !== "uefi") return [];
      return [
        {
          severity: "warning",
          field: "firmware",
          message: `${why} Reinstall the boot loader with the fallback path, or add the entry on the new VM.`,
          source: "the image's boot loaders",
          remedy: guest?.boots.bios === true && canSwitch(ctx, "bios") ? switchTo(ctx, "bios") : null,
        },
      ];
    },
  },
  {
    id: "guest.other-architecture",
    about: "The image's boot loaders are made for processors of another kind than the host's.",
    check: (ctx) => {
      const guest = ctx.image.disks[0]?.guest;
      const arch = ctx.host.facts?.arch ?? null;
      if (guest == null || arch === null) return [];
      const bios = guest.boots.bios && X86.has(arch);
      const loaders = guest.efiLoaders ?? [];
      const uefi = guest.boots.uefi && (loaders.length === 0 || loadersFor(guest, arch).length > 0);
      // What starts with nothing is said elsewhere.
      if (!guest.boots.bios && !guest.boots.uefi) return [];
      // Where the processors fit and only the chosen firmware does not, that is another finding.
      if (uefi || (bios && (ctx.choice.firmware === "bios" || !guest.boots.uefi))) return [];
      const made = [...new Set(loaders.flatMap((loader) => loader.arch ?? []))];
      const what =
        made.length === 0
          ? "starts with BIOS, which x86 has alone"
          : `has UEFI boot loaders for ${made.join(", ")} alone`;
      return [
        {
          severity: "blocker",
          field: "host",
          message: `${ctx.image.name} ${what}; the processors of ${ctx.host.name} are ${arch}.`,
          source: "the image's boot loaders",
          remedy: bios && canSwitch(ctx, "bios") ? switchTo(ctx, "bios") : null,
        },
      ];
    },
  },
  {
    id: "target.bus-cannot-boot",
    about: "The chosen firmware cannot boot from the chosen disk bus on this host.",
    check: (ctx) => {
      const offered = choiceOf(ctx);
      if (
        offered === undefined ||
        !ctx.host.capabilities.buses.includes(ctx.choice.bus) ||
        offered.bootBuses.includes(ctx.choice.bus)
      )
        return [];
      const bus = offered.bootBuses[0];
      return [
        {
          severity: "blocker",
          field: "bus",
          message: `${offered.label} on ${ctx.host.name} cannot boot from ${ctx.choice.bus}.`,
          source: "live host",
          remedy: bus === undefined ? null : { label: `Use ${bus}`, set: { bus } },
        },
      ];
    },
  },
];
