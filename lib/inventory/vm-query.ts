/** The list of VMs over all hosts: filters, facets and stable pages, good for tens of thousands of rows. */
import { and, asc, desc, eq, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "#lib/db/client.ts";
import { pageCursor, readPageCursor } from "#lib/db/page-cursor.ts";
import { hosts, inventoryItems } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import type { HostRow } from "./host-access.ts";

export const VM_SORTS = ["name", "state", "cpus", "memory", "host"] as const;
export type VmSort = (typeof VM_SORTS)[number];

export interface VmFilter {
  readonly host?: readonly string[];
  readonly vendor?: readonly string[];
  readonly state?: readonly string[];
  readonly firmware?: readonly string[];
  readonly q?: string;
}

export interface VmListQuery extends VmFilter {
  readonly sort: VmSort;
  readonly order: "asc" | "desc";
  readonly cursor: string | null;
  readonly limit: number;
}

type HostPart = Pick<HostRow, "id" | "name" | "vendor" | "simulated" | "staleSince">;
export interface VmFound {
  readonly host: HostPart;
  readonly vm: Vm;
}

const FACETS = ["state", "vendor", "host", "firmware"] as const;
type Facet = (typeof FACETS)[number];

const column = {
  state: sql`coalesce(${inventoryItems.state}, 'unknown')`,
  vendor: sql`${hosts.vendor}`,
  host: sql`${hosts.id}::text`,
  firmware: sql`coalesce(${inventoryItems.data} ->> 'firmware', 'unknown')`,
} satisfies Record<Facet, SQL>;

/** Never null, so that a row comparison tells the place of every row. */
const sortKey = {
  name: sql`${inventoryItems.name}`,
  state: sql`coalesce(${inventoryItems.state}, '')`,
  cpus: sql`coalesce((${inventoryItems.data} ->> 'cpus')::bigint, -1)`,
  memory: sql`coalesce((${inventoryItems.data} ->> 'memory')::bigint, -1)`,
  host: sql`${hosts.name}`,
} satisfies Record<VmSort, SQL>;

const sortType = { name: "text", state: "text", cpus: "bigint", memory: "bigint", host: "text" } satisfies Record<
  VmSort,
  string
>;

function oneOf(expression: SQL, values: readonly string[] | undefined): SQL | undefined {
  if (values === undefined || values.length === 0) return undefined;
  return sql`${expression} in (${sql.join(
    values.map((value) => sql`${value}`),
    sql`, `,
  )})`;
}

function search(q: string | undefined): SQL | undefined {
  const word = q?.trim() ?? "";
  if (word === "") return undefined;
  const like = `%${word.replace(/[\\%_]/g, (c) => `\\${c}`)}%`;
  return sql`(${inventoryItems.name} ilike ${like} or ${inventoryItems.ref} ilike ${like} or ${hosts.name} ilike ${like}
    or ${inventoryItems.data} ->> 'guestOs' ilike ${like} or (${inventoryItems.data} -> 'nics')::text ilike ${like}
    or (${inventoryItems.data} -> 'location')::text ilike ${like})`;
}

/** The conditions of a filter, `without` one of its facets. */
function conditions(filter: VmFilter, without: Facet | null): SQL {
  const parts = [eq(inventoryItems.kind, "vm"), search(filter.q)];
  for (const facet of FACETS) if (facet !== without) parts.push(oneOf(column[facet], filter[facet]));
  return and(...parts) ?? sql`true`;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Sort key, host and ref of the last row. */
const placeOf = (sort: VmSort) =>
  z.tuple([
    sortType[sort] === "text" ? z.string() : z.string().regex(/^-?\d{1,18}$/),
    z.string().regex(UUID),
    z.string(),
  ]);

/** Throws `list.bad-cursor`. */
export async function listVms(
  db: Db,
  query: VmListQuery,
): Promise<{ found: VmFound[]; next: string | null; total: number; facets: Record<Facet, Record<string, number>> }> {
  const key = sortKey[query.sort];
  const where = conditions(query, null);
  const list = `vms by ${query.sort} ${query.order}`;
  const place = readPageCursor(list, placeOf(query.sort), query.cursor);
  const type = sql.raw(sortType[query.sort]);
  const after =
    place &&
    sql`(${key}, ${inventoryItems.hostId}, ${inventoryItems.ref}) ${sql.raw(query.order === "asc" ? ">" : "<")} (${place[0]}::${type}, ${place[1]}::uuid, ${place[2]}::text)`;
  const direction = query.order === "asc" ? asc : desc;
  const rows = await db
    .select({ ...selection, key: sql<string>`(${key})::text` })
    .from(inventoryItems)
    .innerJoin(hosts, eq(hosts.id, inventoryItems.hostId))
    .where(and(where, after))
    .orderBy(direction(key), direction(inventoryItems.hostId), direction(inventoryItems.ref))
    .limit(query.limit + 1);
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  const facets = { state: {}, vendor: {}, host: {}, firmware: {} } as Record<Facet, Record<string, number>>;
  for (const facet of FACETS) facets[facet] = await countBy(db, facet, query);
  return {
    found: page.map(({ host, data }) => ({ host, vm: data as Vm })),
    next: rows.length > query.limit && last !== undefined ? pageCursor(list, [last.key, last.host.id, last.ref]) : null,
    total: await countAll(db, where),
    facets,
  };
}

const selection = {
  ref: inventoryItems.ref,
  data: inventoryItems.data,
  host: {
    id: hosts.id,
    name: hosts.name,
    vendor: hosts.vendor,
    simulated: hosts.simulated,
    staleSince: hosts.staleSince,
  },
};

/** How many VMs each value of the facet would show: its own filter is left out. */
async function countBy(db: Db, facet: Facet, filter: VmFilter): Promise<Record<string, number>> {
  const rows = await db
    .select({ value: sql<string>`${column[facet]}`, count: sql<number>`count(*)::int` })
    .from(inventoryItems)
    .innerJoin(hosts, eq(hosts.id, inventoryItems.hostId))
    .where(conditions(filter, facet))
    .groupBy(sql`1`);
  return Object.fromEntries(rows.map((row) => [row.value, row.count]));
}

async function countAll(db: Db, where: SQL): Promise<number> {
  const [row] = await db
    .select({ count: sql<number>`count(*)::int` })
    .from(inventoryItems)
    .innerJoin(hosts, eq(hosts.id, inventoryItems.hostId))
    .where(where);
  return row?.count ?? 0;
}

/** Throws `vm.not-found`. */
export async function findVm(db: Db, hostId: string, ref: string): Promise<VmFound> {
  const [row] = UUID.test(hostId)
    ? await db
        .select(selection)
        .from(inventoryItems)
        .innerJoin(hosts, eq(hosts.id, inventoryItems.hostId))
        .where(and(eq(inventoryItems.hostId, hostId), eq(inventoryItems.kind, "vm"), eq(inventoryItems.ref, ref)))
    : [];
  if (row === undefined) {
    throw new AppError("not-found", "vm.not-found", "There is no such VM.", {
      hint: "It may have been removed on its host.",
    });
  }
  return { host: row.host, vm: row.data as Vm };
}
