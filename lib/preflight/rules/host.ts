import type { PreflightRule } from "../context.ts";

export const hostRules: readonly PreflightRule[] = [
  {
    id: "host.offline",
    about: "The host cannot be reached, so nothing can be made on it.",
    check: ({ host }) =>
      host.online
        ? []
        : [
            {
              severity: "blocker",
              field: "host",
              message: `${host.name} is not reachable now.`,
              source: "live host",
              remedy: null,
            },
          ],
  },
  {
    id: "host.stale",
    about: "What is known of the host may be out of date.",
    check: ({ host }) =>
      host.online && host.staleSince !== null
        ? [
            {
              severity: "warning",
              field: "host",
              message: `What is known of ${host.name} is from ${host.staleSince}.`,
              source: "live host",
              remedy: null,
            },
          ]
        : [],
  },
  {
    id: "host.simulated",
    about: "A simulated host takes the bytes but boots nothing.",
    check: ({ host }) =>
      host.simulated
        ? [
            {
              severity: "info",
              field: "host",
              message: `${host.name} is simulated: the disk is written for real, nothing boots.`,
              source: "live host",
              remedy: null,
            },
          ]
        : [],
  },
  {
    id: "host.emulated",
    about: "Without hardware acceleration guests run many times slower.",
    check: ({ host }) =>
      host.capabilities.acceleration === "emulated"
        ? [
            {
              severity: "info",
              field: "host",
              message: `${host.name} has no hardware acceleration: guests run in software, many times slower.`,
              source: "live host",
              remedy: null,
            },
          ]
        : [],
  },
  {
    id: "target.placement-gone",
    about: "The chosen folder, resource pool or member host is not on the host any more.",
    check: ({ host, choice }) =>
      host.capabilities.placements.flatMap(({ id, label, options, defaultRef }) => {
        const chosen = choice.placement[id];
        if (chosen === undefined || options.some(({ ref }) => ref === chosen)) return [];
        const fallback = options.find(({ ref }) => ref === defaultRef);
        return [
          {
            severity: "blocker" as const,
            field: "placement" as const,
            message: `${label} “${chosen}” is not on ${host.name}.`,
            source: "live host",
            remedy:
              fallback === undefined
                ? null
                : { label: `Use ${fallback.label}`, set: { placement: { ...choice.placement, [id]: defaultRef } } },
          },
        ];
      }),
  },
  {
    id: "host.cannot-start",
    about: "The host cannot start VMs now.",
    check: ({ host, choice }) =>
      choice.start && !host.capabilities.canStartVms
        ? [
            {
              severity: "warning",
              field: "start",
              message: host.capabilities.whyNotStart ?? `${host.name} cannot start VMs now.`,
              source: "live host",
              remedy: { label: "Leave it stopped", set: { start: false } },
            },
          ]
        : [],
  },
];
