/** Every way to speak to a hypervisor, by name. Whoever opens a host comes through here. */
import { join, resolve } from "node:path";
import type { DriverId, HostConnection, HostSecret } from "#lib/domain/connection.ts";
import type { HypervisorAdapter, HypervisorDriver } from "./adapter.ts";
import { demoDriver } from "./demo/driver.ts";
import { hypervDriver } from "./hyperv/driver.ts";
import { kvmDriver } from "./kvm/driver.ts";
import { vmwareDriver } from "./vmware/driver.ts";
import { virtualBoxDriver } from "./virtualbox/driver.ts";
import { xenDriver } from "./xen/driver.ts";
import { xapiDriver } from "./xapi/driver.ts";

export interface OpenHostOptions {
  /** Data folder of this installation; simulated hosts keep their disks in it. By default the environment names it. */
  readonly dataDir?: string;
  readonly signal?: AbortSignal;
}

function driverOf(id: DriverId, options: OpenHostOptions): HypervisorDriver {
  const dataDir = options.dataDir ?? resolve(process.env["SUPRAVISOR_DATA_DIR"] ?? "data");
  const drivers = {
    kvm: kvmDriver,
    vmware: vmwareDriver,
    xen: xenDriver,
    xapi: xapiDriver,
    virtualbox: virtualBoxDriver,
    hyperv: hypervDriver,
    demo: demoDriver(join(dataDir, "demo")),
  } satisfies Record<DriverId, unknown>;
  // The connection was parsed together with its driver's name, so they fit.
  return drivers[id] as HypervisorDriver;
}

export function openHost(
  target: HostConnection,
  secret: HostSecret | null,
  options: OpenHostOptions = {},
): Promise<HypervisorAdapter> {
  return driverOf(target.driver, options).open(target.connection, secret, options.signal);
}

export function identifyHost(
  target: HostConnection,
  options: OpenHostOptions = {},
): ReturnType<HypervisorDriver["identify"]> {
  return driverOf(target.driver, options).identify(target.connection, options.signal);
}
