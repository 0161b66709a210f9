/** Numbers of libvirt's remote protocol that are used here: facts of its interface, stable since they were given out. */

export const PROGRAM = 0x20008086;
export const KEEPALIVE_PROGRAM = 0x6b656570;

export const PROC = {
  connectOpen: 1,
  connectClose: 2,
  nodeGetInfo: 6,
  getCapabilities: 7,
  domainGetXml: 14,
  domainLookupByName: 23,
  domainLookupByUuid: 24,
  domainReboot: 27,
  domainResume: 28,
  domainSuspend: 34,
  networkGetXml: 43,
  getHostname: 59,
  supportsFeature: 60,
  authList: 66,
  authPolkit: 70,
  poolRefresh: 83,
  poolLookupByName: 84,
  poolGetInfo: 87,
  poolGetXml: 88,
  volCreateXml: 93,
  volDelete: 94,
  volLookupByName: 95,
  volLookupByPath: 97,
  volGetXml: 99,
  volGetPath: 100,
  nodeGetFreeMemory: 102,
  nodeDeviceGetXml: 114,
  interfaceGetXml: 130,
  getLibVersion: 157,
  snapshotGetXml: 186,
  domainCreateWithFlags: 196,
  volUpload: 208,
  volDownload: 209,
  domainGetState: 212,
  nodeGetMemoryStats: 228,
  domainUndefineFlags: 231,
  domainDestroyFlags: 234,
  domainReset: 245,
  domainShutdownFlags: 258,
  listAllDomains: 273,
  domainListAllSnapshots: 274,
  listAllPools: 281,
  listAllNetworks: 283,
  listAllInterfaces: 284,
  listAllNodeDevices: 285,
  networkEventRegister: 313,
  networkEventLifecycle: 315,
  domainEventRegister: 316,
  domainEventLifecycle: 318,
  domainGetCapabilities: 342,
  domainDefineFlags: 350,
  domainInterfaceAddresses: 353,
  poolEventRegister: 368,
  poolEventLifecycle: 370,
  poolEventRefresh: 373,
  volGetInfoFlags: 378,
} as const;

const MINUTE_MS = 60_000;
const USUAL_MS = MINUTE_MS;
/**
 * How long an answer may take, where a minute is too short: what the host does meanwhile grows with its storage or with
 * the guest's memory, and libvirt tells no progress. A peer that is gone is found by the keepalive long before.
 */
const SLOW_MS: Readonly<Record<number, number>> = {
  // Opens each image in the pool.
  [PROC.poolRefresh]: 15 * MINUTE_MS,
  [PROC.volCreateXml]: 15 * MINUTE_MS,
  [PROC.volDelete]: 15 * MINUTE_MS,
  // Sets the guest's memory aside, waits for its network and storage.
  [PROC.domainCreateWithFlags]: 15 * MINUTE_MS,
  [PROC.domainDefineFlags]: 5 * MINUTE_MS,
  // Removes the saved memory and the NVRAM too.
  [PROC.domainUndefineFlags]: 10 * MINUTE_MS,
  // QEMU writes out what it holds before it goes.
  [PROC.domainDestroyFlags]: 5 * MINUTE_MS,
  [PROC.domainShutdownFlags]: 5 * MINUTE_MS,
  [PROC.domainReboot]: 5 * MINUTE_MS,
  [PROC.volUpload]: 5 * MINUTE_MS,
  [PROC.volDownload]: 5 * MINUTE_MS,
};

export const patienceOf = (procedure: number): number => SLOW_MS[procedure] ?? USUAL_MS;

/** virErrorNumber, as far as it is told apart. */
export const ERROR = {
  noSupport: 3,
  operationFailed: 9,
  noDomain: 42,
  noNetwork: 43,
  noPool: 49,
  noVolume: 50,
  operationInvalid: 55,
  volumeExists: 90,
} as const;
