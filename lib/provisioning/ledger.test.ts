import { expect, it } from "vitest";
import type { Db } from "#lib/db/client.ts";
import { markMadeAside } from "./ledger.ts";

it("what is marked beside other work never fails it, also when the database is away for a moment", async () => {
  const away = {
    update: () => {
      throw new Error("connection terminated");
    },
  } as unknown as Db;
  await expect(markMadeAside(away, [1, 2])).resolves.toBeUndefined();
});
