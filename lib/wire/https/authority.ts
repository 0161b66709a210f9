/** `host:port` as it stands in addresses and in the Host header: an IPv6 address in brackets. Source: RFC 3986, 3.2.2. */
export function authorityOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;
}
