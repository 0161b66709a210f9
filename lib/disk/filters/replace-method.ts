/** Ways to the bytes that do not pass by `read` and `write`: a replaced method must see them all. */
const SHORTCUTS = new Set<PropertyKey>(["hold", "locate", "path"]);

/** An object as it was, except for one method. */
export function replaceMethod<T extends object, K extends keyof T>(target: T, name: K, method: T[K]): T {
  return new Proxy(target, {
    get(whole, key) {
      if (key === name) return method;
      if (SHORTCUTS.has(key)) return undefined;
      const value: unknown = Reflect.get(whole, key, whole);
      // Methods with private fields work only on their own object.
      return typeof value === "function" ? value.bind(whole) : value;
    },
  });
}
