import type { Firmware } from "#lib/domain/hardware.ts";
import type { KnownContext, PreflightRule } from "../context.ts";

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
    id: "guest.firmware-mismatch",
    about: "The image boots with the other firmware only; a guest does not survive that change.",
    check: (ctx) => {
      const boots = ctx.image.disks[0]?.guest.boots;
      const { firmware } = ctx.choice;
      if (boots === undefined || boots[firmware] || !boots[other(firmware)]) return [];
      const to = other(firmware);
      return [
        {
          severity: "blocker",
          field: "firmware",
          message: `${ctx.image.name} boots with ${WORD[to]} only: ${ctx.image.disks[0]?.guest.bootEvidence.join("; ") || "no loader for the other firmware was found"}.`,
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
      const boots = image.disks[0]?.guest.boots;
      return boots === undefined || boots.bios || boots.uefi
        ? []
        : [
            {
              severity: "warning",
              field: "image",
              message: `No boot loader was found on the first disk of ${image.name}: the VM may not start.`,
              source: "the image's partition table",
              remedy: null,
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
