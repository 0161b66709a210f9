import type { Metadata } from "next";
import type { ReactNode } from "react";
import { SetupForm } from "#components/setup/SetupForm.tsx";

export const metadata: Metadata = { title: "First administrator" };

export default function SetupPage(): ReactNode {
  return <SetupForm />;
}
