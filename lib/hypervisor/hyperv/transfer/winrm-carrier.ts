/** Disks that the host itself fetches and sends, told so through remote shells. */
import { openForwardBytes } from "#lib/disk/forward/open-forward.ts";
import type { HostDisk, PulledDisk, ResourceRef } from "../../adapter.ts";
import { checked } from "../capture.ts";
import type { DiskCarrier, DiskToRead } from "./disk-carrier.ts";
import { FileTransfer } from "./file-transfer.ts";
import { HostFiles } from "./host-files.ts";
import type { HypervSession } from "../session.ts";

export class WinRmCarrier implements DiskCarrier {
  readonly inPlace = false;
  readonly intake = "by-range";
  readonly #files: HostFiles;
  readonly #transfer: FileTransfer;

  constructor(session: HypervSession) {
    this.#files = new HostFiles(session);
    this.#transfer = new FileTransfer(session, this.#files);
  }

  exists(path: string, signal?: AbortSignal): Promise<boolean> {
    return this.#files.exists(path, signal);
  }

  async create(resource: ResourceRef, signal?: AbortSignal): Promise<PulledDisk> {
    return {
      resource,
      pull: (file, stop) => this.#transfer.fetch(resource.ref, file, stop ?? signal ?? new AbortController().signal),
    };
  }

  openAlone(disk: DiskToRead, signal?: AbortSignal): Promise<HostDisk> {
    return this.openWatched(disk, async () => undefined, signal);
  }

  async openWatched(
    { path, format, keys }: DiskToRead,
    check: () => Promise<void>,
    signal?: AbortSignal,
  ): Promise<HostDisk> {
    const sending = await this.#transfer.send(path, keys, signal);
    try {
      const image = await openForwardBytes(format, sending.bytes, {
        name: path,
        ...(signal === undefined ? {} : { signal }),
      });
      return {
        access: "once",
        stream: checked(image, check),
        async [Symbol.asyncDispose]() {
          await sending[Symbol.asyncDispose]();
          await image[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      await sending[Symbol.asyncDispose]();
      throw error;
    }
  }

  removeAll(path: string, signal?: AbortSignal): Promise<void> {
    return this.#files.removeAll(path, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Each shell ends with the program that it was opened for.
  }
}
