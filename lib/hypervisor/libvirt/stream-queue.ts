/** What came through a stream and was not taken yet, with the memory that it holds. */

/** What a stream says: bytes or a hole. */
export type StreamItem =
  | { readonly type: "data"; readonly bytes: Buffer }
  | { readonly type: "hole"; readonly length: number };

/** What an item costs beside its bytes: a peer may send single ones. */
const ITEM_BYTES = 256;
/** Taken items that are kept before the list is made shorter. */
const MOST_TAKEN = 1024;

const costOf = (item: StreamItem): number => ITEM_BYTES + (item.type === "data" ? item.bytes.length : 0);

export class StreamQueue {
  readonly #balance: (change: number) => void;
  #items: StreamItem[] = [];
  #next = 0;

  /** `balance` hears of every change of the memory that is held. */
  constructor(balance: (change: number) => void) {
    this.#balance = balance;
  }

  get empty(): boolean {
    return this.#next === this.#items.length;
  }

  add(item: StreamItem): void {
    this.#items.push(item);
    this.#balance(costOf(item));
  }

  /** Null: none waits. */
  take(): StreamItem | null {
    const item = this.#items[this.#next];
    if (item === undefined) return null;
    this.#next += 1;
    if (this.empty) this.#drop();
    else if (this.#next > MOST_TAKEN && this.#next * 2 > this.#items.length) this.#drop();
    this.#balance(-costOf(item));
    return item;
  }

  #drop(): void {
    this.#items = this.#items.slice(this.#next);
    this.#next = 0;
  }

  clear(): void {
    let cost = 0;
    for (let at = this.#next; at < this.#items.length; at += 1) cost += costOf(this.#items[at] as StreamItem);
    this.#items = [];
    this.#next = 0;
    if (cost > 0) this.#balance(-cost);
  }
}
