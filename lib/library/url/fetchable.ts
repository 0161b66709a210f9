/** What can be said of a URL before anything is connected to. */
import { isIP } from "node:net";
import { AppError } from "#lib/errors.ts";
import type { AddressRule, Verdict } from "./address-rule.ts";

/** Names that mean this machine, or the metadata service of the cloud that it runs in, whatever name servers say. */
const NEVER_NAMES =
  /^(?:(?:.*\.)?localhost\d?|localhost\d?\.localdomain\d?|ip6-(?:localhost|loopback)|metadata\.goog|metadata\.google\.internal|instance-data(?:\.ec2\.internal)?)$/;
/** RFC 6761: nobody has it, so that waiting for an answer is of no use. */
const NOBODY = /(?:^|\.)invalid$/;

/** "Bad ports" of the Fetch standard: those of other protocols, to whose servers a request could mean something else. */
const OTHER_PROTOCOLS = new Set([
  ...[0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109],
  ...[
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
  ],
  ...[532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060],
  ...[5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080],
]);

export function forbiddenAddress(host: string, verdict: Verdict): AppError {
  return verdict === "never"
    ? new AppError(
        "forbidden",
        "import.private-address",
        `${host} is this server itself, or a service of its network.`,
        {
          hint: "Nothing is fetched from there, whatever the settings say. Upload the file, or use a folder for import.",
        },
      )
    : new AppError("forbidden", "import.private-address", `${host} is in a private network, or is this server.`, {
        hint: "An administrator can list its network in the settings.",
      });
}

export function unknownHost(host: string): AppError {
  return new AppError("unprocessable", "import.unknown-host", `There is no address for the name ${host}.`, {
    hint: "Check the spelling, and that this server's name servers know the name.",
  });
}

/** Throws `import.bad-url`, `import.private-address`, `import.unknown-host`. Where a name leads is seen when it is connected to. */
export function requireFetchable(url: string, rule: AddressRule): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || (parsed.protocol !== "http:" && parsed.protocol !== "https:"))
    throw badUrl("The address, or one that it redirects to, is neither http nor https.");
  if (parsed.username !== "" || parsed.password !== "")
    throw badUrl(
      "The address, or one that it redirects to, holds a user name or password, which would be kept with the image.",
      "Use an address without them, or upload the file.",
    );
  if (parsed.port !== "" && OTHER_PROTOCOLS.has(Number(parsed.port)))
    throw badUrl(`Port ${parsed.port} belongs to another protocol than HTTP.`);
  const host = parsed.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0) {
    const verdict = rule(host);
    if (verdict === "private" || verdict === "never") throw forbiddenAddress(host, verdict);
    return parsed;
  }
  const name = host.replace(/\.+$/, "").toLowerCase();
  if (name === "" || NOBODY.test(name)) throw unknownHost(host);
  if (NEVER_NAMES.test(name)) throw forbiddenAddress(host, "never");
  return parsed;
}

function badUrl(message: string, hint?: string): AppError {
  return new AppError("unprocessable", "import.bad-url", message, hint === undefined ? {} : { hint });
}
