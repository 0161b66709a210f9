"use client";
import { useQueryClient } from "@tanstack/react-query";
import { createContext, use, useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { openLive, type Live, type LiveState } from "#lib/http/live.ts";

const LiveContext = createContext<Live | null>(null);

/** Opens the one event stream while somebody is signed in. */
export function LiveProvider({ children }: { children: ReactNode }): ReactNode {
  const client = useQueryClient();
  const [live, setLive] = useState<Live | null>(null);
  useEffect(() => {
    const opened = openLive(client, {
      // Perhaps the session has ended: the gate finds out.
      onRefused: () => void client.invalidateQueries({ queryKey: sessionQueries.current().queryKey }),
    });
    setLive(opened);
    return () => opened.close();
  }, [client]);
  return <LiveContext value={live}>{children}</LiveContext>;
}

const nothing = (): (() => void) => () => undefined;

export function useLiveState(): LiveState {
  const live = use(LiveContext);
  return useSyncExternalStore(
    live?.subscribe ?? nothing,
    () => live?.state() ?? "connecting",
    () => "connecting",
  );
}
