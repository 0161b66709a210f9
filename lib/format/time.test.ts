import { describe, expect, it } from "vitest";
import { formatAgo, formatDuration, formatEta, formatMoment, secondsBetween } from "./time.ts";

describe("formatDuration", () => {
  it.each([
    [0, "0 s"],
    [-3, "0 s"],
    [24.4, "24 s"],
    [59.6, "1 min"],
    [200, "3 min 20 s"],
    [7500, "2 h 5 min"],
    [3 * 86_400 + 4 * 3600, "3 d 4 h"],
    [null, "–"],
  ])("%s → %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));
});

describe("formatAgo", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  it.each([
    ["2026-11-23T11:59:58Z", "just now"],
    ["2026-11-23T11:59:30Z", "30 s ago"],
    ["2026-11-23T11:00:01Z", "59 min ago"],
    ["2026-11-20T12:00:00Z", "3 d ago"],
    ["2026-11-23T12:10:00Z", "in 10 min"],
    [null, "–"],
    ["not a date", "–"],
  ])("%s → %s", (iso, text) => expect(formatAgo(iso, now)).toBe(text));
});

it("says when the time left is not known", () => {
  expect(formatEta(null)).toBe("time left not known yet");
  expect(formatEta(24)).toBe("24 s left");
});

it("writes a moment so that it sorts as it reads", () => {
  const local = new Date(2026, 0, 2, 3, 4, 5);
  expect(formatMoment(local.toISOString())).toBe("2026-01-02 03:04:05");
  expect(formatMoment("nonsense")).toBe("–");
});

it("measures from the start to the end, or to now", () => {
  expect(secondsBetween("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z")).toBe(60);
  expect(secondsBetween("2026-01-01T00:00:00Z", null, Date.parse("2026-01-01T00:00:05Z"))).toBe(5);
  expect(secondsBetween(null, null)).toBeNull();
});
