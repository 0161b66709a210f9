/** The order in which a machine sees its disks: by controller and the place on it, as its firmware does. */
import type { Item } from "./items.ts";

/** CIM resource types of controllers, in the order in which BIOSes go through them. */
const CONTROLLERS = [5, 6, 20];

interface Placed {
  readonly item: Item;
  readonly key: readonly number[];
}

const LAST = Number.MAX_SAFE_INTEGER;
/** No controller and no place has a larger number. */
const MOST_DIGITS = 9;

/** `first`: the instance that the descriptor says to boot from, if any. */
export function inMachineOrder(disks: readonly Item[], items: readonly Item[], first: string | null): readonly Item[] {
  const controllers = new Map<string, number>();
  const byId = new Map<string, Item>();
  for (const item of items) {
    if (item.id === "" || byId.has(item.id)) continue;
    byId.set(item.id, item);
    controllers.set(item.id, controllers.size);
  }
  const placed: Placed[] = disks.map((item, i) => {
    const controller = byId.get(item.parent);
    return {
      item,
      key: [
        first !== null && item.id === first ? 0 : 1,
        rankOf(controller),
        number(controller?.address),
        controllers.get(item.parent) ?? LAST,
        number(item.addressOnParent),
        i,
      ],
    };
  });
  return placed.sort(byKey).map(({ item }) => item);
}

function rankOf(controller: Item | undefined): number {
  const rank = controller === undefined ? -1 : CONTROLLERS.indexOf(controller.type);
  return rank === -1 ? CONTROLLERS.length : rank;
}

const number = (text: string | undefined): number =>
  text !== undefined && /^\d+$/.test(text) && text.length <= MOST_DIGITS ? Number(text) : LAST;

function byKey(a: Placed, b: Placed): number {
  for (const [i, mine] of a.key.entries()) {
    const other = b.key[i] ?? 0;
    if (mine !== other) return mine - other;
  }
  return 0;
}
