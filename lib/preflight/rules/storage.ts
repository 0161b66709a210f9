import { DISK_FORMAT_LABEL } from "#lib/domain/disk-format.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import type { KnownContext, PreflightRule } from "../context.ts";

/** Space that should be left in a pool: below it snapshots and growth of thin disks fail first. */
const THIN_MARGIN = 0.1;

/** What every VM that is made here is shown. */
const SECTOR = 512;

function largestPool({ host }: KnownContext, needed: number) {
  return host.pools
    .filter((pool) => pool.active && pool.writable && pool.free !== null && pool.free > needed)
    .sort((a, b) => (b.free ?? 0) - (a.free ?? 0))[0];
}

const otherPool = (ctx: KnownContext, needed: number) => {
  const pool = largestPool(ctx, needed);
  return pool === undefined || pool.ref === ctx.choice.poolRef
    ? null
    : { label: `Use ${pool.name}`, set: { poolRef: pool.ref } };
};

export const storageRules: readonly PreflightRule[] = [
  {
    id: "target.format-not-taken",
    about: "The host takes no disks of this format.",
    check: ({ host, choice }) => {
      if (host.capabilities.diskFormats.includes(choice.diskFormat)) return [];
      const format = host.capabilities.diskFormats[0];
      return [
        {
          severity: "blocker",
          field: "format",
          message: `${host.name} takes no ${DISK_FORMAT_LABEL[choice.diskFormat]} disks.`,
          source: "live host",
          remedy:
            format === undefined ? null : { label: `Use ${DISK_FORMAT_LABEL[format]}`, set: { diskFormat: format } },
        },
      ];
    },
  },
  {
    id: "target.disk-too-large",
    about: "The disk is larger than this format may be on this host.",
    check: ({ host, image, choice }) => {
      const limit = host.capabilities.limits.maxDiskSize[choice.diskFormat];
      const largest = Math.max(0, ...image.disks.map((disk) => disk.virtualSize));
      if (limit === undefined || largest <= limit) return [];
      const format = host.capabilities.diskFormats.find(
        (candidate) => (host.capabilities.limits.maxDiskSize[candidate] ?? Infinity) >= largest,
      );
      return [
        {
          severity: "blocker",
          field: "format",
          message: `A disk of ${formatBytes(largest)} does not fit ${DISK_FORMAT_LABEL[choice.diskFormat]} on ${host.name}, which ends at ${formatBytes(limit)}.`,
          source: "live host",
          remedy:
            format === undefined ? null : { label: `Use ${DISK_FORMAT_LABEL[format]}`, set: { diskFormat: format } },
        },
      ];
    },
  },
  {
    id: "target.too-many-disks",
    about: "The image has more disks than a VM may have on this host.",
    check: ({ host, image }) =>
      image.disks.length <= host.capabilities.limits.maxDisks
        ? []
        : [
            {
              severity: "blocker",
              field: "image",
              message: `${image.name} has ${image.disks.length} disks; a VM on ${host.name} may have ${host.capabilities.limits.maxDisks}.`,
              source: "live host",
              remedy: null,
            },
          ],
  },
  {
    id: "guest.sector-size",
    about: "The guest was installed on sectors of another size than the new disk shows.",
    check: ({ image, host }) => {
      const other = image.disks.findIndex(({ sectorBytes }) => (sectorBytes ?? SECTOR) !== SECTOR);
      if (other === -1) return [];
      const which = image.disks.length === 1 ? "The disk" : `Disk ${other + 1}`;
      return [
        {
          severity: "warning",
          field: "image",
          message: `${which} of ${image.name} has sectors of ${image.disks[other]?.sectorBytes} bytes, and a VM on ${host.name} is shown ${SECTOR}: its partition table counts the others, and the guest will hardly find its partitions.`,
          source: "the image",
          remedy: null,
        },
      ];
    },
  },
  {
    id: "target.pool-missing",
    about: "The chosen storage pool is not on the host.",
    check: (ctx) =>
      ctx.host.pools.some((pool) => pool.ref === ctx.choice.poolRef)
        ? []
        : [
            {
              severity: "blocker",
              field: "pool",
              message: `${ctx.host.name} has no storage pool “${ctx.choice.poolRef}”.`,
              source: "live host",
              remedy: otherPool(ctx, ctx.storedBytes ?? 0),
            },
          ],
  },
  {
    id: "target.pool-not-writable",
    about: "The chosen storage pool takes no new disks now.",
    check: (ctx) => {
      const pool = ctx.host.pools.find((candidate) => candidate.ref === ctx.choice.poolRef);
      if (pool === undefined || (pool.active && pool.writable)) return [];
      return [
        {
          severity: "blocker",
          field: "pool",
          message: pool.whyNotWritable ?? `The storage pool ${pool.name} is not active.`,
          source: "live host",
          remedy: otherPool(ctx, ctx.storedBytes ?? 0),
        },
      ];
    },
  },
  {
    id: "target.pool-no-room",
    about: "The chosen storage pool has no room for the disks.",
    check: (ctx) => {
      const pool = ctx.host.pools.find((candidate) => candidate.ref === ctx.choice.poolRef);
      if (pool?.free == null || ctx.storedBytes === null || ctx.storedBytes <= pool.free) return [];
      return [
        {
          severity: "blocker",
          field: "pool",
          message: `The disks take ${formatBytes(ctx.storedBytes)}, and ${pool.name} has ${formatBytes(pool.free)} free.`,
          source: "live host",
          remedy: otherPool(ctx, ctx.storedBytes),
        },
      ];
    },
  },
  {
    id: "target.pool-nearly-full",
    about: "After this the pool is over 90 % full.",
    check: (ctx) => {
      const pool = ctx.host.pools.find((candidate) => candidate.ref === ctx.choice.poolRef);
      if (pool?.free == null || pool.capacity === null || pool.capacity === 0 || ctx.storedBytes === null) return [];
      const left = pool.free - ctx.storedBytes;
      if (left < 0 || left >= pool.capacity * THIN_MARGIN) return [];
      return [
        {
          severity: "warning",
          field: "pool",
          message: `${formatBytes(left)} of ${formatBytes(pool.capacity)} will be left in ${pool.name}.`,
          source: "live host",
          remedy: otherPool(ctx, ctx.storedBytes),
        },
      ];
    },
  },
  {
    id: "target.pool-thin-overcommit",
    about: "Once the guest has filled its disks, the pool is too small.",
    check: (ctx) => {
      const pool = ctx.host.pools.find((candidate) => candidate.ref === ctx.choice.poolRef);
      const full = ctx.image.disks.reduce((sum, disk) => sum + disk.virtualSize, 0);
      if (pool?.free == null || ctx.storedBytes === null || ctx.storedBytes > pool.free || full <= pool.free) return [];
      return [
        {
          severity: "info",
          field: "pool",
          message: `The disks may grow to ${formatBytes(full)}; ${pool.name} has ${formatBytes(pool.free)} free.`,
          source: "live host",
          remedy: null,
        },
      ];
    },
  },
  {
    id: "image.odd-size",
    about: "The disk's size is no whole number of sectors.",
    check: ({ image }) =>
      image.disks.some((disk) => disk.virtualSize % 512 !== 0)
        ? [
            {
              severity: "warning",
              field: "image",
              message: "A disk's size is no multiple of 512 bytes; hosts that count in sectors refuse it or cut it.",
              source: "the image",
              remedy: null,
            },
          ]
        : [],
  },
];
