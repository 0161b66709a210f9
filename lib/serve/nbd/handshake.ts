/** Fixed newstyle negotiation: options until the client goes over to transmission. */
import type { Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { ServeTls } from "../tls.ts";
import type { VirtualFile } from "../virtual-file.ts";
import {
  ALLOCATION,
  FIXED_NEWSTYLE,
  IHAVEOPT,
  INFO,
  MAX_OPTION,
  MAX_READ,
  NBDMAGIC,
  NO_ZEROES,
  OPT,
  OPTION_REPLY,
  REP,
  TRANSMISSION,
} from "./protocol.ts";
import { SocketBytes } from "./socket-bytes.ts";

export interface Negotiated {
  readonly bytes: SocketBytes;
  readonly structured: boolean;
  /** The number under which the client asked for base:allocation; null: it did not. */
  readonly allocation: number | null;
}

/** The peer broke the protocol or the policy: the connection ends. */
export class NbdRefusal extends Error {}

const ALLOCATION_ID = 1;

function u16(...values: number[]): Buffer {
  const out = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => out.writeUInt16BE(value, i * 2));
  return out;
}
function u32(...values: number[]): Buffer {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => out.writeUInt32BE(value, i * 4));
  return out;
}
function u64(value: number | bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
}

/** Null: the client wanted nothing more (abort, or a list). With `tls`, nothing is told before STARTTLS. */
export async function negotiate(socket: Socket, file: VirtualFile, tls: ServeTls | null): Promise<Negotiated | null> {
  let bytes = new SocketBytes(socket);
  await bytes.send(u64(NBDMAGIC), u64(IHAVEOPT), u16(FIXED_NEWSTYLE | NO_ZEROES));
  const client = (await bytes.take(4)).readUInt32BE();
  if ((client & ~(FIXED_NEWSTYLE | NO_ZEROES)) !== 0) throw new NbdRefusal("unknown client flags");
  let secure = tls === null;
  let structured = false;
  let allocation: number | null = null;

  for (;;) {
    const head = await bytes.take(16);
    if (head.readBigUInt64BE() !== IHAVEOPT) throw new NbdRefusal("an option does not begin with IHAVEOPT");
    const option = head.readUInt32BE(8);
    const length = head.readUInt32BE(12);
    const { send } = bytes;
    const reply = (type: number, ...data: Buffer[]): Promise<void> =>
      send.call(bytes, u64(OPTION_REPLY), u32(option, type, Buffer.concat(data).length), ...data);
    if (length > MAX_OPTION) {
      if (length > 16 * MAX_OPTION) throw new NbdRefusal("an option is too long");
      await bytes.skip(length);
      await reply(REP.tooBig);
      continue;
    }
    const data = await bytes.take(length);

    if (option === OPT.abort) {
      await reply(REP.ack).catch(() => undefined);
      return null;
    }
    if (option === OPT.starttls) {
      if (tls === null) await reply(REP.policy, Buffer.from("TLS is not set up here."));
      else if (secure || length !== 0) await reply(REP.invalid);
      else {
        await reply(REP.ack);
        bytes = await startTls(bytes, tls);
        secure = true;
        // What was agreed in the clear could have been said by anybody.
        structured = false;
        allocation = null;
      }
      continue;
    }
    if (!secure) {
      if (option === OPT.exportName) throw new NbdRefusal("TLS is required");
      await reply(REP.tlsRequired, Buffer.from("This export is served over TLS only."));
      continue;
    }
    switch (option) {
      case OPT.exportName: {
        // The oldest way has no reply for an unknown name but to hang up.
        if (!isExport(data.toString("utf8"), file)) throw new NbdRefusal("an unknown export");
        await bytes.send(
          u64(file.length),
          u16(flags(structured)),
          (client & NO_ZEROES) === 0 ? Buffer.alloc(124) : Buffer.alloc(0),
        );
        return { bytes, structured, allocation };
      }
      case OPT.list: {
        if (length !== 0) await reply(REP.invalid);
        else {
          const name = Buffer.from(file.name);
          await reply(REP.server, u32(name.length), name);
          await reply(REP.ack);
        }
        break;
      }
      case OPT.info:
      case OPT.go: {
        const asked = parseInfo(data);
        if (asked === null) await reply(REP.invalid);
        else if (!isExport(asked.name, file)) await reply(REP.unknown, Buffer.from("There is no such export."));
        else {
          await reply(REP.info, u16(INFO.export), u64(file.length), u16(flags(structured)));
          if (asked.infos.includes(INFO.name)) await reply(REP.info, u16(INFO.name), Buffer.from(file.name));
          await reply(REP.info, u16(INFO.blockSize), u32(1, 65_536, MAX_READ));
          await reply(REP.ack);
          if (option === OPT.go) return { bytes, structured, allocation };
        }
        break;
      }
      case OPT.structuredReply: {
        if (length !== 0) await reply(REP.invalid);
        else {
          structured = true;
          await reply(REP.ack);
        }
        break;
      }
      case OPT.listMetaContext:
      case OPT.setMetaContext: {
        const asked = parseContexts(data);
        if (asked === null || !structured) await reply(REP.invalid);
        else if (!isExport(asked.name, file)) await reply(REP.unknown, Buffer.from("There is no such export."));
        else {
          const set = option === OPT.setMetaContext;
          const wanted =
            asked.queries.includes(ALLOCATION) ||
            (!set && (asked.queries.length === 0 || asked.queries.includes("base:")));
          if (wanted) await reply(REP.metaContext, u32(set ? ALLOCATION_ID : 0), Buffer.from(ALLOCATION));
          if (set) allocation = wanted ? ALLOCATION_ID : null;
          await reply(REP.ack);
        }
        break;
      }
      default:
        await reply(REP.unsupported);
    }
  }
}

