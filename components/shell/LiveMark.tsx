"use client";
import type { ReactNode } from "react";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";
import { Tooltip } from "#components/ui/Tooltip.tsx";
import type { LiveState } from "#lib/http/live.ts";
import { useLiveState } from "./LiveProvider.tsx";

const LOOK: Record<LiveState, { mark: StateKind; word: string; text: string }> = {
  connecting: { mark: "wait", word: "Connecting", text: "Opening the stream of changes." },
  live: { mark: "on", word: "Live", text: "Changes appear by themselves." },
  lost: {
    mark: "warn",
    word: "Reconnecting",
    text: "The stream of changes broke off: what is shown may be old. It is being opened anew.",
  },
};

export function LiveMark(): ReactNode {
  const { mark, word, text } = LOOK[useLiveState()];
  return (
    <Tooltip text={text} side="bottom">
      <span role="status" tabIndex={0} aria-label={`${word}. ${text}`} className="rounded-sm px-1 text-xs text-ink-2">
        <StateMark state={mark}>
          <span className="hidden lg:inline">{word}</span>
        </StateMark>
      </span>
    </Tooltip>
  );
}
