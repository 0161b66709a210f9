import { DISK_FORMAT_LABEL, type DiskFormatId } from "#lib/domain/disk-format.ts";
import { sectorWarning } from "#lib/domain/guest-warnings.ts";
import type { StoragePool } from "#lib/domain/inventory.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import type { KnownContext, PreflightRule } from "../context.ts";

/** Space that should be left in a pool: below it snapshots and growth of thin disks fail first. */
const THIN_MARGIN = 0.1;

/** Bytes that the disks take in this pool; null while unknown. */
function neededIn(pool: StoragePool, { storedBytes, image }: KnownContext): number | null {
  return pool.thick === true ? image.disks.reduce((sum, disk) => sum + disk.virtualSize, 0) : storedBytes;
}

const takes = (pool: StoragePool, format: DiskFormatId): boolean => pool.diskFormats?.includes(format) !== false;

function largestPool(ctx: KnownContext) {
  return ctx.host.pools
    .filter(
      (pool) =>
        pool.active &&
        pool.writable &&
        takes(pool, ctx.choice.diskFormat) &&
        pool.free !== null &&
        pool.free > (neededIn(pool, ctx) ?? 0),
    )
    .sort((a, b) => (b.free ?? 0) - (a.free ?? 0))[0];
}

const otherPool = (ctx: KnownContext) => {
  const pool = largestPool(ctx);
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
    id: "target.pool-format",
    about: "The chosen storage pool holds no disks of this format.",
    check: (ctx) => {
      const { host, choice } = ctx;
      const pool = host.pools.find((candidate) => candidate.ref === choice.poolRef);
      if (pool === undefined || takes(pool, choice.diskFormat)) return [];
      const format = host.capabilities.diskFormats.find((candidate) => takes(pool, candidate));
      return [
        {
          severity: "blocker",
          field: "format",
          message: `The storage pool ${pool.name} (${pool.type}) holds no ${DISK_FORMAT_LABEL[choice.diskFormat]} disks.`,
          source: "live host",
          remedy:
            format === undefined
              ? otherPool(ctx)
              : { label: `Use ${DISK_FORMAT_LABEL[format]}`, set: { diskFormat: format } },
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
              remedy: otherPool(ctx),
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
          remedy: otherPool(ctx),
        },
      ];
    },
  },
  {
    id: "target.pool-no-room",
    about: "The chosen storage pool has no room for the disks.",
    check: (ctx) => {
      const pool = ctx.host.pools.find((candidate) => candidate.ref === ctx.choice.poolRef);
      const needed = pool === undefined ? null : neededIn(pool, ctx);
      if (pool?.free == null || needed === null || needed <= pool.free) return [];
      return [
        {
          severity: "blocker",
          field: "pool",
          message: `The disks take ${formatBytes(needed)}, and ${pool.name} has ${formatBytes(pool.free)} free.`,
          source: "live host",
          remedy: otherPool(ctx),
        },
      ];
    },
  },
  {
    id: "target.pool-nearly-full",
    about: "After this the pool is over 90 % full.",
    check: (ctx) => {
      const pool = ctx.host.pools.find((candidate) => candidate.ref === ctx.choice.poolRef);
      const needed = pool === undefined ? null : neededIn(pool, ctx);
      if (pool?.free == null || pool.capacity === null || pool.capacity === 0 || needed === null) return [];
      const left = pool.free - needed;
      if (left < 0 || left >= pool.capacity * THIN_MARGIN) return [];
      return [
        {
          severity: "warning",
          field: "pool",
          message: `${formatBytes(left)} of ${formatBytes(pool.capacity)} will be left in ${pool.name}.`,
          source: "live host",
          remedy: otherPool(ctx),
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
      if (pool?.free == null || pool.thick === true) return [];
      if (ctx.storedBytes === null || ctx.storedBytes > pool.free || full <= pool.free) return [];
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
    id: "target.sector-size",
    about: "A disk has 4 KiB sectors, and the host shows it with sectors of 512 bytes.",
    check: ({ image, host }) =>
      image.disks.flatMap(({ guest }, index) => {
        const why = guest === null ? null : sectorWarning(guest);
        if (guest === null || why === null) return [];
        return [
          {
            severity: index === 0 && guest.partitionTable !== "none" ? ("blocker" as const) : ("warning" as const),
            field: "image" as const,
            message: `${image.disks.length === 1 ? "" : `Disk ${index + 1}: `}${why} A new disk on ${host.name} has sectors of 512 bytes.`,
            source: "the image's format and partition table",
            remedy: null,
          },
        ];
      }),
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
