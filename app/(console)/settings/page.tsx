import type { Metadata } from "next";
import { Suspense, type ReactNode } from "react";
import { SettingsView } from "#components/settings/SettingsView.tsx";

export const metadata: Metadata = { title: "Settings" };

export default function SettingsPage(): ReactNode {
  return (
    <Suspense>
      <SettingsView />
    </Suspense>
  );
}
