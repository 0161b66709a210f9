import type { ReactNode } from "react";
import { BrandMark } from "#components/shell/Brand.tsx";

export default function AuthLayout({ children }: { children: ReactNode }): ReactNode {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center gap-6 p-4">
      <div className="flex items-center gap-2.5 text-xl font-semibold">
        <BrandMark className="size-7 text-accent-ink" />
        Supravisor
      </div>
      {children}
    </main>
  );
}
