"use client";

import { useCallback, useReducer } from "react";
import type { TargetChoice } from "#lib/domain/request.ts";
import { randomUuid } from "#components/ui/random-uuid.ts";

/** One card: the host may still be without choices while its defaults are being asked for. */
export interface TargetDraft {
  readonly key: string;
  readonly hostId: string;
  /** Null until the defaults for image and host have come. */
  readonly choice: TargetChoice | null;
}

export interface DeployDraft {
  readonly versionId: string | null;
  readonly targets: readonly TargetDraft[];
  readonly note: string;
  /** One a filled form: a second click on submit is the same request. */
  readonly idempotencyKey: string;
}

type Change =
  | { readonly type: "image"; readonly versionId: string | null }
  | { readonly type: "add"; readonly hostId: string; readonly key: string }
  | { readonly type: "remove"; readonly key: string }
  | { readonly type: "defaults"; readonly key: string; readonly choice: TargetChoice }
  | { readonly type: "edit"; readonly key: string; readonly change: Partial<TargetChoice> }
  | { readonly type: "note"; readonly note: string };

/** A name that no other card for the same host has: `web`, `web-2`, `web-3`. */
function freeName(draft: DeployDraft, hostId: string, name: string): string {
  const taken = new Set(draft.targets.filter((t) => t.hostId === hostId).map((t) => t.choice?.name));
  if (!taken.has(name)) return name;
  let number = 2;
  while (taken.has(`${name}-${number}`)) number += 1;
  return `${name}-${number}`;
}

export function deployReducer(draft: DeployDraft, change: Change): DeployDraft {
  switch (change.type) {
    case "image":
      if (change.versionId === draft.versionId) return draft;
      // Another image wants other choices: the cards stay, what was chosen on them is asked for anew.
      return {
        ...draft,
        versionId: change.versionId,
        targets: draft.targets.map((target) => ({ ...target, choice: null })),
      };
    case "add":
      return { ...draft, targets: [...draft.targets, { key: change.key, hostId: change.hostId, choice: null }] };
    case "remove":
      return { ...draft, targets: draft.targets.filter((target) => target.key !== change.key) };
    case "defaults":
      return {
        ...draft,
        targets: draft.targets.map((target) =>
          target.key === change.key && target.choice === null
            ? { ...target, choice: { ...change.choice, name: freeName(draft, target.hostId, change.choice.name) } }
            : target,
        ),
      };
    case "edit":
      return {
        ...draft,
        targets: draft.targets.map((target) =>
          target.key === change.key && target.choice !== null
            ? { ...target, choice: { ...target.choice, ...change.change } }
            : target,
        ),
      };
    case "note":
      return { ...draft, note: change.note };
  }
}

export function useDeployForm(versionId: string | null) {
  const [draft, dispatch] = useReducer(deployReducer, null, () => ({
    versionId,
    targets: [],
    note: "",
    idempotencyKey: randomUuid(),
  }));
  return {
    draft,
    pickImage: useCallback((id: string | null) => dispatch({ type: "image", versionId: id }), []),
    addTarget: useCallback((hostId: string) => dispatch({ type: "add", hostId, key: randomUuid() }), []),
    removeTarget: useCallback((key: string) => dispatch({ type: "remove", key }), []),
    setDefaults: useCallback((key: string, choice: TargetChoice) => dispatch({ type: "defaults", key, choice }), []),
    editTarget: useCallback(
      (key: string, change: Partial<TargetChoice>) => dispatch({ type: "edit", key, change }),
      [],
    ),
    setNote: useCallback((note: string) => dispatch({ type: "note", note }), []),
  };
}
