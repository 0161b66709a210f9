import NextAuth from "next-auth";
import type { NextRequest } from "next/server";
import { nextAuthOptions, type SignInOutcome } from "#lib/auth/next-auth.ts";

export const dynamic = "force-dynamic";

interface RouteContext {
  params: Promise<{ nextauth: string[] }>;
}

async function handler(request: NextRequest, context: RouteContext): Promise<Response> {
  const params = await context.params;
  const outcome: SignInOutcome = { retryAfter: null };
  const answer = (await NextAuth(request as never, { params } as never, nextAuthOptions(outcome))) as Response;
  if (outcome.retryAfter === null) return answer;
  // A form gets its redirect to the sign-in page as it is; a script gets the status that says what happened.
  const headers = new Headers(answer.headers);
  headers.set("Retry-After", String(outcome.retryAfter));
  return new Response(answer.body, { status: answer.status === 401 ? 429 : answer.status, headers });
}

export { handler as GET, handler as POST };
