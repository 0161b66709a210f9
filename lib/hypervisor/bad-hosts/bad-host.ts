/**
 * A host that answers badly, in a thread of its own: HTTPS of vSphere, XenAPI and WS-Management, and libvirt on a socket.
 * What it does next is told by messages; it answers each of them when it is ready.
 */
import { createServer as createLocalServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { parentPort, workerData } from "node:worker_threads";

export interface BadHostData {
  readonly key: string;
  readonly cert: string;
  /** Of libvirt's socket. */
  readonly path: string;
}

export type Misbehaviour =
  | "says nothing"
  | "sends its head byte by byte"
  | "sends its answer byte by byte"
  | "sends garbage"
  | "sends heads without end"
  | "sends interim answers without end"
  | "sends an answer without end"
  | "sends a chunk that never begins"
  | "sends somewhere else";

const BYTE_MS = 5;
const given = workerData as BadHostData;
let how: Misbehaviour = "says nothing";

/** Without end, as fast as they are taken. */
function pour(socket: Socket, unit: string | Buffer): void {
  const text = Buffer.from(unit);
  const piece = Buffer.alloc(Math.max(1, Math.floor(65_536 / text.length)) * text.length, text);
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on("drain", more);
  more();
}

/** Byte by byte, and then the last of them again and again. */
function trickle(socket: Socket, text: string | Buffer): void {
  const bytes = Buffer.from(text);
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer);
    else socket.write(bytes.subarray(at, at + 1));
    at = Math.min(at + 1, bytes.length - 1);
  }, BYTE_MS);
}

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n";
const chunked = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const XML = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>`;
const VERSIONS = "<namespaces><namespace><name>urn:vim25</name><version>8.0.1.0</version></namespace></namespaces>";

function answerHttp(socket: Socket, request: string): void {
  if (request.startsWith("GET /sdk/"))
    return void socket.write(`${HEAD}Content-Length: ${VERSIONS.length}\r\n\r\n${VERSIONS}`);
  const json = request.startsWith("POST /jsonrpc");
  switch (how) {
    case "says nothing":
      return;
    case "sends its head byte by byte":
      return trickle(socket, "HTTP/1.1 200 OK\r\nX-More: more");
    case "sends its answer byte by byte":
      socket.write(`${HEAD}Content-Length: 1000000\r\n\r\n`);
      return trickle(socket, " ");
    case "sends garbage":
      return void socket.write(Buffer.alloc(4096, "\x16\x03\xff garbage "));
    case "sends heads without end":
      socket.write(HEAD);
      return pour(socket, "X-More: more\r\n");
    case "sends interim answers without end":
      return pour(socket, "HTTP/1.1 103 Early Hints\r\nX-More: more\r\n\r\n");
    case "sends an answer without end":
      socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n${chunked(json ? '{"result":[' : XML)}`);
      return pour(socket, chunked((json ? "0," : "<a/>").repeat(1000)));
    case "sends a chunk that never begins":
      socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n1`);
      return pour(socket, ";more=more");
    case "sends somewhere else":
      return void socket.write("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  }
}

const PROGRAM = 0x20008086;
const KEEPALIVE = 0x6b656570;
function frame(program: number, type: number, serial: number, length: number): Buffer {
  const head = Buffer.alloc(28);
  [length, program, 1, 1, type, serial, 0].forEach((value, i) => head.writeUInt32BE(value, i * 4));
  return head;
}

function answerLibvirt(socket: Socket, call: Buffer): void {
  const serial = call.readUInt32BE(20);
  switch (how) {
    case "says nothing":
      return;
    case "sends its head byte by byte":
      return trickle(socket, Buffer.concat([frame(PROGRAM, 1, serial, 4096), Buffer.alloc(4068)]));
    case "sends its answer byte by byte":
      socket.write(frame(PROGRAM, 1, serial, 1_000_000));
      return trickle(socket, "\0");
    case "sends garbage":
      return void socket.write(Buffer.alloc(4096, "garbage"));
    case "sends heads without end":
      // Pings: each would be answered.
      socket.pause();
      return pour(socket, frame(KEEPALIVE, 2, 0, 28));
    case "sends interim answers without end":
      return pour(socket, Buffer.concat([frame(PROGRAM, 2, 0, 128), Buffer.alloc(100)]));
    case "sends an answer without end":
      return pour(socket, Buffer.concat([frame(PROGRAM, 1, 0xffff, 4096), Buffer.alloc(4068)]));
    case "sends a chunk that never begins":
      // A list of more than there is.
      socket.write(frame(PROGRAM, 1, serial, 32));
      return void socket.write(Buffer.from([0, 0, 0x40, 0]));
    case "sends somewhere else":
      // To a procedure that nobody asked for, and away.
      return void socket.end(frame(PROGRAM, 1, serial + 1, 28));
  }
}

const tls = createTlsServer({ key: given.key, cert: given.cert }, (socket) => {
  socket.on("error", () => undefined);
  let heard = "";
  socket.on("data", (piece: Buffer) => {
    heard += piece.toString("latin1");
    if (!heard.includes("\r\n\r\n")) return;
    const request = heard;
    heard = "";
    // A body that comes after its head is not another request.
    if (/^(GET|POST) /.test(request)) answerHttp(socket, request);
  });
});
const local = createLocalServer((socket) => {
  socket.on("error", () => undefined);
  socket.on("data", (call: Buffer) => {
    if (call.length >= 28 && call.readUInt32BE(4) === PROGRAM) answerLibvirt(socket, call);
  });
});

tls.listen(0, "127.0.0.1", () =>
  local.listen(given.path, () => parentPort?.postMessage((tls.address() as AddressInfo).port)),
);
parentPort?.on("message", (next: Misbehaviour) => {
  how = next;
  parentPort?.postMessage("ready");
});
