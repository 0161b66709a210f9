/** Where on a vCenter a new VM goes: folder, resource pool, host. Chosen by the person, else by what sees the datastore. */
import type { Placement } from "#lib/domain/capabilities.ts";
import { AppError } from "#lib/errors.ts";
import { inSlices } from "#lib/wire/slices.ts";
import { sortByText } from "#lib/wire/sort-in-slices.ts";
import {
  datacenterOf,
  folderPath,
  type Compute,
  type Datastore,
  type EsxHost,
  type Infrastructure,
} from "./infrastructure.ts";
import { whyNotWritable } from "./items.ts";
import type { Ref } from "./ref.ts";

/** The first choice of each: this program decides. */
export const AUTOMATIC = "automatic";
/** Choices of a list; larger estates name theirs on the host itself and move the VM afterwards. */
const MOST_OPTIONS = 1000;

export interface Place {
  readonly datastore: Datastore;
  readonly datacenter: Ref;
  readonly folder: Ref;
  readonly pool: Ref;
  /** Null: the cluster chooses it. */
  readonly host: EsxHost | null;
  readonly compute: Compute;
}

function refuse(message: string): AppError {
  return new AppError("unprocessable", "host.refused", message, {
    hint: "Choose another place, or leave it automatic.",
  });
}

/** Throws `pool.not-found`, `pool.not-writable`, `host.refused`. */
export function placeFor(infra: Infrastructure, poolRef: string, placement: Readonly<Record<string, string>>): Place {
  const chosen = (id: string): string | null => {
    const value = placement[id];
    return value === undefined || value === AUTOMATIC ? null : value;
  };
  const datastore = infra.datastores.get(poolRef);
  if (datastore === undefined)
    throw new AppError("not-found", "pool.not-found", `There is no datastore “${poolRef}” on this host.`);
  const why = whyNotWritable(infra, datastore);
  if (why !== null) throw new AppError("unprocessable", "pool.not-writable", why);
  const center = infra.datacenters.get(datacenterOf(infra, datastore.parent) ?? "");
  if (center === undefined || center.vmFolder === null)
    throw refuse(`The data centre of the datastore ${datastore.name} cannot be seen by this user.`);
  const folder = folderOf(infra, center.ref.id, center.vmFolder, chosen("folder"), datastore);
  const usable = datastore.writers.flatMap((id) => infra.hosts.get(id) ?? []).filter((host) => host.usable);
  const wantedHost = chosen("host");
  const hosts = wantedHost === null ? usable : usable.filter((host) => host.ref.id === wantedHost);
  if (hosts.length === 0)
    throw refuse(
      `The host ${infra.hosts.get(wantedHost ?? "")?.name ?? wantedHost ?? ""} cannot write to the datastore ${datastore.name} now.`,
    );
  const wantedPool = chosen("resource-pool");
  const owner = wantedPool === null ? null : (infra.pools.get(wantedPool)?.owner ?? null);
  if (wantedPool !== null && owner === null) throw refuse(`There is no resource pool “${wantedPool}” any more.`);
  const candidates = hosts.filter((host) => owner === null || host.parent === owner);
  const best = candidates.sort((a, b) => b.memory - b.memoryUsed - (a.memory - a.memoryUsed))[0];
  if (best === undefined)
    throw refuse(
      `No host of the resource pool ${infra.pools.get(wantedPool ?? "")?.name ?? ""} can write to the datastore ${datastore.name}.`,
    );
  const compute = infra.computes.get(best.parent ?? "");
  if (compute === undefined || compute.rootPool === null)
    throw refuse(`The resource pool of ${best.name} cannot be seen by this user.`);
  const pool = wantedPool === null ? compute.rootPool : infra.pools.get(wantedPool)?.ref;
  return {
    datastore,
    datacenter: center.ref,
    folder,
    pool: pool ?? compute.rootPool,
    host: wantedHost === null && compute.drs ? null : best,
    compute,
  };
}

function folderOf(infra: Infrastructure, center: string, root: Ref, wanted: string | null, datastore: Datastore): Ref {
  if (wanted === null) return root;
  const folder = infra.folders.get(wanted);
  if (folder === undefined) throw refuse(`There is no folder “${wanted}” any more.`);
  if (datacenterOf(infra, wanted) !== center)
    throw refuse(`The folder ${folder.name} is in another data centre than the datastore ${datastore.name}.`);
  return folder.ref;
}

/** The choices of the deploy card. A choice without an alternative is none. */
export async function placements(
  infra: Infrastructure,
  versions: readonly { key: string; label: string }[],
  signal?: AbortSignal,
): Promise<Placement[]> {
  const choice = async (
    id: string,
    label: string,
    automatic: string,
    options: { ref: string; label: string }[],
  ): Promise<Placement[]> =>
    options.length === 0
      ? []
      : [
          {
            id,
            label,
            defaultRef: AUTOMATIC,
            options: [
              { ref: AUTOMATIC, label: automatic },
              ...(await sortByText(options, (option) => option.label, signal)).slice(0, MOST_OPTIONS),
            ],
          },
        ];
  const roots = new Set([...infra.datacenters.values()].map((center) => center.vmFolder?.id));
  const folders: { ref: string; label: string }[] = [];
  for await (const { ref, name } of inSlices(infra.folders.values(), signal))
    if (isBelow(infra, ref.id, roots) && !roots.has(ref.id))
      folders.push({ ref: ref.id, label: folderPath(infra, ref.id) ?? name });
  const owners = new Set([...infra.computes.values()].map((compute) => compute.rootPool?.id));
  const pools = [...infra.pools.values()].filter((pool) => !owners.has(pool.ref.id));
  const clusters = [...infra.computes.values()].filter(
    (compute) => infra.computes.size > 1 && compute.rootPool !== null,
  );
  const hosts = infra.hosts.size > 1 ? [...infra.hosts.values()] : [];
  return [
    ...(await choice("folder", "Folder", "The data centre's own", folders)),
    ...(await choice("resource-pool", "Resource pool", "Of the host that is chosen", [
      ...clusters.map((compute) => ({ ref: compute.rootPool?.id ?? "", label: compute.name })),
      ...pools.map((pool) => ({
        ref: pool.ref.id,
        label: `${infra.computes.get(pool.owner ?? "")?.name ?? ""} / ${pool.name}`,
      })),
    ])),
    ...(await choice(
      "host",
      "Host",
      "The cluster's choice, or the one with most free memory",
      hosts.map((host) => ({ ref: host.ref.id, label: host.name })),
    )),
    ...(await choice(
      "hardware-version",
      "Hardware version",
      "The host's default",
      versions.length < 2
        ? []
        : versions.map(({ key, label }) => ({
            ref: key,
            label: label === "" || label === key ? key : `${label} (${key})`,
          })),
    )),
  ];
}

function isBelow(infra: Infrastructure, id: string, roots: ReadonlySet<string | undefined>): boolean {
  let here: string | null = id;
  for (let depth = 0; here !== null && depth < 64; depth += 1) {
    if (roots.has(here)) return true;
    here = infra.folders.get(here)?.parent ?? null;
  }
  return false;
}
