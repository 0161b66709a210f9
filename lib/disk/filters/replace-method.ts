/** Ways to the bytes that do not pass by `read` and `write`: whoever replaces one of these must see them all. */
const SHORTCUTS = new Set<PropertyKey>(["allocate", "hold", "locate", "path"]);
const CARRIERS = new Set<PropertyKey>(["read", "write"]);

/** An object as it was, except for one method. */
export function replaceMethod<T extends object, K extends keyof T>(target: T, name: K, method: T[K]): T {
  return new Proxy(target, {
    get(whole, key) {
      if (key === name) return method;
      if (CARRIERS.has(name) && SHORTCUTS.has(key)) return undefined;
      const value: unknown = Reflect.get(whole, key, whole);
      // Methods with private fields work only on their own object.
      return typeof value === "function" ? value.bind(whole) : value;
    },
  });
}
