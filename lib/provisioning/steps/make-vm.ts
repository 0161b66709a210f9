/** Defines the VM around its disks, and starts it if that was asked for. */
import { setTimeout as delay } from "node:timers/promises";
import type { Vm } from "#lib/domain/inventory.ts";
import type { VmSpec } from "#lib/hypervisor/adapter.ts";
import { AppError } from "#lib/errors.ts";
import { noteVm } from "#lib/inventory/sessions.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import type { Deployment, SentDisk } from "../deployment.ts";
import { enter, markMadeAside } from "../ledger.ts";
import { onHost } from "../on-host.ts";

/**
 * Far more than either takes: adapters know by the host's own progress when something stands still. By then the disks
 * have been sent, which took hours perhaps, and the end of this wait ends what the host is doing.
 */
const HOST_MS = 30 * 60_000;
const START_MS = 30 * 60_000;
/** Between a start that the host has carried out and the state that says so. */
const RUNNING_MS = 5 * 60_000;

export async function makeVm(
  { io, request, target, hostName, disks: planned }: Deployment,
  disks: readonly SentDisk[],
): Promise<Vm> {
  const { choice, tag } = target;
  const spec: VmSpec = {
    name: choice.name,
    cpus: choice.cpus,
    memory: choice.memory,
    firmware: choice.firmware,
    secureBoot: choice.secureBoot,
    guest: planned[0]?.os ?? null,
    placement: choice.placement,
    disks: disks.map((disk) => ({ resource: disk.resource, format: choice.diskFormat, bus: choice.bus })),
    nics: choice.nic === null ? [] : [{ ...choice.nic, mac: null }],
    description: `Made by Supravisor from ${request.plan.imageName}, request ${request.number}`,
  };
  const doing = `Defining ${choice.name} on ${hostName}`;
  return onHost(io, target.hostId, HOST_MS, doing, async (adapter, signal) => {
    const { db } = io.services;
    const seq = await patiently(() => enter(db, io.jobId, target.hostId, adapter.planVm(spec, tag)));
    const vm = await adapter.createVm(spec, tag, signal);
    await markMadeAside(db, [seq]);
    await tell(io, target.hostId, vm);
    return vm;
  });
}

/** The host's page shows it at once; if that fails, with the host's own word of it. */
async function tell(io: JobIO, hostId: string, vm: Vm): Promise<void> {
  await noteVm(io.services.db, hostId, vm).catch((error: unknown) =>
    io.services.log.warn({ err: error, hostId }, "a VM that was just changed is shown later"),
  );
}

/** Throws `vm.did-not-start` when the host took the order but the VM does not run. */
export async function startVm({ io, target, hostName }: Deployment, vm: Vm): Promise<void> {
  await onHost(io, target.hostId, START_MS, `Starting ${vm.name} on ${hostName}`, async (adapter, signal) => {
    await adapter.power(vm.ref, "start", signal);
    const until = performance.now() + RUNNING_MS;
    for (;;) {
      const now = await adapter.vm(vm.ref, signal);
      if (now.state === "running") {
        await tell(io, target.hostId, now);
        return;
      }
      if (now.state === "crashed")
        throw new AppError("unprocessable", "vm.did-not-start", `${vm.name} crashed right after its start.`);
      if (now.question !== undefined && now.question !== null)
        throw new AppError("unprocessable", "vm.did-not-start", `${vm.name} asks on its host: ${now.question.text}`);
      if (performance.now() > until)
        throw new AppError(
          "unavailable",
          "vm.did-not-start",
          `${vm.name} was started, and ${hostName} shows it as ${now.state}.`,
        );
      await delay(500, undefined, { signal });
    }
  });
}
