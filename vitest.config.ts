import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["lib/**/*.test.ts", "bin/**/*.test.ts", "components/**/*.test.ts"],
    // Forks: native modules and worker threads behave there as in production.
    pool: "forks",
    // More than processors: much of the time a test waits for a peer.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    globalSetup: ["lib/db/testing-snapshot.ts"],
  },
});
