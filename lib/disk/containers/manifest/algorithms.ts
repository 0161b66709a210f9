/** Digests that manifests may name, by the names of the programs that write them. */

const HEX_DIGITS = {
  md5: 32,
  sha1: 40,
  sha224: 56,
  sha256: 64,
  sha384: 96,
  sha512: 128,
  "sha512-224": 56,
  "sha512-256": 64,
  "sha3-224": 56,
  "sha3-256": 64,
  "sha3-384": 96,
  "sha3-512": 128,
  blake2b512: 128,
  blake2s256: 64,
} as const;

/** As `createHash` calls them. */
export type DigestAlgorithm = keyof typeof HEX_DIGITS;

/** Written another way than by dashes and capitals: OpenSSL 3 has SHA2-256 where OpenSSL 1 had SHA256. */
const OTHER_NAMES: Readonly<Record<string, DigestAlgorithm>> = {
  sha: "sha1",
  sha2224: "sha224",
  sha2256: "sha256",
  sha2384: "sha384",
  sha2512: "sha512",
  sha2512224: "sha512-224",
  sha2512256: "sha512-256",
  blake2b: "blake2b512",
  blake2s: "blake2s256",
};

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

const BY_NAME = new Map<string, DigestAlgorithm>([
  ...(Object.keys(HEX_DIGITS) as DigestAlgorithm[]).map((id): [string, DigestAlgorithm] => [plain(id), id]),
  ...Object.entries(OTHER_NAMES),
]);

/** What `md5sum`, `sha256sum` and the like write; other digests of these lengths bear their name. */
const BY_LENGTH = new Map<number, DigestAlgorithm>(
  (["md5", "sha1", "sha224", "sha256", "sha384", "sha512"] as const).map((id) => [HEX_DIGITS[id], id]),
);

/** Null: not computed here. */
export function digestByName(name: string): { id: DigestAlgorithm; hexDigits: number } | null {
  const id = BY_NAME.get(plain(name));
  return id === undefined ? null : { id, hexDigits: HEX_DIGITS[id] };
}

export const digestByLength = (hexDigits: number): DigestAlgorithm | null => BY_LENGTH.get(hexDigits) ?? null;
