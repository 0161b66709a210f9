/** The client's side of an NTLMv2 sign-in. Source: [MS-NLMP] 3.1.5. */
import { createHash, randomBytes } from "node:crypto";
import { AppError } from "#lib/errors.ts";
import { tlsServerEndPoint } from "../tls/server-end-point.ts";
import { hmacMd5, ntlmV2Response, responseKey } from "./keys.ts";
import {
  authenticateMessage,
  AV,
  type AvPair,
  FLAG,
  has,
  MIC_AT,
  negotiateMessage,
  readChallenge,
  WANTED,
  writePairs,
} from "./messages.ts";
import { Rc4 } from "./rc4.ts";
import { SealedChannel } from "./sealed-channel.ts";

export interface NtlmAccount {
  /** `DOMAIN\user`, `user@domain.example`, or a local account's name. */
  readonly user: string;
  readonly password: string;
}

export interface NtlmPeer {
  /** Service name that the sign-in is for, e.g. `HTTP/host`. */
  readonly service: string;
  /** DER of the server's certificate when the connection is TLS: the sign-in is then of no use on another one. */
  readonly certificate: Buffer | null;
}

/** Chosen values instead of random ones, for the specification's examples. */
export interface NtlmFixed {
  readonly clientNonce: Buffer;
  readonly sessionKey: Buffer;
}

/** An account name says its domain before a backslash; `user@domain` stays whole. */
export function splitAccount(user: string): { domain: string; user: string } {
  const slash = user.indexOf("\\");
  return slash < 0 ? { domain: "", user } : { domain: user.slice(0, slash), user: user.slice(slash + 1) };
}

/** The certificate in the structure that both sides hash. Source: RFC 4121 4.1.1.2. */
function channelBindings(certificate: Buffer): Buffer {
  const data = tlsServerEndPoint(certificate);
  const head = Buffer.alloc(20);
  head.writeUInt32LE(data.length, 16);
  return createHash("md5").update(head).update(data).digest();
}

/** Milliseconds since 1970 as Windows counts: 100 ns since 1601. */
function windowsTime(now: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE((BigInt(now) + 11_644_473_600_000n) * 10_000n);
  return bytes;
}

export const firstMessage = negotiateMessage;

/** Throws `host.protocol` for a challenge that cannot be understood or that offers less than sealing with 128 bits. */
export function answerChallenge(
  challenge: Buffer,
  account: NtlmAccount,
  peer: NtlmPeer,
  fixed?: NtlmFixed,
): { message: Buffer; channel: SealedChannel } {
  const { flags, nonce, target } = readChallenge(challenge);
  for (const flag of [
    FLAG.seal,
    FLAG.sign,
    FLAG.key128,
    FLAG.extendedSessionSecurity,
    FLAG.keyExchange,
    FLAG.unicode,
  ]) {
    if (!has(flags, flag)) {
      throw new AppError(
        "unprocessable",
        "host.weak-sign-in",
        "The host does not offer to seal what is said with 128 bits.",
        {
          hint: "Use HTTPS, or allow 128-bit NTLMv2 session security on the host.",
        },
      );
    }
  }
  const { domain, user } = splitAccount(account.user);
  const told = target.find(({ id }) => id === AV.timestamp)?.value;
  const kept = target.filter(({ id }) => id !== AV.flags && id !== AV.channelBindings && id !== AV.targetName);
  const oldFlags = target.find(({ id }) => id === AV.flags)?.value.readUInt32LE(0) ?? 0;
  const newFlags = Buffer.alloc(4);
  // 2: a message integrity code follows.
  newFlags.writeUInt32LE(has(oldFlags, 2) ? oldFlags : oldFlags + 2);
  const pairs: AvPair[] = [
    ...kept,
    { id: AV.flags, value: newFlags },
    { id: AV.channelBindings, value: peer.certificate === null ? Buffer.alloc(16) : channelBindings(peer.certificate) },
    { id: AV.targetName, value: Buffer.from(peer.service, "utf16le") },
  ];
  const { response, sessionBaseKey } = ntlmV2Response({
    key: responseKey(user, domain, account.password),
    nonce,
    clientNonce: fixed?.clientNonce ?? randomBytes(8),
    time: told ?? windowsTime(Date.now()),
    target: writePairs(pairs),
  });
  const sessionKey = fixed?.sessionKey ?? randomBytes(16);
  const common = Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter(
    (flag) => has(flags, flag) && has(WANTED, flag),
  );
  const message = authenticateMessage({
    flags: common.reduce((sum, flag) => sum + flag, 0),
    domain,
    user,
    workstation: "",
    // With a time in the challenge the old response is left empty.
    lmResponse: Buffer.alloc(24),
    ntResponse: response,
    sessionKey: new Rc4(sessionBaseKey).apply(sessionKey),
  });
  hmacMd5(sessionKey, firstMessage(), challenge, message).copy(message, MIC_AT);
  return { message, channel: new SealedChannel(sessionKey, "client") };
}
