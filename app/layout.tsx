import "@fontsource-variable/inter";
import "./globals.css";
import type { Metadata, Viewport } from "next";
import { headers } from "next/headers";
import type { ReactNode } from "react";
import { Providers } from "#components/shell/Providers.tsx";

export const metadata: Metadata = {
  title: { default: "Supravisor", template: "%s · Supravisor" },
  icons: { icon: "/favicon.svg" },
  description: "One console above VMware, Hyper-V, Xen, KVM and VirtualBox.",
};

export const viewport: Viewport = { width: "device-width", initialScale: 1 };

export default async function RootLayout({ children }: { children: ReactNode }): Promise<ReactNode> {
  // The policy of this answer allows only scripts that carry its nonce; the server puts it on the request, too.
  const nonce = /'nonce-([^']+)'/.exec((await headers()).get("content-security-policy") ?? "")?.[1];
  return (
    <html lang="en" suppressHydrationWarning>
      <body>
        <Providers nonce={nonce}>{children}</Providers>
      </body>
    </html>
  );
}
