"use client";
import { useQueryClient } from "@tanstack/react-query";
import { createContext, use, useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { createLive, type Live, type LiveState } from "#lib/http/live.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";

const LiveContext = createContext<Live | null>(null);

/** Keeps the one event stream open while somebody is signed in. */
export function LiveProvider({ children }: { children: ReactNode }): ReactNode {
  const client = useQueryClient();
  const [live] = useState(() =>
    createLive(client, {
      // Perhaps the session has ended: the gate finds out.
      onRefused: () => void client.invalidateQueries({ queryKey: sessionQueries.current().queryKey }),
    }),
  );
  useEffect(() => {
    live.open();
    return () => live.close();
  }, [live]);
  return <LiveContext value={live}>{children}</LiveContext>;
}

export function useLiveState(): LiveState {
  const live = use(LiveContext);
  if (!live) throw new Error("useLiveState is used outside the console");
  return useSyncExternalStore(live.subscribe, live.state, () => "connecting");
}
