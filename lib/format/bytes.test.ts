import { describe, expect, it } from "vitest";
import { formatBytes, formatBytesOf, formatPercent } from "./bytes.ts";

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [512, "512 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [8 * 1024 ** 3, "8.0 GiB"],
    [150 * 1024 ** 2, "150 MiB"],
    [1024 ** 3 - 1, "1.0 GiB"],
    [2 ** 53 - 1, "8.0 PiB"],
  ])("%d → %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it("gives a dash for what nobody knows", () => {
    expect(formatBytes(null)).toBe("–");
    expect(formatBytes(undefined)).toBe("–");
  });
});

describe("formatBytesOf", () => {
  it("keeps both in the unit of the whole", () => {
    expect(formatBytesOf(3.1 * 1024 ** 3, 8 * 1024 ** 3)).toBe("3.1 of 8.0 GiB");
    expect(formatBytesOf(0, 8 * 1024 ** 3)).toBe("0.0 of 8.0 GiB");
  });
});

describe("formatPercent", () => {
  it("never rounds up to done or down to nothing", () => {
    expect(formatPercent(999, 1000)).toBe("99 %");
    expect(formatPercent(1, 1000)).toBe("1 %");
    expect(formatPercent(1000, 1000)).toBe("100 %");
    expect(formatPercent(0, 1000)).toBe("0 %");
    expect(formatPercent(0, 0)).toBe("–");
  });
});
