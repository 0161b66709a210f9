"use client";
import { useCallback, useSyncExternalStore } from "react";

const CHANGED = "supravisor:stored-flag";

function subscribe(listener: () => void): () => void {
  window.addEventListener("storage", listener);
  window.addEventListener(CHANGED, listener);
  return () => {
    window.removeEventListener("storage", listener);
    window.removeEventListener(CHANGED, listener);
  };
}

/** A yes or no that this browser remembers. Where storage is refused it lasts until the page is left. */
export function useStoredFlag(name: string, initial: boolean): [boolean, (value: boolean) => void] {
  const key = `supravisor.${name}`;
  const value = useSyncExternalStore(
    subscribe,
    () => read(key) ?? initial,
    () => initial,
  );
  const set = useCallback(
    (next: boolean) => {
      memory.set(key, next);
      try {
        localStorage.setItem(key, String(next));
      } catch {
        // Private windows may refuse: the memory above holds it.
      }
      window.dispatchEvent(new Event(CHANGED));
    },
    [key],
  );
  return [value, set];
}

const memory = new Map<string, boolean>();

function read(key: string): boolean | null {
  try {
    const stored = localStorage.getItem(key);
    return stored === null ? (memory.get(key) ?? null) : stored === "true";
  } catch {
    return memory.get(key) ?? null;
  }
}
