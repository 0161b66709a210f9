import { z } from "zod";
import { plainName } from "./plain-name.ts";
import { Role } from "./role.ts";

export const Email = z.string().trim().toLowerCase().max(254).pipe(z.email());
export const PASSWORD_LENGTH = 12;
/** Length, not rules, is what protects; what is easy to guess all the same is refused in lib/auth/password-strength.ts. */
export const Password = z.string().min(PASSWORD_LENGTH, `At least ${PASSWORD_LENGTH} characters`).max(256);

export const User = z.object({
  id: z.uuid(),
  email: z.string(),
  name: z.string(),
  role: Role,
  disabled: z.boolean(),
  /** False for people who only come through single sign-on. */
  hasPassword: z.boolean(),
  createdAt: z.string(),
  lastSignInAt: z.string().nullable(),
});
export type User = z.infer<typeof User>;

export const NewUser = z.object({
  email: Email,
  name: plainName(120),
  role: Role,
  password: Password,
});
export const UserChange = z.object({
  name: plainName(120).optional(),
  role: Role.optional(),
  disabled: z.boolean().optional(),
  password: Password.optional(),
});

export const Session = z.object({ user: User, actions: z.array(z.string()) });
export type Session = z.infer<typeof Session>;

export const ApiToken = z.object({
  id: z.uuid(),
  name: z.string(),
  /** First characters, to recognise it. */
  prefix: z.string(),
  role: Role,
  createdAt: z.string(),
  expiresAt: z.string(),
  lastUsedAt: z.string().nullable(),
});
export type ApiToken = z.infer<typeof ApiToken>;

export const BrowserSession = z.object({
  id: z.uuid(),
  how: z.enum(["password", "oidc"]),
  address: z.string().nullable(),
  createdAt: z.string(),
  lastSeenAt: z.string(),
  /** At the latest; it ends sooner when it is not used. */
  expiresAt: z.string(),
  /** The one that asks. */
  current: z.boolean(),
});
export type BrowserSession = z.infer<typeof BrowserSession>;

export const NewApiToken = z.object({
  name: plainName(80),
  /** Never more than the owner's own role. */
  role: Role,
  expiresInDays: z.number().int().min(1).max(365),
});
