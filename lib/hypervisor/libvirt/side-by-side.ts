/** Questions about each of many things, some of them under way at once: a host may list as many as its protocol allows. */

/** Each answer may be of 4 MiB, and waits until it is read. */
const AT_ONCE = 16;

/** In the order of the items. Throws what the first question that fails throws, and asks no more. */
export async function sideBySide<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  const waiting = items.entries();
  let failed = false;
  const work = async (): Promise<void> => {
    // All take from the same one.
    for (const [place, item] of waiting) {
      if (failed) return;
      try {
        answers[place] = await ask(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return answers;
}
