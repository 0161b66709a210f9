/** Defines the VM around its disks, and starts it if that was asked for. */
import { setTimeout as delay } from "node:timers/promises";
import type { Vm } from "#lib/domain/inventory.ts";
import type { VmSpec } from "#lib/hypervisor/adapter.ts";
import { AppError } from "#lib/errors.ts";
import { noteVm, withHost } from "#lib/inventory/sessions.ts";
import { bounded } from "../bounded.ts";
import type { Deployment, SentDisk } from "../deployment.ts";
import { enter, markMade } from "../ledger.ts";

const HOST_MS = 120_000;
const START_MS = 60_000;

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
  return bounded(io.signal, HOST_MS, `Defining ${choice.name} on ${hostName}`, (signal) =>
    withHost(
      io.services,
      target.hostId,
      async (adapter) => {
        const seq = await enter(io.services.db, io.jobId, target.hostId, adapter.planVm(spec, tag));
        const vm = await adapter.createVm(spec, tag, signal);
        await markMade(io.services.db, seq);
        await noteVm(io.services.db, target.hostId, vm);
        return vm;
      },
      signal,
    ),
  );
}

/** Throws `vm.did-not-start` when the host took the order but the VM does not run. */
export async function startVm({ io, target, hostName }: Deployment, vm: Vm): Promise<void> {
  await bounded(io.signal, START_MS, `Starting ${vm.name} on ${hostName}`, (signal) =>
    withHost(
      io.services,
      target.hostId,
      async (adapter) => {
        await adapter.power(vm.ref, "start", signal);
        for (;;) {
          const now = await adapter.vm(vm.ref, signal);
          if (now.state === "running") {
            await noteVm(io.services.db, target.hostId, now);
            return;
          }
          if (now.state === "crashed")
            throw new AppError("unprocessable", "vm.did-not-start", `${vm.name} crashed right after its start.`);
          await delay(500, undefined, { signal });
        }
      },
      signal,
    ),
  );
}
