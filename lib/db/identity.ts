/** Which database a handle belongs to: transactions are handles of their own, and what is bound to a database holds in them too. */
import type { Db } from "./client.ts";

type Handle = Pick<Db, "_">;

const owners = new WeakMap<object, object>();

/** One object for the database and all its transactions; two databases never share it. */
export function identityOf(handle: Handle): object {
  const { schema } = handle._;
  if (schema === undefined) throw new Error("The database was opened without a schema.");
  return owners.get(schema) ?? schema;
}

/** `handle` was made beside `owner`, on a connection of it. */
export function belongsTo(handle: Handle, owner: Handle): void {
  const { schema } = handle._;
  if (schema !== undefined) owners.set(schema, identityOf(owner));
}
