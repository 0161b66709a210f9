/** What a use case is given. The composition roots (lib/server, lib/worker) build it; tests build a small one. */
import type { Logger } from "pino";
import type { Db } from "#lib/db/client.ts";
import type { EventBus } from "#lib/events/bus.ts";
import type { JobQueue } from "#lib/jobs/queue.ts";
import type { Role } from "#lib/domain/role.ts";
import type { SecretBox } from "#lib/secrets/box.ts";

/** Who acts. `system` is Supravisor itself (a worker finishing a job); it passes no policy by accident: see authorise. */
export interface Actor {
  readonly id: string | null;
  readonly name: string;
  readonly role: Role;
  readonly via: "web" | "token" | "system";
  readonly address: string | null;
  /** What the caller showed: it may end while the work goes on. Absent for the system. */
  readonly credential?: Credential;
}

/** A browser session or a personal token, by its row. */
export interface Credential {
  readonly kind: "session" | "token";
  readonly id: string;
}

export interface Services {
  readonly db: Db;
  readonly events: EventBus;
  readonly secrets: SecretBox;
  readonly jobs: JobQueue;
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  readonly log: Logger;
}

export interface Ctx extends Services {
  readonly actor: Actor;
}
