/** The attacks in their order. An attack that answers a function is judged at the end of all. */
import { crossSite, noSharing } from "./access/cross-site.ts";
import { pathForms, signInForms } from "./access/path-forms.ts";
import { routesByIdentity } from "./access/routes.ts";
import { enumeration, guessing, ownPassword } from "./access/sign-in.ts";
import { forgedAddresses, forgedHosts, internalHeaders } from "./access/trusted-headers.ts";
import { verbs } from "./access/verbs.ts";
import type { Bench } from "./bench/bench.ts";
import { downloads, formulas } from "./content/exports.ts";
import { logLines } from "./content/log-lines.ts";
import { namesOnHosts, namesOnSimulators } from "./content/names-on-hosts.ts";
import { pages } from "./content/pages.ts";
import { storeSecrets } from "./content/secrets.ts";
import { terminal } from "./content/terminal.ts";
import { fileNames, uploadHeaders } from "./files/file-names.ts";
import { imageFiles } from "./files/image-files.ts";
import { importFolders } from "./files/import-folders.ts";
import { fuzzOperations } from "./fuzz/operations.ts";
import { everydayDeploy, everydayNames, everydayPaths, everydaySignIns } from "./legitimate/everyday.ts";
import { patience } from "./legitimate/in-time.ts";
import { framing } from "./network/framing.ts";
import { hostTests, ownPrograms } from "./network/host-tests.ts";
import { hostileHosts } from "./network/hostile-hosts.ts";
import { redirects } from "./network/redirects.ts";
import { eventStreams, slowClients } from "./network/slow-clients.ts";
import { urlImports } from "./network/url-imports.ts";
import { othersAccounts } from "./objects/accounts.ts";
import { othersObjects, othersRequests } from "./objects/others.ts";
import { decisions, endsAtOnce, idempotency, lastAdministrator, names, tokensAtOnce } from "./races/at-once.ts";
import { firstVisit } from "./races/first-visit.ts";
import { folderSwap } from "./races/folder-swap.ts";

export interface Attack {
  readonly room: string;
  readonly name: string;
  /** "long": not in the form that `npm test` runs. */
  readonly form: "both" | "long";
  run(bench: Bench): Promise<(() => Promise<void>) | void>;
}

const attack = (room: string, name: string, run: Attack["run"], form: Attack["form"] = "both"): Attack => ({
  room,
  name,
  form,
  run,
});

export const ROOMS: readonly Attack[] = [
  // These wait for limits of the console, while the others go on.
  attack("network", "slow-clients", slowClients),
  attack("legitimate", "patience", patience),
  attack("content", "secrets", storeSecrets),
  attack("access", "routes", routesByIdentity),
  attack("access", "path-forms", pathForms),
  attack("access", "sign-in-forms", signInForms),
  attack("access", "verbs", verbs),
  attack("access", "forged-addresses", forgedAddresses),
  attack("access", "forged-hosts", forgedHosts),
  attack("access", "internal-headers", internalHeaders),
  attack("access", "cross-site", crossSite),
  attack("access", "no-sharing", noSharing),
  attack("sign-in", "guessing", guessing),
  attack("sign-in", "enumeration", enumeration),
  attack("sign-in", "own-password", ownPassword),
  attack("objects", "others-objects", othersObjects),
  attack("objects", "others-requests", othersRequests),
  attack("objects", "others-accounts", othersAccounts),
  attack("races", "decisions", decisions),
  attack("races", "idempotency", idempotency),
  attack("races", "tokens", tokensAtOnce),
  attack("races", "names", names),
  attack("races", "last-administrator", lastAdministrator),
  attack("races", "ends-at-once", endsAtOnce),
  attack("races", "folder-swap", folderSwap),
  attack("races", "first-visit", firstVisit, "long"),
  attack("network", "url-imports", urlImports),
  attack("network", "redirects", redirects),
  attack("network", "host-tests", hostTests),
  attack("network", "own-programs", ownPrograms),
  attack("network", "hostile-hosts", hostileHosts),
  attack("network", "event-streams", eventStreams),
  attack("network", "framing", framing),
  attack("content", "log-lines", logLines),
  attack("content", "formulas", formulas),
  attack("content", "downloads", downloads),
  attack("content", "names-on-hosts", namesOnHosts),
  attack("content", "names-on-simulators", namesOnSimulators, "long"),
  attack("content", "pages", pages),
  attack("content", "terminal", terminal),
  attack("files", "file-names", fileNames),
  attack("files", "upload-headers", uploadHeaders),
  attack("files", "import-folders", importFolders),
  attack("files", "image-files", imageFiles),
  attack("fuzz", "operations", fuzzOperations),
  attack("legitimate", "everyday-names", everydayNames),
  attack("legitimate", "everyday-paths", everydayPaths),
  attack("legitimate", "everyday-sign-ins", everydaySignIns),
  attack("legitimate", "everyday-deploy", everydayDeploy),
];
