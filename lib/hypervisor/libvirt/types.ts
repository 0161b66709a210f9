/** libvirt's object handles as they go over the wire. */
import type { XdrLimits, XdrReader } from "#lib/wire/xdr/reader.ts";
import type { XdrWriter } from "#lib/wire/xdr/writer.ts";

/** REMOTE_STRING_MAX and the longest of the lists, REMOTE_DOMAIN_LIST_MAX, of remote_protocol.x. */
export const LIMITS: XdrLimits = { text: 4 * 1024 ** 2, list: 16_384 };

export interface DomainRef {
  readonly name: string;
  /** With dashes. */
  readonly uuid: string;
  readonly id: number;
}
export interface NamedRef {
  readonly name: string;
  readonly uuid: string;
}
export interface VolumeRef {
  readonly pool: string;
  readonly name: string;
  readonly key: string;
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export function uuidBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll("-", ""), "hex");
}

export function readDomain(reader: XdrReader): DomainRef {
  return { name: reader.string(), uuid: uuidText(reader.fixed(16)), id: reader.int() };
}
export function readNamed(reader: XdrReader): NamedRef {
  return { name: reader.string(), uuid: uuidText(reader.fixed(16)) };
}
export function readVolume(reader: XdrReader): VolumeRef {
  return { pool: reader.string(), name: reader.string(), key: reader.string() };
}
export function writeDomain(writer: XdrWriter, domain: DomainRef): XdrWriter {
  return writer.string(domain.name).fixed(uuidBytes(domain.uuid)).int(domain.id);
}
export function writeNamed(writer: XdrWriter, named: NamedRef): XdrWriter {
  return writer.string(named.name).fixed(uuidBytes(named.uuid));
}
export function writeVolume(writer: XdrWriter, volume: VolumeRef): XdrWriter {
  return writer.string(volume.pool).string(volume.name).string(volume.key);
}
