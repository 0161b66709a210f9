/** A console of its own for a test: own data folder, own port, the way `npm start` runs it. */
import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

export interface ConsoleUnderTest {
  readonly url: string;
  readonly dataDir: string;
  readonly port: number;
  /** The end of what it printed since it was started last. */
  output(): string;
  /** Both outputs of the process, kept after it has ended. */
  readonly logFile: string;
  /** SIGKILL, as a power cut would. */
  kill(): Promise<void>;
  /** SIGTERM, then the same folder and port again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export const ADMIN = { email: "admin@example.test", password: "correct horse battery", name: "Ada Admin" } as const;

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

async function waitForHealth(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const deadline = Date.now() + 240_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`The console ended with ${child.exitCode}:\n${output()}`);
    const ok = await fetch(`${url}/api/v1/health`, { signal: AbortSignal.timeout(2000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`The console did not answer at ${url}:\n${output()}`);
}

/** `withAdmin: false` leaves the first visit to the browser. */
export async function startConsole(
  options: {
    withAdmin?: boolean;
    env?: Record<string, string>;
    /** What has to be in the data folder before the console opens it. */
    prepare?: (dataDir: string) => Promise<void>;
  } = {},
): Promise<ConsoleUnderTest> {
  const dataDir = mkdtempSync(join(tmpdir(), "supravisor-e2e-"));
  await options.prepare?.(dataDir);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logDir = join(root, "e2e", ".out");
  mkdirSync(logDir, { recursive: true });
  const logFile = join(logDir, `console-${port}.log`);
  let child: ChildProcess;
  let output = "";
  const launch = async (): Promise<void> => {
    output = "";
    child = spawn(join(root, "node_modules", "node", "bin", "node"), ["bin/supravisor.ts", "start"], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        PORT: String(port),
        SUPRAVISOR_DATA_DIR: dataDir,
        NODE_ENV: "production",
        ...(options.withAdmin === false
          ? {}
          : { SUPRAVISOR_ADMIN_EMAIL: ADMIN.email, SUPRAVISOR_ADMIN_PASSWORD: ADMIN.password }),
        ...options.env,
      },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-8000);
        appendFileSync(logFile, chunk);
      });
    }
    await waitForHealth(url, child, () => output);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await gone;
    clearTimeout(timer);
  };
  try {
    await launch();
  } catch (error) {
    // Whoever gets no console cannot stop it either.
    await end("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  }
  return {
    url,
    dataDir,
    port,
    output: () => output,
    logFile,
    kill: () => end("SIGKILL"),
    async restart() {
      await end("SIGTERM");
      await launch();
    },
    async stop() {
      await end("SIGTERM");
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
