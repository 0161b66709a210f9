/**
 * Files given out once: each under a token of its own that ends when the whole file has been delivered, when its time
 * is over, or when it is withdrawn. Kept in this process: a restart ends them all, as it ends the files themselves,
 * whose inner identifiers are drawn anew each time.
 */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { AppError } from "#lib/errors.ts";
import type { VirtualFile } from "./virtual-file.ts";

export interface Offer {
  readonly id: string;
  readonly ownerId: string;
  readonly file: VirtualFile;
  readonly etag: string;
  readonly expiresAt: Date;
  /** Bytes given out, all takers together. */
  readonly delivered: number;
  /** Addresses that took of it; the first few. */
  readonly takenFrom: ReadonlySet<string>;
}

/** `revoked`: its owner may not give it out any more. */
export type OfferEnd = "delivered" | "expired" | "withdrawn" | "revoked";

export interface NewOffer {
  readonly ownerId: string;
  readonly file: VirtualFile;
  readonly milliseconds: number;
  /** Closes what the file is made from; called once. */
  readonly release: () => Promise<void>;
  /** Before bytes go to an address; when it rejects, none go. */
  readonly onTake: (offer: Offer, address: string | null) => Promise<void>;
  readonly onEnd: (offer: Offer, how: OfferEnd) => void;
}

interface Entry extends Offer {
  delivered: number;
  readonly takenFrom: Set<string>;
  /** Addresses whose taking was announced: a hypervisor asks for thousands of ranges. */
  readonly begun: Set<string | null>;
  readonly hash: Buffer;
  readonly release: () => Promise<void>;
  readonly onTake: NewOffer["onTake"];
  readonly onEnd: NewOffer["onEnd"];
  readonly timer: NodeJS.Timeout;
  readonly takers: Set<AbortController>;
}

const PER_OWNER = 16;
const MOST_ADDRESSES = 16;
const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();

export class Offers {
  readonly #entries = new Map<string, Entry>();

  /** Answers the token, which is not kept. Throws `transfer.too-many`; then nothing is released. */
  add({ ownerId, file, milliseconds, release, onTake, onEnd }: NewOffer): { offer: Offer; token: string } {
    if (this.of(ownerId).length >= PER_OWNER) {
      throw new AppError("conflict", "transfer.too-many", `You have ${PER_OWNER} transfers open already.`, {
        hint: "Withdraw one, or wait until one has ended.",
      });
    }
    const token = `svx_${randomBytes(32).toString("base64url")}`;
    const id = randomUUID();
    const entry: Entry = {
      ...{ id, ownerId, file, release, onTake, onEnd },
      etag: id,
      delivered: 0,
      takenFrom: new Set(),
      begun: new Set(),
      expiresAt: new Date(Date.now() + milliseconds),
      hash: hashOf(token),
      timer: setTimeout(() => this.#end(id, "expired"), milliseconds).unref(),
      takers: new Set(),
    };
    this.#entries.set(id, entry);
    return { offer: entry, token };
  }

  of(ownerId: string): Offer[] {
    return [...this.#entries.values()].filter((entry) => entry.ownerId === ownerId);
  }

  /** False: there is none, or it is somebody else's. */
  withdraw(id: string, ownerId: string): boolean {
    if (this.#entries.get(id)?.ownerId !== ownerId) return false;
    this.#end(id, "withdrawn");
    return true;
  }

  owners(): ReadonlySet<string> {
    return new Set([...this.#entries.values()].map(({ ownerId }) => ownerId));
  }

  /** Ends all of this person's, also those that are being taken. */
  revoke(ownerId: string): void {
    for (const { id } of this.of(ownerId)) this.#end(id, "revoked");
  }

  /**
   * For one answer: `begin` comes before its first byte, `delivered` counts what left and must be called once, `stop` aborts it when the offer ends. Throws `transfer.refused` for an
   * unknown one and for a wrong token alike.
   */
  take(
    id: string,
    token: string,
    address: string | null,
  ): { offer: Offer; stop: AbortSignal; begin: () => Promise<void>; delivered: (bytes: number) => void } {
    const entry = this.#entries.get(id);
    if (!timingSafeEqual(entry?.hash ?? Buffer.alloc(32), hashOf(token)) || entry === undefined) {
      throw new AppError("unauthenticated", "transfer.refused", "There is no such transfer, or the token is not its.", {
        hint: "Transfers end when the whole file was delivered, when their time is over and when Supravisor restarts.",
      });
    }
    if (address !== null && entry.takenFrom.size < MOST_ADDRESSES) entry.takenFrom.add(address);
    const controller = new AbortController();
    entry.takers.add(controller);
    return {
      offer: entry,
      stop: controller.signal,
      begin: async () => {
        if (entry.begun.has(address)) return;
        await entry.onTake(entry, address);
        entry.begun.add(address);
      },
      delivered: (bytes) => {
        entry.takers.delete(controller);
        entry.delivered += bytes;
        // Several ranges at once may come in any order: all bytes must have left, and nobody be in the middle.
        if (entry.delivered >= entry.file.length && entry.takers.size === 0) this.#end(id, "delivered");
      },
    };
  }

  #end(id: string, how: OfferEnd): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    clearTimeout(entry.timer);
    for (const taker of entry.takers) taker.abort();
    entry.onEnd(entry, how);
    void entry.release().catch(() => undefined);
  }
}
