/** MIT's GSS-API by FFI, where it is installed. Source: RFC 2744, gssapi_ext.h of MIT krb5 1.9 and later. */
import { createRequire } from "node:module";
import type Koffi from "koffi";
import type { LibraryHandle, TypeObject } from "koffi";
import { AppError } from "#lib/errors.ts";

/** What only the library understands; null: none. */
export type Handle = bigint | null;
/** Filled by the call. */
export type Out<T> = [T];

export interface GssBuffer {
  readonly length: number | bigint;
  readonly value: Buffer | bigint | null;
}
interface Oid {
  readonly length: number;
  readonly elements: Buffer;
}
interface OidSet {
  readonly count: number;
  readonly elements: Oid;
}
interface Bindings {
  readonly initiatorType: number;
  readonly initiator: GssBuffer;
  readonly acceptorType: number;
  readonly acceptor: GssBuffer;
  readonly application: GssBuffer;
}

/** Answers the major status. Buffers must live until the call ends. */
type Call<A extends unknown[]> = (...args: A) => number;
/** On a thread of its own: these wait for the network. */
type Waiting<A extends unknown[]> = (...args: A) => Promise<number>;

export interface Gssapi {
  importName: Call<[Out<number>, GssBuffer, Oid, Out<Handle>]>;
  /** Of the process's own tickets or key table. */
  acquire: Waiting<[Out<number>, Handle, number, OidSet, number, Out<Handle>, null, Out<number>]>;
  acquireWithPassword: Waiting<
    [Out<number>, Handle, GssBuffer, number, OidSet, number, Out<Handle>, null, Out<number>]
  >;
  initContext: Waiting<
    [
      minor: Out<number>,
      credential: Handle,
      context: Out<Handle>,
      target: Handle,
      mechanism: Oid,
      flags: number,
      seconds: number,
      bindings: Bindings | null,
      input: GssBuffer | null,
      actual: null,
      output: GssBuffer,
      flagsGiven: Out<number>,
      secondsGiven: null,
    ]
  >;
  wrap: Call<[Out<number>, Handle, number, number, GssBuffer, Out<number>, GssBuffer]>;
  unwrap: Call<[Out<number>, Handle, GssBuffer, GssBuffer, Out<number>, null]>;
  displayStatus: Call<[Out<number>, number, number, Oid, Out<number>, GssBuffer]>;
  releaseName: Call<[Out<number>, Out<Handle>]>;
  releaseCredential: Call<[Out<number>, Out<Handle>]>;
  deleteContext: Call<[Out<number>, Out<Handle>, null]>;
  /** The bytes that a call made, copied, and its memory given back. */
  take(buffer: GssBuffer): Buffer;
}

export const KERBEROS: Oid = { length: 9, elements: Buffer.from("2a864886f712010202", "hex") };
export const USER_NAME: Oid = { length: 10, elements: Buffer.from("2a864886f71201020101", "hex") };
/** `HTTP@host`: a service on a host, whose realm the library finds out. */
export const HOST_SERVICE: Oid = { length: 10, elements: Buffer.from("2a864886f71201020104", "hex") };

const NAMES = ["libgssapi_krb5.so.2"];

let loaded: Gssapi | null = null;

/** `names`: of the library, tried in turn. Throws `host.kerberos-missing`. */
export function gssapi(names = NAMES): Gssapi {
  if (loaded !== null && names === NAMES) return loaded;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const bound = bind(koffi, open(koffi, names));
    loaded ??= bound;
    return bound;
  } catch (cause) {
    throw new AppError("unprocessable", "host.kerberos-missing", "This server has no Kerberos library.", {
      hint: "Install MIT Kerberos where the console and its workers run (Debian, Ubuntu: libgssapi-krb5-2; Fedora, RHEL: krb5-libs; Linux only), or sign in another way.",
      cause,
    });
  }
}

function open(koffi: typeof Koffi, names: readonly string[]): LibraryHandle {
  let why: unknown = null;
  for (const name of names) {
    try {
      return koffi.load(name);
    } catch (error) {
      why ??= error;
    }
  }
  throw why;
}

/** Of the pool's threads, which files are read by as well: a realm that does not answer must not take them all. */
const MOST_AT_ONCE = 2;
let running = 0;
const waiters: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  while (running >= MOST_AT_ONCE) await new Promise<void>((resolve) => waiters.push(resolve));
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
    waiters.shift()?.();
  }
}

/** The type of one argument. */
type Slot = string | TypeObject | ReturnType<typeof Koffi.out>;

function bind(koffi: typeof Koffi, library: LibraryHandle): Gssapi {
  const buffer = koffi.struct({ length: "size_t", value: "void *" });
  const oid = koffi.struct({ length: "uint32_t", elements: "void *" });
  const set = koffi.struct({ count: "size_t", elements: koffi.pointer(oid) });
  const bindings = koffi.struct({
    initiatorType: "uint32_t",
    initiator: buffer,
    acceptorType: "uint32_t",
    acceptor: buffer,
    application: buffer,
  });
  const out = (type: string | TypeObject) => koffi.out(koffi.pointer(type));
  const inout = (type: string | TypeObject) => koffi.inout(koffi.pointer(type));
  const [u32, handle] = ["uint32_t", "void *"];
  const [bufferIn, oidIn, minor] = [koffi.pointer(buffer), koffi.pointer(oid), out(u32)];
  const call = <A extends unknown[]>(name: string, types: Slot[]): Call<A> =>
    library.func(name, u32, types) as unknown as Call<A>;
  const waiting = <A extends unknown[]>(name: string, types: Slot[]): Waiting<A> => {
    const bound = library.func(name, u32, types) as unknown as {
      async(...args: [...A, (error: unknown, major: number) => void]): void;
    };
    return (...args) =>
      inTurn(
        () =>
          new Promise<number>((resolve, reject) => {
            bound.async(...args, (error, major) => {
              if (error === null || error === undefined) resolve(major);
              else reject(error as Error);
            });
          }),
      );
  };
  const release = call<[Out<number>, GssBuffer]>("gss_release_buffer", [minor, bufferIn]);
  return {
    importName: call("gss_import_name", [minor, bufferIn, oidIn, out(handle)]),
    acquire: waiting("gss_acquire_cred", [
      ...[minor, handle, u32, koffi.pointer(set), "int", out(handle), handle, out(u32)],
    ]),
    acquireWithPassword: waiting("gss_acquire_cred_with_password", [
      ...[minor, handle, bufferIn, u32, koffi.pointer(set), "int", out(handle), handle, out(u32)],
    ]),
    initContext: waiting("gss_init_sec_context", [
      ...[minor, handle, inout(handle), handle, oidIn, u32, u32, koffi.pointer(bindings), bufferIn, handle],
      ...[out(buffer), out(u32), handle],
    ]),
    wrap: call("gss_wrap", [minor, handle, "int", u32, bufferIn, out("int"), out(buffer)]),
    unwrap: call("gss_unwrap", [minor, handle, bufferIn, out(buffer), out("int"), handle]),
    displayStatus: call("gss_display_status", [minor, u32, "int", oidIn, inout(u32), out(buffer)]),
    releaseName: call("gss_release_name", [minor, inout(handle)]),
    releaseCredential: call("gss_release_cred", [minor, inout(handle)]),
    deleteContext: call("gss_delete_sec_context", [minor, inout(handle), handle]),
    take(made) {
      const length = Number(made.length);
      if (length === 0 || typeof made.value !== "bigint") return Buffer.alloc(0);
      const bytes = Buffer.from(Buffer.from(koffi.view(made.value, length)));
      release([0], made);
      return bytes;
    },
  };
}
