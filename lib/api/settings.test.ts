/** The settings that open doors of this server, role by role. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditEntries, settings } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { ROLES } from "#lib/domain/role.ts";
import { Settings } from "#lib/domain/settings.ts";
import type { Ctx } from "#lib/services/context.ts";
import { testPerson } from "#lib/services/testing.ts";
import { registerSettingsRoutes } from "./settings.ts";
import { testApi, type TestApi } from "./testing.ts";

let services: TestServices;
let api: TestApi;
beforeAll(async () => {
  services = await testServices();
  const people = Object.fromEntries(
    await Promise.all(ROLES.map(async (role): Promise<[string, Ctx]> => [role, await testPerson(services, role)])),
  );
  api = testApi(services, people, [registerSettingsRoutes]);
});
afterAll(() => services.close());

const read = async () => Settings.parse((await api.call("operator", "GET", "/settings")).json);
const change = (body: unknown, who = "administrator") => api.call(who, "PATCH", "/settings", body);
const codeOf = ({ json }: { json: unknown }) => (json as { error?: { code: string } }).error?.code;

describe("networks that images may be fetched from", () => {
  it("are listed by administrators alone, and the change stands in the trail", async () => {
    const importNetworks = ["10.0.0.0/8", "fd00:1::/64"];
    for (const role of ["operator", "requester", "auditor"])
      expect([(await change({ importNetworks }, role)).status, (await read()).importNetworks]).toEqual([403, []]);
    expect((await change({ importNetworks })).status).toBe(200);
    expect((await read()).importNetworks).toEqual(importNetworks);
    const entry = (await services.db.select().from(auditEntries)).at(-1);
    expect(entry).toMatchObject({
      action: "settings.changed",
      details: { from: { importNetworks: [] }, to: { importNetworks } },
    });
    await change({ importNetworks: [] });
  });

  it("are networks, and none that nobody ever fetches from", async () => {
    for (const network of ["10.0.0.1", "10.0.0.0/33", "intranet", "*", ""])
      expect([(await change({ importNetworks: [network] })).status, network]).toEqual([400, network]);
    for (const network of [
      "0.0.0.0/0",
      "::/0",
      "127.0.0.0/8",
      "169.254.169.254/32",
      "fe80::/10",
      "::ffff:10.0.0.0/104",
    ])
      expect(codeOf(await change({ importNetworks: ["10.0.0.0/8", network] })), network).toBe("settings.bad-network");
    expect((await read()).importNetworks).toEqual([]);
  });

  it("come from the switch of earlier versions, which is known no more", async () => {
    const store = async (value: object) => {
      await services.db.delete(settings);
      await services.db.insert(settings).values({ key: "settings", value: value as never });
    };
    await store({ waiveApproval: true, allowPrivateUrls: false });
    expect(await read()).toMatchObject({ waiveApproval: true, importNetworks: [] });
    await store({ importFolders: ["/srv"], allowPrivateUrls: true });
    const all = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
    expect(await read()).toMatchObject({ importFolders: ["/srv"], importNetworks: all });
    // Anything else that is changed keeps it; a list of one's own replaces it for good.
    await change({ waiveApproval: true });
    expect((await read()).importNetworks).toEqual(all);
    await change({ importNetworks: [] });
    expect((await read()).importNetworks).toEqual([]);
    expect(codeOf(await change({ allowPrivateUrls: true }))).toBe("request.invalid");
  });
});
