/**
 * Time per byte of what reads a stranger's bytes. One large input is read, and as many bytes in sixteen small ones: a
 * parser that looks at every byte once takes about as long for either, one that looks at everything again for every
 * byte takes sixteen times as long for the large one. Time is the processor's time of this process, so that what else
 * the machine does counts for neither.
 */
import { expect, it } from "vitest";

export interface HostileParser<Input> {
  /** An error that it throws is an answer too: only the time to it counts. */
  readonly parse: (input: Input) => unknown;
  /** By name: what hurts most, of about so many bytes. */
  readonly worst: Readonly<Record<string, (bytes: number) => Input>>;
  /** Bytes of the largest input that is tried; a parser that refuses longer ones need not be given them. */
  readonly most?: number;
}

const LARGER = 16;
/** Between linear (1) and quadratic (16) there is room for a garbage collector that has more to do with the large one. */
const MOST_GROWTH = 6;
/** Milliseconds that a small input takes at least, unless the largest one takes less than that for all of them. */
const MEASURABLE = 1;
const RUNS = 3;
/** Tries of the whole comparison: the best one counts, for nothing makes a quadratic parser look linear by chance. */
const TRIES = 6;
const SMALLEST = 1024;

/** Milliseconds of `times` readings. */
async function timeOf<Input>(parse: (input: Input) => unknown, input: Input, times: number): Promise<number> {
  const begun = process.cpuUsage();
  for (let i = 0; i < times; i += 1) {
    try {
      await parse(input);
    } catch {
      // Refused.
    }
  }
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}

/** How much longer one input takes than its bytes do in small ones; 1 when the largest input takes no time worth measuring. */
export async function growthOf<Input>(
  parse: (input: Input) => unknown,
  make: (bytes: number) => Input,
  most: number,
): Promise<number> {
  let size = SMALLEST;
  // Several times: what is compiled while it runs is compiled then.
  while ((await timeOf(parse, make(size), RUNS)) < RUNS * MEASURABLE) {
    size *= 2;
    if (size * LARGER > most) return 1;
  }
  const [small, large] = [make(size), make(size * LARGER)];
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < TRIES && least > MOST_GROWTH / 2; run += 1) {
    const apart = await timeOf(parse, small, LARGER);
    least = Math.min(least, (await timeOf(parse, large, 1)) / apart);
  }
  return least;
}

/** A test for each of the inputs. */
export function growsLinearly<Input>({ parse, worst, most = 4 * 1024 ** 2 }: HostileParser<Input>): void {
  it.each(Object.entries(worst))("takes time in proportion to its input: %s", async (_name, make) => {
    expect(await growthOf(parse, make, most)).toBeLessThan(MOST_GROWTH);
  });
}
