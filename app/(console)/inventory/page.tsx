import type { Metadata } from "next";
import { Suspense, type ReactNode } from "react";
import { InventoryView } from "#components/inventory/InventoryView.tsx";

export const metadata: Metadata = { title: "Inventory" };

export default function InventoryPage(): ReactNode {
  return (
    <Suspense>
      <InventoryView />
    </Suspense>
  );
}
