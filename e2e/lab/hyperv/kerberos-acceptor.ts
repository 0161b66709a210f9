/** Kerberos sign-ins on the simulated host, accepted and sealed by MIT's library in a Python process. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SealedPart } from "#lib/wire/wsman/sealed-body.ts";

type Answer = Readonly<Record<string, string>>;

export class KerberosAcceptor implements Disposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #number = 0;
  /** Why sign-ins were refused so far, in the library's words. */
  readonly refusals: string[] = [];

  /** `environment`: KRB5_CONFIG and KRB5_KTNAME. */
  constructor(environment: Readonly<Record<string, string>>) {
    this.#child = spawn("/usr/bin/python3", [join(import.meta.dirname, "kerberos-acceptor.py")], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...environment },
    });
    this.#child.once("exit", () => this.#end());
    if (this.#child.stdout === null) throw new Error("no output");
    createInterface(this.#child.stdout).on("line", (line) => {
      const { number, ...answer } = JSON.parse(line) as { number: number } & Answer;
      this.#waiting.get(number)?.(answer);
      this.#waiting.delete(number);
    });
  }

  /** Nobody waits for a process that is gone. */
  #end(): void {
    for (const answer of this.#waiting.values()) answer({ error: "the acceptor has ended" });
    this.#waiting.clear();
  }

  async #ask(what: string, session: number, values: Readonly<Record<string, Uint8Array>>): Promise<Answer> {
    const number = ++this.#number;
    const encoded = Object.entries(values).map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(number, resolve));
    this.#child.stdin?.write(
      `${JSON.stringify({ do: what, number, session, ...(Object.fromEntries(encoded) as object) })}\n`,
    );
    const found = await answer;
    if (found["error"] !== undefined) throw new Error(found["error"]);
    return found;
  }

  /** `bindings`: of the TLS connection; a sign-in that is bound to another one is refused. Null: refused. */
  async accept(token: Buffer, bindings: Buffer | null) {
    const session = ++this.#number;
    let accepted: Answer;
    try {
      accepted = await this.#ask("accept", session, { token, ...(bindings === null ? {} : { bindings }) });
    } catch (error) {
      this.refusals.push(error instanceof Error ? error.message : String(error));
      return null;
    }
    const bytes = (text: string | undefined) => Buffer.from(text ?? "", "base64");
    return {
      token: bytes(accepted["token"]),
      user: bytes(accepted["user"]).toString("utf8"),
      seal: {
        protocol: "application/HTTP-Kerberos-session-encrypted",
        seal: async (message: Buffer): Promise<SealedPart> => {
          const { signature, sealed } = await this.#ask("seal", session, { message });
          return { signature: bytes(signature), sealed: bytes(sealed) };
        },
        unseal: async (signature: Uint8Array, sealed: Uint8Array): Promise<Buffer> =>
          bytes((await this.#ask("unseal", session, { signature, sealed }))["message"]),
      },
    };
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}
