/** One sign-in to one service: its tokens, then the sealing of what is said. Source: RFC 4121, RFC 2744. */
import { AppError } from "#lib/errors.ts";
import { tlsServerEndPoint } from "../tls/server-end-point.ts";
import type { KerberosAccount } from "./account.ts";
import { failed, gssError } from "./gss-error.ts";
import { type GssBuffer, type Gssapi, gssapi, type Handle, HOST_SERVICE, KERBEROS, type Out } from "./gssapi.ts";
import { cutToken, SIGNATURE } from "./wrap-token.ts";

/** Mutual, replay, sequence, confidentiality, integrity. */
const WANTED = 2 + 4 + 8 + 16 + 32;
const NEEDED = 2 + 16 + 32;
const CONTINUE = 1;
const NOTHING: GssBuffer = { length: 0, value: null };

const has = (flags: number, bits: number): boolean =>
  [1, 2, 4, 8, 16, 32].every((bit) => Math.floor(bits / bit) % 2 === 0 || Math.floor(flags / bit) % 2 === 1);

export class KerberosChannel implements Disposable {
  readonly protocol = "application/HTTP-Kerberos-session-encrypted";
  readonly #gss: Gssapi;
  readonly #account: KerberosAccount;
  readonly #host: string;
  readonly #context: Out<Handle> = [null];
  readonly #target: Out<Handle> = [null];
  readonly #bindings: Buffer | null;
  #busy: Promise<unknown> = Promise.resolve();

  /** `certificate`: DER of the server's when the connection is TLS; the sign-in is then of no use on another one. */
  constructor(account: KerberosAccount, host: string, certificate: Buffer | null) {
    this.#gss = gssapi();
    this.#account = account;
    this.#host = host;
    this.#bindings = certificate === null ? null : tlsServerEndPoint(certificate);
    const text = Buffer.from(`HTTP@${host}`, "utf8");
    const minor: Out<number> = [0];
    const major = this.#gss.importName(minor, { length: text.length, value: text }, HOST_SERVICE, this.#target);
    if (failed(major)) throw gssError(this.#gss, this.#doing, major, minor[0]);
  }

  get #doing(): string {
    return `Signing in to ${this.#host} as ${this.#account.principal}`;
  }

  /** The first token. Throws what an account throws. */
  async begin(signal?: AbortSignal): Promise<Buffer> {
    const { token } = await this.#step(null, signal);
    return token;
  }

  /** The host's answer, which proves that it is the one. Throws `host.auth-failed`. */
  async finish(answer: Buffer, signal?: AbortSignal): Promise<void> {
    const { done, flags } = await this.#step(answer, signal);
    if (done && has(flags, NEEDED)) return;
    throw new AppError("unprocessable", "host.auth-failed", `${this.#doing} failed: the host did not prove who it is.`);
  }

  async #step(input: Buffer | null, signal: AbortSignal | undefined) {
    const gss = this.#gss;
    const credential = await this.#account.credential(signal);
    const minor: Out<number> = [0];
    const output: GssBuffer = { length: 0, value: null };
    const flags: Out<number> = [0];
    const application = this.#bindings === null ? null : { length: this.#bindings.length, value: this.#bindings };
    const work = gss.initContext(
      minor,
      credential,
      this.#context,
      this.#target[0],
      KERBEROS,
      WANTED,
      0,
      application === null
        ? null
        : { initiatorType: 0, initiator: NOTHING, acceptorType: 0, acceptor: NOTHING, application },
      input === null ? null : { length: input.length, value: input },
      null,
      output,
      flags,
      null,
    );
    this.#busy = work;
    const major = await this.#account.use(work, signal);
    const token = gss.take(output);
    if (failed(major)) throw gssError(gss, this.#doing, major, minor[0]);
    return { token, done: major % 2 !== CONTINUE, flags: flags[0] };
  }

  /** Throws `host.kerberos-cipher`. */
  seal(message: Buffer): { signature: Buffer; sealed: Buffer } {
    const minor: Out<number> = [0];
    const [sealed, output]: [Out<number>, GssBuffer] = [[0], { length: 0, value: null }];
    const input = { length: message.length, value: message };
    const major = this.#gss.wrap(minor, this.#context[0], 1, 0, input, sealed, output);
    const token = this.#gss.take(output);
    if (failed(major) || sealed[0] !== 1) throw gssError(this.#gss, `Sealing for ${this.#host}`, major, minor[0]);
    return cutToken(token, message.length);
  }

  /** Throws `host.protocol` when the message was changed on its way, left out or repeated. */
  unseal(signature: Uint8Array, sealed: Uint8Array): Buffer {
    const minor: Out<number> = [0];
    const [secret, output]: [Out<number>, GssBuffer] = [[0], { length: 0, value: null }];
    const token = Buffer.concat([signature, sealed]);
    const input = { length: token.length, value: token };
    const major = this.#gss.unwrap(minor, this.#context[0], input, output, secret, null);
    const message = this.#gss.take(output);
    // Complete is zero: a message out of turn is told by a bit that is no failure.
    if (signature.length !== SIGNATURE || major !== 0 || secret[0] !== 1) {
      throw new AppError("unavailable", "host.protocol", "A sealed answer of the host does not carry its signature.", {
        hint: "Something between here and the host changes what it says.",
      });
    }
    return message;
  }

  [Symbol.dispose](): void {
    const release = () => {
      this.#gss.deleteContext([0], this.#context, null);
      this.#gss.releaseName([0], this.#target);
    };
    // A call that nobody waits for any more still uses both.
    void this.#busy.then(release, release);
  }
}
