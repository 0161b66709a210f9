/** The snapshot of a VM that reading its disk needs while it runs: named by its tag, so that it is found again. */
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
import type { ResourceRef } from "../adapter.ts";
import type { PoolDisks } from "./disks.ts";
import type { Mirror } from "./mirror.ts";
import { recordSchema } from "./records.ts";
import type { XapiSession } from "./session.ts";
import { ANYTHING, destroyWhenFree, runTask } from "./tasks.ts";
import { asAppError, isFailure } from "./xapi-error.ts";

const Refs = z.array(z.string());
const nameOf = (tag: string): string => `supravisor-capture-${tag}`;

export class Snapshots {
  readonly #session: XapiSession;
  readonly #disks: PoolDisks;
  readonly #stallMs: number;

  constructor(session: XapiSession, disks: PoolDisks, stallMs: number) {
    this.#session = session;
    this.#disks = disks;
    this.#stallMs = stallMs;
  }

  plan(vmName: string, tag: string): ResourceRef {
    return { kind: "snapshot", ref: tag, label: `snapshot ${nameOf(tag)} of ${vmName}` };
  }

  /** Of all disks of the VM. The same tag again finds the same snapshot. */
  async make(vm: string, vmName: string, tag: string, signal?: AbortSignal): Promise<string> {
    const doing = `Taking a snapshot of ${vmName}`;
    const options = { doing, stallMs: this.#stallMs, ...(signal === undefined ? {} : { signal }) };
    try {
      const [known] = await this.#session.call("VM.get_by_name_label", [nameOf(tag)], Refs, signal);
      return known ?? (await runTask(this.#session, "VM.snapshot", [vm, nameOf(tag)], options));
    } catch (error) {
      throw asAppError(error, doing);
    }
  }

  /**
   * Its UUID, for the export of the whole machine. A snapshot counts as a template, and an XVA of one is imported as
   * such, which nobody can start. It stays a snapshot without that mark.
   */
  async machine(vm: string, vmName: string, tag: string, signal?: AbortSignal): Promise<string> {
    const ref = await this.make(vm, vmName, tag, signal);
    try {
      await this.#session.call("VM.set_is_a_template", [ref, false], ANYTHING, signal).catch((error: unknown) => {
        // Old licences keep the mark: the XVA is whole, and its import becomes a template.
        if (!isFailure(error, "LICENCE_RESTRICTION", "LICENSE_RESTRICTION")) throw error;
      });
      return await this.#session.call("VM.get_uuid", [ref], z.string(), signal);
    } catch (error) {
      throw asAppError(error, `Looking into the snapshot of ${vmName}`);
    }
  }

  /** The snapshot's copy of one disk. */
  async disk(vm: string, vmName: string, diskId: string, tag: string, signal?: AbortSignal): Promise<string> {
    const ref = await this.make(vm, vmName, tag, signal);
    try {
      const { VBDs } = await this.#session.call("VM.get_record", [ref], recordSchema("VM"), signal);
      for (const each of VBDs) {
        const vbd = await this.#session.call("VBD.get_record", [each], recordSchema("VBD"), signal);
        if (vbd.userdevice === diskId && !vbd.empty) return vbd.VDI;
      }
    } catch (error) {
      throw asAppError(error, `Looking into the snapshot of ${vmName}`);
    }
    throw new AppError("unprocessable", "disk.cannot-capture", `The snapshot of ${vmName} has no disk “${diskId}”.`, {
      hint: "A disk that is shared or kept out of snapshots can be captured while the VM is shut down.",
    });
  }

  /** Its disks first: once the snapshot itself is gone, nothing names them any more. */
  async remove(mirror: Mirror, resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    const doing = `Removing ${resource.label}`;
    for (const [ref, vm] of mirror.entries("VM")) {
      if (!vm.is_a_snapshot || vm.name_label !== nameOf(resource.ref)) continue;
      for (const each of vm.VBDs) {
        const vdi = mirror.find("VBD", each)?.VDI ?? "";
        if (mirror.find("VDI", vdi)?.is_a_snapshot === true) await this.#disks.destroy(vdi, doing, signal);
      }
      await destroyWhenFree(this.#session, "VM.destroy", ref, {
        doing,
        stallMs: this.#stallMs,
        ...(signal === undefined ? {} : { signal }),
      });
    }
  }
}
