import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { buildEnvironment, ownEnvironment, programEnvironment, threadEnvironment } from "./child-environment.mjs";

const SECRETS = [
  "SUPRAVISOR_ADMIN_PASSWORD",
  "SUPRAVISOR_ADMIN_EMAIL",
  "SUPRAVISOR_SECRET_KEY",
  "SUPRAVISOR_OIDC_CLIENT_SECRET",
  "SUPRAVISOR_TOKEN",
  "SUPRAVISOR_SERVE_TOKEN",
  "SUPRAVISOR_TLS_KEY",
  "NEXTAUTH_SECRET",
  "DATABASE_URL",
  "PGPASSWORD",
  "AWS_SECRET_ACCESS_KEY",
  "KRB5_CLIENT_KTNAME",
  "SSH_AUTH_SOCK",
  "LD_PRELOAD",
  "WHATEVER_ELSE",
];

beforeEach(() => {
  for (const name of SECRETS) vi.stubEnv(name, "s3cr3t");
});
afterEach(() => {
  vi.unstubAllEnvs();
});
const set = (variables: Record<string, string>): void => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
};

it.each([
  ["a program", programEnvironment],
  ["a thread", threadEnvironment],
  ["the build", buildEnvironment],
] as const)("%s gets what is named, and no secret", (_, make) => {
  set({ PATH: "/bin", HOME: "/home/x", LANG: "C.UTF-8", LC_TIME: "de", TZ: "UTC" });
  const made = make();
  expect(made).toMatchObject({ PATH: "/bin", HOME: "/home/x", LANG: "C.UTF-8", LC_TIME: "de", TZ: "UTC" });
  expect(Object.values(made)).not.toContain("s3cr3t");
  for (const name of SECRETS) expect(made).not.toHaveProperty(name);
});

it("gives each what it works by", () => {
  set({ VBOX_USER_HOME: "/vb", UV_THREADPOOL_SIZE: "6", SUPRAVISOR_TRANSFER_PORTS: "1-2" });
  set({ https_proxy: "http://proxy:1", NPM_CONFIG_REGISTRY: "https://registry.example" });
  expect(programEnvironment({ LC_ALL: "C.UTF-8" })).toMatchObject({ VBOX_USER_HOME: "/vb", LC_ALL: "C.UTF-8" });
  expect(programEnvironment()).not.toHaveProperty("SUPRAVISOR_TRANSFER_PORTS");
  expect(threadEnvironment()).toMatchObject({
    VBOX_USER_HOME: "/vb",
    UV_THREADPOOL_SIZE: "6",
    SUPRAVISOR_TRANSFER_PORTS: "1-2",
  });
  expect(buildEnvironment({ A: "1" })).toMatchObject({
    https_proxy: "http://proxy:1",
    NPM_CONFIG_REGISTRY: "https://registry.example",
    A: "1",
  });
});

it("hands all over to the product itself alone, what is set before what is usual", () => {
  set({ MALLOC_ARENA_MAX: "8" });
  expect(ownEnvironment({ MALLOC_ARENA_MAX: "2", ODD: "1" })).toMatchObject({
    MALLOC_ARENA_MAX: "8",
    ODD: "1",
    DATABASE_URL: "s3cr3t",
  });
});
