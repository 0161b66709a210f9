/**
 * Mutants of hosts' good answers, for tests: whatever is wrong with one, reading it ends in a value or in an AppError.
 * A seed says which mutants; the same seed makes the same ones again.
 */
import { AppError } from "#lib/errors.ts";
import { readJson } from "#lib/wire/json/read-json.ts";
import { answerChallenge } from "#lib/wire/ntlm/client.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import { readInstance } from "#lib/wire/wsman/cim.ts";
import { readEmbedded } from "#lib/wire/wsman/embedded.ts";
import { readFault } from "#lib/wire/wsman/fault.ts";
import { readBody } from "#lib/wire/wsman/message.ts";
import { readObjectPath } from "#lib/wire/wsman/object-path.ts";
import { readSealed } from "#lib/wire/wsman/sealed-body.ts";
import { XdrReader } from "#lib/wire/xdr/reader.ts";
import { readError } from "./libvirt/libvirt-error.ts";
import { mapDomain } from "./libvirt/map-domain.ts";
import { LIMITS, readDomain } from "./libvirt/types.ts";
import { parseMachineReadable } from "./virtualbox/machine-readable.ts";
import { mapVm } from "./virtualbox/map-vm.ts";
import { parseMedia } from "./virtualbox/media.ts";
import { parseVmList } from "./virtualbox/records.ts";
import { parseSettings } from "./virtualbox/settings-file.ts";
import { parseRecord, RECORD_CLASSES } from "./xapi/records.ts";

interface PeerParser {
  readonly good: Buffer;
  readonly read: (bytes: Buffer) => unknown;
}

const text = (good: string, read: (text: string) => unknown): PeerParser => ({
  good: Buffer.from(good),
  read: (bytes) => read(bytes.toString("utf8")),
});

/** A challenge that is taken: flags, a nonce, and what the host tells of itself. */
function challenge(): Buffer {
  const facts = Buffer.from("0200080044004f004d0041000700080000112233445566770600040002000000" + "00000000", "hex");
  const head = Buffer.alloc(48);
  head.write("NTLMSSP\0", "latin1");
  head.writeUInt32LE(2, 8);
  head.writeUInt32LE(0xe28a8235, 20);
  head.writeUInt16LE(facts.length, 40);
  head.writeUInt16LE(facts.length, 42);
  head.writeUInt32LE(48, 44);
  return Buffer.concat([head, facts]);
}

const DOMAIN = "00000003766d310000112233445566778899aabbccddeeff00000001";
const UUID = "11111111-2222-4333-8444-555555555555";

