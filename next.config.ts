import type { NextConfig } from "next";

const config: NextConfig = {
  reactStrictMode: true,
  poweredByHeader: false,
  // Types and lint are steps of their own in `npm test`; the build need not do them again.
  typescript: { ignoreBuildErrors: true },
  // No page shows a picture that needs scaling, and an optimiser that fetches addresses is one more door.
  images: { unoptimized: true },
  serverExternalPackages: ["@electric-sql/pglite", "pg-boss", "pg", "koffi", "ssh2", "@node-rs/argon2"],
};

export default config;
