import type { HostConnection } from "#lib/domain/connection.ts";

/** A connection on one line: "SSH root@10.0.0.5:22", "Socket /run/libvirt/libvirt-sock". */
export function connectionWords({ connection }: HostConnection): string {
  switch (connection.transport) {
    case "unix":
      return `Socket ${connection.socket}`;
    case "ssh":
      return `SSH ${connection.user}@${connection.host}:${connection.port}`;
    case "tls":
      return `TLS ${connection.host}:${connection.port}`;
    case "https":
      return `HTTPS ${connection.user}@${connection.host}:${connection.port}`;
    case "http":
      return `HTTP (sealed) ${connection.user}@${connection.host}:${connection.port}`;
    case "local":
      return "This server";
    case "demo":
      return "Simulated";
  }
}
