/**
 * Runs of numbers in a few bytes each: the gap before a run and its length, as variable-length numbers. Every 64th run
 * is indexed, so that any of them is found by a search and a short walk. A scattered disk has millions.
 */
import { lowest } from "./lowest.ts";

/** Runs between two entries of the index. */
const STEP = 64;

export interface RunAt {
  /** First number, how many, and how many lie in all runs before. */
  readonly start: number;
  readonly count: number;
  readonly before: number;
}

/** An array of numbers that grows by half. */
class Growing {
  #numbers = new Float64Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.#numbers.length) {
      const larger = new Float64Array(Math.ceil(this.length * 1.5));
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.length++] = value;
  }

  at(i: number): number {
    return this.#numbers[i] ?? 0;
  }
}

export class PackedRuns {
  length = 0;
  /** Numbers in all runs. */
  total = 0;
  #bytes = new Uint8Array(256);
  #used = 0;
  #end = 0;
  readonly #starts = new Growing();
  readonly #befores = new Growing();
  readonly #places = new Growing();
  /** The run that was read last, and where the next one begins. */
  #at = -1;
  #start = 0;
  #count = 0;
  #before = 0;
  #next = 0;

  /** `start` lies behind all runs that were added. */
  add(start: number, count: number): void {
    if (this.length % STEP === 0) {
      this.#starts.push(start);
      this.#befores.push(this.total);
      this.#places.push(this.#used);
    }
    this.#write(start - this.#end);
    this.#write(count);
    this.#end = start + count;
    this.total += count;
    this.length++;
  }

  run(i: number): RunAt {
    this.#go(i);
    return { start: this.#start, count: this.#count, before: this.#before };
  }

  /** First run that ends after `number`; `length` when there is none. */
  runFrom(number: number): number {
    return this.#find(this.#starts, number, () => this.#start + this.#count > number);
  }

  /** The run in which so many numbers lie before; `length` when there are fewer. */
  runOfRank(rank: number): number {
    return this.#find(this.#befores, rank, () => this.#before + this.#count > rank);
  }

  #find(index: Growing, value: number, found: () => boolean): number {
    const block = lowest(index.length, (k) => index.at(k) > value) - 1;
    for (let i = Math.max(0, block) * STEP; i < this.length; i++) {
      this.#go(i);
      if (found()) return i;
    }
    return this.length;
  }

  #go(i: number): void {
    if (i === this.#at) return;
    if (i < this.#at || i - this.#at > STEP || this.#at < 0) {
      const block = Math.floor(i / STEP);
      this.#at = block * STEP;
      this.#start = this.#starts.at(block);
      this.#before = this.#befores.at(block);
      this.#next = this.#places.at(block);
      // The index has the start itself.
      this.#read();
      this.#count = this.#read();
    }
    while (this.#at < i) {
      this.#before += this.#count;
      this.#start += this.#count + this.#read();
      this.#count = this.#read();
      this.#at++;
    }
  }

  /** Seven bits a byte, lowest first, by division: numbers reach beyond 32 bits. */
  #write(value: number): void {
    if (this.#used + 8 > this.#bytes.length) {
      const larger = new Uint8Array(Math.ceil(this.#bytes.length * 1.5));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#used++] = 128 + (rest % 128);
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#used++] = rest;
  }

  #read(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#bytes[this.#next++] ?? 0;
      if (byte < 128) return value + byte * factor;
      value += (byte - 128) * factor;
      factor *= 128;
    }
  }
}
