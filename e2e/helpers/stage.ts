/** A console with people and, if asked, the simulated hosts: the stage that most specs play on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addPeople, signInByApi, until, type ScriptApi } from "./api.ts";
import { ADMIN, startConsole, type ConsoleUnderTest } from "./console.ts";

export interface Stage {
  readonly console: ConsoleUnderTest;
  readonly admin: ScriptApi;
  /** Folder for files of this spec. */
  readonly folder: string;
  end(): Promise<void>;
}

export interface HostAnswer {
  readonly id: string;
  readonly name: string;
  readonly vendor: string;
  readonly state: string;
  readonly simulated: boolean;
}

export async function setStage(options: { demo?: boolean; env?: Record<string, string> } = {}): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "supravisor-stage-"));
  const console_ = await startConsole(options.env === undefined ? {} : { env: options.env });
  const admin = await signInByApi(console_.url, ADMIN.email, ADMIN.password);
  await addPeople(admin);
  if (options.demo) {
    await admin.ok("POST", "/hosts/demo", {});
    await demoHosts(admin);
  }
  return {
    console: console_,
    admin,
    folder,
    async end() {
      await console_.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The five simulated hosts, once all are online. */
export async function demoHosts(api: ScriptApi): Promise<HostAnswer[]> {
  const answer = await until(
    "simulated hosts online",
    () => api.ok<{ items: HostAnswer[] }>("GET", "/hosts"),
    ({ items }) => items.filter((host) => host.simulated && host.state === "online").length === 5,
  );
  return answer.items.filter((host) => host.simulated);
}
