/** A disk of a VM or of a snapshot, as the host packs and sends it: once, front to back. */
import type { HostDisk } from "../adapter.ts";
import { openForwardBytes } from "#lib/disk/forward/open-forward.ts";
import { AppError } from "#lib/errors.ts";
import { textAt, type Element } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { Lease, type LeaseDevice } from "./lease.ts";
import { ref, type Ref } from "./ref.ts";
import type { VimClient } from "./vim-client.ts";
import { asAppError } from "./vim-fault.ts";

/** The host looks for data before it sends the first of it. */
const FIRST_BYTE_MS = 600_000;

/** `self`: a stopped VM, or a snapshot. `devices` are the VM's, `disk` one of them. Throws AppError. */
export async function exportDisk(
  client: VimClient,
  self: Ref,
  devices: readonly Element[],
  disk: Element,
  doing: string,
  signal?: AbortSignal,
): Promise<HostDisk> {
  const method = self.type === "VirtualMachineSnapshot" ? "ExportSnapshot" : "ExportVm";
  let lease: Lease;
  try {
    const reply = await client.call(method, self, xml``, { signal });
    lease = await Lease.ready(client, ref("HttpNfcLease", textAt(reply, "returnval") ?? ""), doing, signal);
  } catch (error) {
    throw asAppError(error, doing);
  }
  try {
    const device = deviceOf(lease.devices, devices, disk);
    if (device === null)
      throw new AppError("unprocessable", "disk.cannot-capture", `${doing}: the host does not give out this disk.`);
    const whole = { read: false };
    const image = await openForwardBytes("vmdk", bytesOf(lease, device, whole, signal), {
      name: textAt(disk, "backing", "fileName") ?? "disk.vmdk",
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      access: "once",
      stream: image,
      async [Symbol.asyncDispose]() {
        await image[Symbol.asyncDispose]();
        if (whole.read) await lease.complete().catch(() => undefined);
        await lease[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await lease[Symbol.asyncDispose]();
    throw error;
  }
}

/** The lease names devices by controller and unit; with one disk there is no question. */
function deviceOf(leased: readonly LeaseDevice[], devices: readonly Element[], disk: Element): LeaseDevice | null {
  const disks = leased.filter((each) => each.isDisk);
  const controller = devices.find((each) => textAt(each, "key") === textAt(disk, "controllerKey"));
  const place = `${controller?.type ?? ""}${textAt(controller, "busNumber") ?? ""}:${textAt(disk, "unitNumber") ?? ""}`;
  const named = disks.find((each) => each.key.slice(each.key.lastIndexOf("/") + 1) === place);
  if (named !== undefined) return named;
  const all = devices.filter((each) => each.type === "VirtualDisk");
  return all.length === disks.length ? (disks[all.indexOf(disk)] ?? null) : null;
}

async function* bytesOf(
  lease: Lease,
  device: LeaseDevice,
  whole: { read: boolean },
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stop = AbortSignal.any([lease.lost, ...(signal === undefined ? [] : [signal])]);
  try {
    const { peer, path } = await lease.target(device, stop);
    const response = await peer.request({ method: "GET", path, timeout: FIRST_BYTE_MS, signal: stop });
    if (response.status !== 200) {
      const words = (await response.text(500)).trim();
      throw new AppError(
        "unprocessable",
        "host.refused",
        `The host refused the disk with HTTP status ${response.status}${words === "" ? "" : `: ${words}`}.`,
      );
    }
    yield* response.body;
    whole.read = true;
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw lease.lost.aborted ? lease.lost.reason : await lease.explain(error);
  }
}
