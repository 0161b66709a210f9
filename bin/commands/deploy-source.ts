/** What `deploy` deploys: a version of an image, or the disks of a VM where they are. */
import { Host, VmRow } from "#lib/domain/host.ts";
import { Image, ImageDetail } from "#lib/domain/image.ts";
import { AppError } from "#lib/errors.ts";
import { ImageLinked } from "#lib/http/queries/image.ts";
import type { RemoteApi } from "../remote/api.ts";
import { UsageError } from "../terminal/print-error.ts";

export interface SourceOptions {
  /** `host/vm`, each by name or id. */
  readonly vm?: string;
  readonly disk?: readonly string[];
  readonly version?: string;
}

export function pick<T extends { id: string; name: string }>(items: readonly T[], word: string, noun: string): T {
  const found = items.find((item) => item.id === word) ?? items.find((item) => item.name === word);
  if (found === undefined)
    throw new AppError("not-found", `${noun}.not-found`, `There is no ${noun} “${word}”.`, {
      hint: `supravisor ${noun} list shows them.`,
    });
  return found;
}

/** Answers the version's id. Throws `image.*`, `vm.*`, `disk.*`. */
export async function sourceVersion(
  api: RemoteApi,
  imageWord: string | undefined,
  options: SourceOptions,
): Promise<string> {
  if (options.vm === undefined) {
    if (imageWord === undefined) throw new UsageError("Name an image, or a VM by --vm host/vm.");
    if (options.disk !== undefined) throw new UsageError("--disk chooses among the disks of --vm.");
    return versionOf(api, imageWord, options.version);
  }
  if (imageWord !== undefined || options.version !== undefined)
    throw new UsageError("--vm takes the place of an image: give one of them.");
  return linkOf(api, options.vm, options.disk);
}

async function versionOf(api: RemoteApi, word: string, number: string | undefined): Promise<string> {
  const image = await api.get(`/images/${pick(await api.list("/images", Image), word, "image").id}`, ImageDetail);
  const version = number === undefined ? image.latest : image.versions.find((v) => String(v.number) === number);
  if (version?.state === "ready") return version.id;
  throw new AppError(
    "unprocessable",
    "image.not-ready",
    `${image.name} has no ready version${number === undefined ? "" : ` ${number}`}.`,
  );
}

async function linkOf(api: RemoteApi, text: string, diskIds: readonly string[] | undefined): Promise<string> {
  const slash = text.indexOf("/");
  if (slash <= 0 || slash === text.length - 1) throw new UsageError(`A VM looks like host/vm, not “${text}”.`);
  const host = pick(await api.list("/hosts", Host), text.slice(0, slash), "host");
  const word = text.slice(slash + 1);
  const vms = await api.list("/vms", VmRow, { host: host.id });
  const found = vms.filter(({ ref }) => ref === word);
  const named = found.length > 0 ? found : vms.filter(({ name }) => name === word);
  const [vm, other] = named;
  if (vm === undefined)
    throw new AppError("not-found", "vm.not-found", `There is no VM “${word}” on ${host.name}.`, {
      hint: "supravisor vm list shows them.",
    });
  if (other !== undefined)
    throw new AppError("conflict", "vm.ambiguous", `There are ${named.length} VMs “${word}” on ${host.name}.`, {
      hint: `Name it by its ref: ${named.map(({ ref }) => ref).join(", ")}.`,
    });
  const { versionId } = await api.post("/images/link", ImageLinked, {
    hostId: host.id,
    vmRef: vm.ref,
    ...(diskIds === undefined ? {} : { diskIds }),
  });
  return versionId;
}
