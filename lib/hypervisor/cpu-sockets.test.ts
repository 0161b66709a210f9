import { describe, expect, it } from "vitest";
import { coresPerSocket } from "./cpu-sockets.ts";

describe("the sockets of a new VM", () => {
  it.each([
    [1, 16, false, 1],
    [8, 16, true, 8],
    [8, 16, false, 8],
    [24, 16, false, 12],
    [64, 16, false, 16],
    // Processors in more than two sockets are lost on Windows for clients.
    [64, 16, true, 32],
    [16, 2, true, 8],
    [7, 4, true, 7],
    // No divisor fits: each in a socket of its own.
    [7, 4, false, 1],
    [32, 0, false, 16],
    [32, 0, true, 16],
  ])("%i processors, %i cores in the host's, Windows %s: %i cores a socket", (cpus, hostCores, windows, cores) => {
    expect(coresPerSocket(cpus, { hostCores, windows })).toBe(cores);
  });

  it("hold what the host takes in one", () => {
    expect(coresPerSocket(256, { hostCores: 32, windows: true, mostCores: 64 })).toBe(64);
    expect(coresPerSocket(256, { hostCores: 128, windows: false, mostCores: 64 })).toBe(64);
  });
});
