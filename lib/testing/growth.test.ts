import { describe, expect, it } from "vitest";
import { growthOf } from "./growth.ts";

const MOST = 1024 ** 2;
const letters = (bytes: number): string => "a".repeat(bytes);

describe("time per byte", () => {
  it("tells a scan from a scan for every byte", async () => {
    const once = (text: string): number => {
      let sum = 0;
      for (let at = 0; at < text.length; at += 1) sum += text.charCodeAt(at);
      return sum;
    };
    const again = (text: string): boolean => /a+b/.test(text);
    expect(await growthOf(once, letters, 64 * MOST)).toBeLessThan(6);
    expect(await growthOf(again, letters, MOST)).toBeGreaterThan(6);
  });

  it("measures what takes turns and what refuses, too", async () => {
    const refuses = async (text: string): Promise<never> => {
      await Promise.resolve();
      if (/a+b/.test(text)) return await Promise.reject(new Error("found"));
      throw new Error("not found");
    };
    expect(await growthOf(refuses, letters, MOST)).toBeGreaterThan(6);
  });
});
