import type { Command } from "commander";
import { z } from "zod";
import { Host, VmRow } from "#lib/domain/host.ts";
import { Image } from "#lib/domain/image.ts";
import { ProvisionRequest } from "#lib/domain/request-view.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { remoteApi } from "../remote/api.ts";
import { table } from "../terminal/table.ts";
import { printJson, printLines } from "../terminal/output.ts";

const Any = z.looseObject({});

interface Listing<T extends z.ZodType> {
  readonly noun: string;
  readonly path: string;
  readonly item: T;
  readonly head: readonly string[];
  row(item: z.infer<T>): string[];
}

const hostList: Listing<typeof Host> = {
  noun: "host",
  path: "/hosts",
  item: Host,
  head: ["name", "vendor", "state", "vms", "running", "free", "id"],
  row: (h) => [
    h.simulated ? `${h.name} (simulated)` : h.name,
    h.vendor,
    h.state,
    String(h.counts.vms),
    String(h.counts.running),
    h.storage.free === null ? "?" : formatBytes(h.storage.free),
    h.id,
  ],
};
const imageList: Listing<typeof Image> = {
  noun: "image",
  path: "/images",
  item: Image,
  head: ["name", "version", "state", "format", "size", "id"],
  row: (i) => [
    i.name,
    String(i.latest.number),
    i.latest.state,
    i.latest.source.kind === "linked" ? `on ${i.latest.source.hostName}` : (i.latest.disks[0]?.format ?? "?"),
    i.latest.disks.length === 0 ? "?" : formatBytes(i.latest.disks.reduce((sum, d) => sum + d.virtualSize, 0)),
    i.id,
  ],
};
const vmList: Listing<typeof VmRow> = {
  noun: "vm",
  path: "/vms",
  item: VmRow,
  head: ["name", "state", "host", "cpus", "memory", "ref"],
  row: (v) => [
    v.name,
    v.state,
    v.hostName,
    v.cpus === null ? "?" : String(v.cpus),
    v.memory === null ? "?" : formatBytes(v.memory),
    v.ref,
  ],
};
const requestList: Listing<typeof ProvisionRequest> = {
  noun: "request",
  path: "/requests",
  item: ProvisionRequest,
  head: ["number", "status", "image", "targets", "requester", "created", "id"],
  row: (r) => [
    String(r.number),
    r.status,
    r.imageName,
    r.targets.map((t) => `${t.choice.name}@${t.hostName}`).join(", "),
    r.requester.name,
    r.createdAt,
    r.id,
  ],
};

function registerList<T extends z.ZodType>(program: Command, listing: Listing<T>): void {
  const noun =
    program.commands.find((c) => c.name() === listing.noun) ??
    program.command(listing.noun).description(`work with ${listing.noun}s of the console`);
  noun
    .command("list")
    .description(`list the ${listing.noun}s`)
    .option("--json", "print as JSON")
    .action(async (options: { json?: boolean }) => {
      const api = await remoteApi();
      if (options.json) {
        printJson(await api.list(listing.path, Any), process.stdout, 2);
        return;
      }
      const items = await api.list(listing.path, listing.item);
      printLines(table(listing.head, items.map(listing.row), `No ${listing.noun}s.`));
    });
}

/** `host|image|vm|request list` */
export function registerLists(program: Command): void {
  registerList(program, hostList);
  registerList(program, imageList);
  registerList(program, vmList);
  registerList(program, requestList);
}