function flags(structured: boolean): number {
  return TRANSMISSION.base | (structured ? TRANSMISSION.dontFragment : 0);
}

/** The empty name is the default export. */
const isExport = (name: string, file: VirtualFile): boolean => name === "" || name === file.name;

function parseInfo(data: Buffer): { name: string; infos: number[] } | null {
  if (data.length < 6) return null;
  const nameLength = data.readUInt32BE();
  if (nameLength > data.length - 6) return null;
  const count = data.readUInt16BE(4 + nameLength);
  if (data.length !== 6 + nameLength + 2 * count) return null;
  return {
    name: data.toString("utf8", 4, 4 + nameLength),
    infos: Array.from({ length: count }, (_, i) => data.readUInt16BE(6 + nameLength + 2 * i)),
  };
}

function parseContexts(data: Buffer): { name: string; queries: string[] } | null {
  let at = 0;
  const text = (): string | null => {
    if (at + 4 > data.length) return null;
    const length = data.readUInt32BE(at);
    if (length > data.length - at - 4) return null;
    at += 4 + length;
    return data.toString("utf8", at - length, at);
  };
  const name = text();
  if (name === null || at + 4 > data.length) return null;
  const count = data.readUInt32BE(at);
  at += 4;
  const queries: string[] = [];
  // Each takes four bytes at least, so a count that lies ends with the option.
  for (let i = 0; i < count; i += 1) {
    const query = text();
    if (query === null) return null;
    queries.push(query);
  }
  return at === data.length ? { name, queries } : null;
}

/** By a server of its own that never listens: node:tls judges clients' certificates in servers only. */
async function startTls(plain: SocketBytes, tls: ServeTls): Promise<SocketBytes> {
  if (!plain.release()) throw new NbdRefusal("bytes came before TLS had begun");
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const failed = (error?: Error) => reject(new NbdRefusal(error?.message ?? "the peer went away during TLS"));
    plain.socket.once("close", () => failed());
    createTlsServer({ ...tls, minVersion: "TLSv1.2" }, resolve)
      .once("tlsClientError", failed)
      .emit("connection", plain.socket);
  });
  return new SocketBytes(socket);
}
