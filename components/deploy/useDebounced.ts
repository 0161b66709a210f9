"use client";

import { useEffect, useState } from "react";

/** The value as it was once it has stayed the same for `ms`: a question a pause, not a question a key. */
export function useDebounced<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
