/** What a client asks, and the frames of what it is answered. */
import type { Negotiated } from "./handshake.ts";
import { NbdRefusal } from "./handshake.ts";
import { CHUNK, CHUNK_DONE, REQUEST, SIMPLE_REPLY, STRUCTURED_REPLY } from "./protocol.ts";
import type { SocketBytes } from "./socket-bytes.ts";

export const REQUEST_BYTES = 28;

export interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookie: Buffer;
  readonly offset: bigint;
  readonly length: number;
}

export async function takeRequest(bytes: SocketBytes): Promise<Request> {
  const head = await bytes.take(REQUEST_BYTES);
  if (head.readUInt32BE() !== REQUEST) throw new NbdRefusal("a request does not begin with its magic");
  return {
    flags: head.readUInt16BE(4),
    type: head.readUInt16BE(6),
    cookie: Buffer.from(head.subarray(8, 16)),
    offset: head.readBigUInt64BE(16),
    length: head.readUInt32BE(24),
  };
}

export function simple(request: Request, error: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(SIMPLE_REPLY);
  head.writeUInt32BE(error, 4);
  request.cookie.copy(head, 8);
  return head;
}

export function chunk(request: Request, type: number, length: number, last: boolean): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32BE(STRUCTURED_REPLY);
  head.writeUInt16BE(last ? CHUNK_DONE : 0, 4);
  head.writeUInt16BE(type, 6);
  request.cookie.copy(head, 8);
  head.writeUInt32BE(length, 16);
  return head;
}

export function done({ bytes, structured }: Negotiated, request: Request): Promise<void> {
  return bytes.send(structured ? chunk(request, CHUNK.none, 0, true) : simple(request, 0));
}

export function fail({ bytes, structured }: Negotiated, request: Request, error: number, why: string): Promise<void> {
  if (!structured) return bytes.send(simple(request, error));
  const text = Buffer.from(why).subarray(0, 1024);
  const body = Buffer.alloc(6);
  body.writeUInt32BE(error);
  body.writeUInt16BE(text.length, 4);
  return bytes.send(chunk(request, CHUNK.error, 6 + text.length, true), body, text);
}