export const PEER_PARSERS: Readonly<Record<string, PeerParser>> = {
  SOAP: text(
    "<?xml version='1.0'?><e:E xmlns:e='u'><b t='1'>x &amp; &#65;<![CDATA[<y>]]></b><!-- c --></e:E>",
    parseXml,
  ),
  "WS-Management": text(
    "<s:Envelope xmlns:s='u'><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code></s:Fault><p:X xmlns:p='n'><p:A>1</p:A></p:X></s:Body></s:Envelope>",
    async (given) => {
      const body = await readBody(given);
      return [readFault(body), ...body.children.map(readInstance)];
    },
  ),
  "embedded instances": text(
    '<INSTANCE CLASSNAME="C"><PROPERTY NAME="N" TYPE="string"><VALUE>v</VALUE></PROPERTY></INSTANCE>',
    readEmbedded,
  ),
  "object paths": text('\\\\HV1\\root\\v2:Msvm_X.InstanceID="a\\\\b",Other="c"', readObjectPath),
  "sealed messages": {
    good: Buffer.from(
      "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=4\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\x02\0\0\0ssbody--Encrypted Boundary--\r\n",
      "latin1",
    ),
    read: (bytes) => readSealed("application/HTTP-SPNEGO-session-encrypted", bytes),
  },
  NTLM: {
    good: challenge(),
    read: (bytes) => answerChallenge(bytes, { user: "D\\u", password: "p" }, { service: "HTTP/h", certificate: null }),
  },
  XenAPI: text(
    '{"jsonrpc":"2.0","result":{"uuid":"u","name_label":"n","PBDs":["a"],"live":true,"memory_total":1,"networks":{"0/ip":"1.2.3.4"}}}',
    async (given) => {
      const whole = Buffer.from(given);
      async function* body() {
        yield whole;
      }
      const read = (await readJson(body(), { most: 1024 ** 2 })) as { readonly result?: unknown } | null;
      return RECORD_CLASSES.map((name) => parseRecord(name, read?.result));
    },
  ),
  "libvirt's lists": {
    good: Buffer.from(`00000002${DOMAIN}${DOMAIN}00000002`, "hex"),
    read: (bytes) => new XdrReader(bytes, LIMITS).array(readDomain),
  },
  "libvirt's errors": {
    good: Buffer.from(
      "0000002a0000000a00000001000000026e6f000000000002000000000000000000000000000000000000000000000000000000000000000000000000",
      "hex",
    ),
    read: (bytes) => readError(new XdrReader(bytes, LIMITS)),
  },
  "libvirt's XML": text(
    "<domain type='kvm'><name>a</name><uuid>u</uuid><memory unit='KiB'>1</memory><devices><disk device='disk'><target dev='vda' bus='virtio'/></disk></devices></domain>",
    (given) => mapDomain(given, 1, []),
  ),
  showvminfo: text(
    `name="web"\nUUID="${UUID}"\nstoragecontrollername0="SATA"\n"SATA-0-0"="/x"\n"SATA-ImageUUID-0-0"="u"\nnic1="nat"\nVMState="poweroff"\ndescription="a\nb"\n`,
    async (given) =>
      mapVm({
        uuid: UUID,
        listedName: null,
        info: await parseMachineReadable(given),
        settings: null,
        media: new Map(),
        poolRef: "p",
      }),
  ),
  "VBoxManage's lists": text(
    `UUID: ${UUID}\nParent UUID: base\nCapacity: 10 MBytes\n\n"a" {${UUID}}\n`,
    async (given) => [await parseMedia(given), await parseVmList(given)],
  ),
  "settings files": text(
    "<VirtualBox><Machine currentSnapshot='{a}'><Snapshot uuid='{a}' name='s' timeStamp='2026-01-01T00:00:00Z'/></Machine></VirtualBox>",
    parseSettings,
  ),
};

/** Numbers below 2^32, by xorshift. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = (seed * 2_654_435_761 + 1) >>> 0 || 1; ; ) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    yield state;
  }
}

function mutant(good: Buffer, next: () => number): Buffer {
  let bytes = Buffer.from(good);
  for (let change = next() % 4; change >= 0; change -= 1) {
    const at = next() % (bytes.length + 1);
    const to = Math.min(bytes.length, at + (next() % 24));
    switch (next() % 5) {
      case 0:
        if (at < bytes.length) bytes[at] = next() % 256;
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]);
        break;
      case 3:
        if (at + 4 <= bytes.length) bytes.writeUInt32LE([0, 1, 0x7fff_ffff, 0xffff_ffff][next() % 4] ?? 0, at);
        break;
      default:
        bytes = bytes.subarray(0, at);
    }
  }
  return bytes;
}

/** How often each outcome was seen, and what was neither a value nor an AppError. */
export async function fuzzPeer(
  name: string,
  seed: number,
  count: number,
): Promise<{ readonly read: number; readonly refused: number; readonly broken: readonly string[] }> {
  const parser = PEER_PARSERS[name];
  if (parser === undefined) throw new Error(`there is no parser ${name}`);
  const source = numbers(seed);
  const next = (): number => source.next().value;
  const seen = { read: 0, refused: 0, broken: [] as string[] };
  for (let i = 0; i < count; i += 1) {
    const bytes = mutant(parser.good, next);
    try {
      await parser.read(bytes);
      seen.read += 1;
    } catch (error) {
      if (error instanceof AppError) seen.refused += 1;
      else seen.broken.push(`${name}, seed ${seed}: ${String(error)}: ${bytes.toString("hex")}`);
    }
  }
  return seen;
}
