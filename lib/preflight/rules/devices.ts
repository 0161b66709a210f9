import { DISK_BUS_LABEL, NIC_MODEL_LABEL } from "#lib/domain/hardware.ts";
import type { PreflightRule } from "../context.ts";
import { familyOf, riskyBus, riskyNic } from "../safe-devices.ts";

export const deviceRules: readonly PreflightRule[] = [
  {
    id: "target.bus-not-offered",
    about: "The host has no such disk bus.",
    check: ({ host, choice }) => {
      if (host.capabilities.buses.includes(choice.bus)) return [];
      const bus =
        host.capabilities.firmware.find((f) => f.firmware === choice.firmware)?.bootBuses[0] ??
        host.capabilities.buses[0];
      return [
        {
          severity: "blocker",
          field: "bus",
          message: `${host.name} does not offer ${DISK_BUS_LABEL[choice.bus]}.`,
          source: "live host",
          remedy: bus === undefined ? null : { label: `Use ${DISK_BUS_LABEL[bus]}`, set: { bus } },
        },
      ];
    },
  },
  {
    id: "guest.bus-needs-driver",
    about: "Windows has no driver for this disk bus of its own.",
    check: ({ host, image, choice }) => {
      const family = familyOf(image);
      if (!riskyBus(family, choice.bus)) return [];
      const boots = host.capabilities.firmware.find((f) => f.firmware === choice.firmware)?.bootBuses ?? [];
      const bus = boots.find((candidate) => !riskyBus(family, candidate));
      return [
        {
          severity: "warning",
          field: "bus",
          message: `Windows has no driver for ${DISK_BUS_LABEL[choice.bus]} of its own and stops at boot unless one was installed.`,
          source: "Windows' own drivers",
          remedy: bus === undefined ? null : { label: `Use ${DISK_BUS_LABEL[bus]}`, set: { bus } },
        },
      ];
    },
  },
  {
    id: "target.nic-not-offered",
    about: "The host has no such network card.",
    check: ({ host, choice }) => {
      if (choice.nic === null || host.capabilities.nics.includes(choice.nic.model)) return [];
      const model = host.capabilities.nics[0];
      return [
        {
          severity: "blocker",
          field: "nic",
          message: `${host.name} does not offer ${NIC_MODEL_LABEL[choice.nic.model]}.`,
          source: "live host",
          remedy:
            model === undefined
              ? null
              : { label: `Use ${NIC_MODEL_LABEL[model]}`, set: { nic: { ...choice.nic, model } } },
        },
      ];
    },
  },
  {
    id: "guest.nic-needs-driver",
    about: "Windows has no driver for this network card of its own.",
    check: ({ host, image, choice }) => {
      const family = familyOf(image);
      if (choice.nic === null || !riskyNic(family, choice.nic.model)) return [];
      const model = host.capabilities.nics.find((candidate) => !riskyNic(family, candidate));
      return [
        {
          severity: "warning",
          field: "nic",
          message: `Windows has no driver for ${NIC_MODEL_LABEL[choice.nic.model]} of its own: it has no network until one is installed.`,
          source: "Windows' own drivers",
          remedy:
            model === undefined
              ? null
              : { label: `Use ${NIC_MODEL_LABEL[model]}`, set: { nic: { ...choice.nic, model } } },
        },
      ];
    },
  },
  {
    id: "target.network-missing",
    about: "The chosen network is not on the host.",
    check: ({ host, choice }) => {
      const { nic } = choice;
      if (nic === null || host.networks.some((network) => network.ref === nic.networkRef)) return [];
      const network = host.networks.find((candidate) => candidate.active);
      return [
        {
          severity: "blocker",
          field: "network",
          message: `${host.name} has no network “${nic.networkRef}”.`,
          source: "live host",
          remedy:
            network === undefined
              ? { label: "No network card", set: { nic: null } }
              : { label: `Use ${network.name}`, set: { nic: { ...nic, networkRef: network.ref } } },
        },
      ];
    },
  },
  {
    id: "target.network-inactive",
    about: "The chosen network is not active: the VM cannot start on it.",
    check: ({ host, choice }) => {
      const { nic } = choice;
      const network = nic === null ? undefined : host.networks.find((candidate) => candidate.ref === nic.networkRef);
      if (nic === null || network === undefined || network.active) return [];
      const active = host.networks.find((candidate) => candidate.active);
      return [
        {
          severity: choice.start ? "blocker" : "warning",
          field: "network",
          message: `The network ${network.name} is not active on ${host.name}: a VM on it does not start.`,
          source: "live host",
          remedy:
            active === undefined
              ? { label: "No network card", set: { nic: null } }
              : { label: `Use ${active.name}`, set: { nic: { ...nic, networkRef: active.ref } } },
        },
      ];
    },
  },
  {
    id: "target.no-network",
    about: "The VM gets no network card.",
    check: ({ choice }) =>
      choice.nic === null
        ? [
            {
              severity: "info",
              field: "network",
              message: "The VM gets no network card.",
              source: "the choices",
              remedy: null,
            },
          ]
        : [],
  },
];
