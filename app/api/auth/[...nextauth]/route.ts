import NextAuth from "next-auth";
import type { NextRequest } from "next/server";
import { nextAuthOptions } from "#lib/auth/next-auth.ts";

export const dynamic = "force-dynamic";

interface RouteContext {
  params: Promise<{ nextauth: string[] }>;
}

/** The server in front puts the peer's address into this header; what a client sends under its name is dropped there. */
async function handler(request: NextRequest, context: RouteContext): Promise<Response> {
  const params = await context.params;
  return NextAuth(
    request as never,
    { params } as never,
    nextAuthOptions(request.headers.get("x-supravisor-address")),
  ) as Promise<Response>;
}

export { handler as GET, handler as POST };
