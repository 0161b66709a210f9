/** Numbers of the NBD protocol (the NBD project's doc/proto.md). Everything on the wire is big-endian. */

export const NBDMAGIC = 0x4e42444d41474943n;
export const IHAVEOPT = 0x49484156454f5054n;
export const OPTION_REPLY = 0x3e889045565a9n;
export const REQUEST = 0x25609513;
export const SIMPLE_REPLY = 0x67446698;
export const STRUCTURED_REPLY = 0x668e33ef;

/** Handshake flags, ours and the client's. */
export const FIXED_NEWSTYLE = 1;
export const NO_ZEROES = 2;

export const OPT = {
  exportName: 1,
  abort: 2,
  list: 3,
  starttls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const REP = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  unsupported: 0x80000001,
  policy: 0x80000002,
  invalid: 0x80000003,
  tlsRequired: 0x80000005,
  unknown: 0x80000006,
  tooBig: 0x80000009,
} as const;

export const INFO = { export: 0, name: 1, blockSize: 3 } as const;

/** Transmission flags: has flags, read-only, flush, DF, many connections see the same, cache. */
export const TRANSMISSION = { base: 0x1 | 0x2 | 0x4 | 0x100 | 0x400, dontFragment: 0x80 } as const;

export const CMD = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;
export const CMD_FLAG = { dontFragment: 4, one: 8 } as const;

export const CHUNK = { none: 0, data: 1, hole: 2, blockStatus: 5, error: 0x8001 } as const;
export const CHUNK_DONE = 1;

/** base:allocation. */
export const STATE_HOLE = 1;
export const STATE_ZERO = 2;

export const ERROR = { perm: 1, io: 5, invalid: 22, overflow: 75, notSupported: 95 } as const;

export const ALLOCATION = "base:allocation";
/** Most bytes that one read may ask for; what we announce and what clients take as the default. */
export const MAX_READ = 32 * 1024 * 1024;
/** Most bytes of an option: names are 4,096 at most. */
export const MAX_OPTION = 65_536;
