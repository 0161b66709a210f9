/** Who signs in by Kerberos, and his tickets: fetched with a password, or the process's own. */
import { AppError } from "#lib/errors.ts";
import { abortable } from "../abortable.ts";
import { failed, gssError } from "./gss-error.ts";
import { type Handle, gssapi, KERBEROS, type Out, USER_NAME } from "./gssapi.ts";

const INITIATE = 1;
/** Of a ticket's last seconds no use is made. */
const SPARE_MS = 60_000;
/** The library asks each server of the realm in turn. */
const KDC_MS = 45_000;
const MECHANISMS = { count: 1, elements: KERBEROS };

interface Tickets {
  readonly credential: Handle;
  /** Milliseconds since 1970. */
  readonly until: number;
}

export class KerberosAccount implements Disposable {
  /** `user@REALM` */
  readonly principal: string;
  readonly #password: string | null;
  #tickets: Promise<Tickets> | null = null;
  /** Calls that use a credential now: none is given back before they end. */
  readonly #using = new Set<Promise<unknown>>();

  /** `user`: `user@domain.example`. `password` null: the process has a key table or tickets. */
  constructor(user: string, password: string | null) {
    const at = user.lastIndexOf("@");
    // Windows writes realms as it likes; Kerberos tells capitals apart.
    this.principal = at < 0 ? user : `${user.slice(0, at)}@${user.slice(at + 1).toUpperCase()}`;
    this.#password = password;
  }

  /** Throws `host.kerberos-missing`, `host.auth-failed`, `host.kdc-unreachable`, `host.timeout`. */
  async credential(signal?: AbortSignal): Promise<Handle> {
    const known = await this.#tickets?.catch(() => null);
    if (known !== null && known !== undefined && known.until > Date.now() + SPARE_MS) return known.credential;
    this.#forget();
    const fetching = this.#fetch();
    this.#tickets = fetching;
    return (await this.use(fetching, signal)).credential;
  }

  /** Waits for a call that uses the credential; it goes on to its end when nobody waits any more. */
  use<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#using.add(work);
    const done = () => this.#using.delete(work);
    work.then(done, done);
    return within(work, this.principal, signal);
  }

  #forget(): void {
    const tickets = this.#tickets;
    this.#tickets = null;
    void tickets?.then(
      async ({ credential }) => {
        await Promise.allSettled(this.#using);
        gssapi().releaseCredential([0], [credential]);
      },
      () => undefined,
    );
  }

  async #fetch(): Promise<Tickets> {
    const gss = gssapi();
    const doing = `Getting a ticket for ${this.principal}`;
    const minor: Out<number> = [0];
    const name: Out<Handle> = [null];
    const text = Buffer.from(this.principal, "utf8");
    const imported = gss.importName(minor, { length: text.length, value: text }, USER_NAME, name);
    if (failed(imported)) throw gssError(gss, doing, imported, minor[0]);
    try {
      const credential: Out<Handle> = [null];
      const seconds: Out<number> = [0];
      let major: number;
      if (this.#password === null) {
        major = await gss.acquire(minor, name[0], 0, MECHANISMS, INITIATE, credential, null, seconds);
      } else {
        const secret = Buffer.from(this.#password, "utf8");
        const password = { length: secret.length, value: secret };
        major = await gss.acquireWithPassword(
          ...([minor, name[0], password, 0, MECHANISMS, INITIATE, credential, null, seconds] as const),
        );
        secret.fill(0);
      }
      if (failed(major)) throw gssError(gss, doing, major, minor[0]);
      return { credential: credential[0], until: Date.now() + seconds[0] * 1000 };
    } finally {
      gss.releaseName([0], name);
    }
  }

  [Symbol.dispose](): void {
    this.#forget();
  }
}

/** The library waits for servers of the realm as long as it likes; whoever asks does not. */
async function within<T>(work: Promise<T>, principal: string, signal?: AbortSignal): Promise<T> {
  const late = AbortSignal.timeout(KDC_MS);
  try {
    return await abortable(work, signal === undefined ? late : AbortSignal.any([signal, late]));
  } catch (error) {
    signal?.throwIfAborted();
    if (!late.aborted) throw error;
    throw new AppError("unavailable", "host.timeout", `No server of the realm answered ${principal} in time.`, {
      hint: "Check the network and /etc/krb5.conf.",
    });
  }
}
