/** The console's API as a script would call it, for setting the stage and for checking what the page claims. */
export interface ScriptApi {
  readonly token: string;
  call<T>(method: string, path: string, body?: unknown): Promise<{ status: number; json: T }>;
  /** Like call, but throws unless the answer is 2xx. */
  ok<T>(method: string, path: string, body?: unknown): Promise<T>;
}

export function scriptApi(url: string, token: string): ScriptApi {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<{ status: number; json: T }> => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, json: (text === "" ? null : JSON.parse(text)) as T };
  };
  return {
    token,
    call,
    async ok<T>(method: string, path: string, body?: unknown): Promise<T> {
      const answer = await call<T>(method, path, body);
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.json)}`);
      return answer.json;
    },
  };
}

/** Signs in as the command line does. */
export async function signInByApi(url: string, email: string, password: string): Promise<ScriptApi> {
  const response = await fetch(`${url}/api/v1/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email, password, name: "browser tests" }),
  });
  const json = (await response.json()) as { secret?: string };
  if (json.secret === undefined) throw new Error(`login as ${email}: ${response.status} ${JSON.stringify(json)}`);
  return scriptApi(url, json.secret);
}

export const PEOPLE = {
  operator: { email: "olga@example.test", name: "Olga Operator", role: "operator", password: "operators are calm" },
  requester: { email: "rob@example.test", name: "Rob Requester", role: "requester", password: "thistle ferry lantern" },
  auditor: { email: "uma@example.test", name: "Uma Auditor", role: "auditor", password: "auditors see it all" },
} as const;

/** Adds one person a role. */
export async function addPeople(admin: ScriptApi): Promise<void> {
  for (const person of Object.values(PEOPLE)) await admin.ok("POST", "/users", person);
}

/** Asks again until the answer pleases, or throws with the last one. */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  pleased: (answer: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: T | undefined;
  while (Date.now() < deadline) {
    last = await ask();
    if (pleased(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`${what}: not within ${timeoutMs / 1000} s; last: ${JSON.stringify(last)?.slice(0, 2000)}`);
}
