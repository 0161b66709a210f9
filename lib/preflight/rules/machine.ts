import { formatBytes } from "#lib/format/bytes.ts";
import { safeName, whyUnsafe } from "#lib/domain/plain-name.ts";
import type { PreflightRule } from "../context.ts";

/** `web`, `web-2`, `web-3`: the first that nobody has, no longer than the host allows. */
function freeName(name: string, taken: readonly string[], longest: number): string {
  const base = name.replace(/-\d+$/, "");
  for (let number = 2; ; number += 1) {
    const tail = `-${number}`;
    const candidate = base.slice(0, longest - tail.length) + tail;
    if (!taken.includes(candidate)) return candidate;
  }
}

export const machineRules: readonly PreflightRule[] = [
  {
    id: "target.name-exists",
    about: "A VM of this name is on the host already.",
    check: ({ host, choice }) => {
      if (!host.vmNames.includes(choice.name)) return [];
      const name = freeName(choice.name, host.vmNames, host.capabilities.limits.nameMaxLength);
      return [
        {
          severity: "blocker",
          field: "name",
          message: `${host.name} has a VM ${choice.name} already.`,
          source: "live host",
          remedy: { label: `Use ${name}`, set: { name } },
        },
      ];
    },
  },
  {
    id: "target.name-unsafe",
    about: "The name means something else to a command, or cannot be a file's on Windows.",
    check: ({ host, choice }) => {
      const why = whyUnsafe(choice.name);
      if (why === null) return [];
      const name = safeName(choice.name).slice(0, host.capabilities.limits.nameMaxLength);
      return [
        {
          severity: "blocker",
          field: "name",
          message: `The name “${choice.name}” ${why}.`,
          source: "Supravisor",
          remedy: { label: `Use ${name}`, set: { name } },
        },
      ];
    },
  },
  {
    id: "target.name-not-allowed",
    about: "The host does not take this name.",
    check: ({ host, choice }) => {
      const { nameMaxLength, namePattern } = host.capabilities.limits;
      if (choice.name.length > nameMaxLength) {
        return [
          {
            severity: "blocker",
            field: "name",
            message: `The name has ${choice.name.length} characters; ${host.name} takes ${nameMaxLength}.`,
            source: "live host",
            remedy: { label: "Cut it", set: { name: choice.name.slice(0, nameMaxLength) } },
          },
        ];
      }
      if (new RegExp(namePattern, "u").test(choice.name)) return [];
      return [
        {
          severity: "blocker",
          field: "name",
          message: `${host.name} does not take the name “${choice.name}”.`,
          source: "live host",
          remedy: null,
        },
      ];
    },
  },
  {
    id: "target.too-many-cpus",
    about: "More virtual CPUs than a VM may have on this host.",
    check: ({ host, choice }) => {
      const { maxCpus } = host.capabilities.limits;
      return choice.cpus <= maxCpus
        ? []
        : [
            {
              severity: "blocker",
              field: "cpus",
              message: `A VM on ${host.name} may have ${maxCpus} virtual CPUs.`,
              source: "live host",
              remedy: { label: `Use ${maxCpus}`, set: { cpus: maxCpus } },
            },
          ];
    },
  },
  {
    id: "target.cpus-over-host",
    about: "More virtual CPUs than the host has processors.",
    check: ({ host, choice }) => {
      const cores = host.facts?.cpus ?? null;
      return cores === null || choice.cpus <= cores || choice.cpus > host.capabilities.limits.maxCpus
        ? []
        : [
            {
              severity: "warning",
              field: "cpus",
              message: `${host.name} has ${cores} processors; more virtual CPUs than that make the guest slower.`,
              source: "live host",
              remedy: { label: `Use ${cores}`, set: { cpus: cores } },
            },
          ];
    },
  },
  {
    id: "target.memory-limits",
    about: "Memory outside of what a VM may have on this host.",
    check: ({ host, choice }) => {
      const { maxMemory, minMemory } = host.capabilities.limits;
      if (choice.memory > maxMemory) {
        return [
          {
            severity: "blocker",
            field: "memory",
            message: `A VM on ${host.name} may have ${formatBytes(maxMemory)} of memory.`,
            source: "live host",
            remedy: { label: `Use ${formatBytes(maxMemory)}`, set: { memory: maxMemory } },
          },
        ];
      }
      if (choice.memory < minMemory) {
        return [
          {
            severity: "blocker",
            field: "memory",
            message: `A VM on ${host.name} needs ${formatBytes(minMemory)} of memory at least.`,
            source: "live host",
            remedy: { label: `Use ${formatBytes(minMemory)}`, set: { memory: minMemory } },
          },
        ];
      }
      return [];
    },
  },
  {
    id: "target.memory-over-free",
    about: "The host has less free memory than the VM wants.",
    check: ({ host, choice }) => {
      const free = host.facts?.memoryFree ?? null;
      return !choice.start ||
        free === null ||
        choice.memory <= free ||
        choice.memory > host.capabilities.limits.maxMemory
        ? []
        : [
            {
              severity: "warning",
              field: "memory",
              message: `${host.name} has ${formatBytes(free)} of memory free; the VM may not start or the host may swap.`,
              source: "live host",
              remedy: null,
            },
          ];
    },
  },
];
