"use client";
import { parseAsStringLiteral, useQueryState } from "nuqs";
import type { ReactNode } from "react";
import { useMay } from "#components/session/session-context.ts";
import { SessionList } from "#components/session/SessionList.tsx";
import { TokenList } from "#components/token/TokenList.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { Tabs, type Tab } from "#components/ui/Tabs.tsx";
import { UserList } from "#components/user/UserList.tsx";
import { AboutView } from "./AboutView.tsx";
import { GeneralSettings } from "./GeneralSettings.tsx";

const TABS = ["general", "users", "sessions", "tokens", "about"] as const;
type SettingsTab = (typeof TABS)[number];

export function SettingsView(): ReactNode {
  const mayReadSettings = useMay("settings.read");
  const mayReadUsers = useMay("user.read");
  const [tab, setTab] = useQueryState("tab", parseAsStringLiteral(TABS));
  const tabs: Tab<SettingsTab>[] = [
    ...(mayReadSettings ? [{ value: "general" as const, label: "General", content: <GeneralSettings /> }] : []),
    ...(mayReadUsers ? [{ value: "users" as const, label: "Users", content: <UserList /> }] : []),
    { value: "sessions", label: "Sessions", content: <SessionList /> },
    { value: "tokens", label: "API tokens", content: <TokenList /> },
    { value: "about", label: "About", content: <AboutView /> },
  ];
  const value = tabs.find((each) => each.value === tab)?.value ?? tabs[0]?.value ?? "about";
  return (
    <div className="flex min-h-full flex-col gap-4 p-4">
      <PageHeader title="Settings" />
      <Tabs label="Settings" value={value} onChange={(next) => void setTab(next)} tabs={tabs} />
    </div>
  );
}
