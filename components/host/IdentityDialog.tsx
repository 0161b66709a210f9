"use client";
import type { ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { CopyButton } from "#components/ui/CopyButton.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import type { HostTest } from "#lib/domain/host.ts";

export interface IdentityDialogProps {
  identity: NonNullable<HostTest["identity"]> | null;
  /** Address and port as they were typed, for the commands to compare with. */
  address: string;
  port: string;
  /** Prints the host keys on the host itself; absent: as OpenSSH on Unix keeps them. */
  hostKeyCommand?: string | undefined;
  /** Another identity was confirmed before: this one is a change, which wants an explanation. */
  changed: boolean;
  onConfirm: (fingerprint: string) => void;
  onCancel: () => void;
}

/** Shows who answers and how to check that it is the right one. Until confirmed nothing is sent to it. */
export function IdentityDialog({
  identity,
  address,
  port,
  hostKeyCommand = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done",
  changed,
  onConfirm,
  onCancel,
}: IdentityDialogProps): ReactNode {
  if (!identity) return null;
  const ssh = identity.kind === "ssh-host-key";
  const commands = ssh
    ? [`ssh-keyscan -p ${port || "22"} ${address} | ssh-keygen -lf -`, hostKeyCommand]
    : [
        `openssl s_client -connect ${address}:${port || "443"} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256`,
      ];
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onCancel();
      }}
      title={changed ? `${address} answers with another identity than before` : `Is this ${address}?`}
      description={
        changed
          ? "Either the host was installed anew, or something else answers in its place. Confirm only when you know which."
          : "Nobody has confirmed this host's identity yet. Compare the fingerprint with what the host itself says; no password is sent before."
      }
      footer={
        <>
          <Button onClick={onCancel}>Cancel</Button>
          <Button variant={changed ? "danger" : "primary"} onClick={() => onConfirm(identity.fingerprint)}>
            It is the right host
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <div>
          <div className="mb-1 text-xs text-ink-3">{ssh ? "SSH host key" : "TLS certificate, SHA-256"}</div>
          <div className="flex items-center gap-2 rounded-md border bg-sunken px-3 py-2">
            <code className="min-w-0 grow break-all" data-testid="identity-fingerprint">
              {identity.fingerprint}
            </code>
            <CopyButton text={identity.fingerprint} label="Copy the fingerprint" />
          </div>
        </div>
        <div>
          <p className="mb-1 text-ink-2">
            From a machine that you trust on the same network, or on the host&apos;s own console:
          </p>
          <ul className="space-y-1">
            {commands.map((command) => (
              <li key={command} className="flex items-center gap-2 rounded-md border bg-sunken px-3 py-1.5">
                <code className="min-w-0 grow text-xs break-all">{command}</code>
                <CopyButton text={command} label="Copy the command" />
              </li>
            ))}
          </ul>
          {ssh ? (
            <p className="mt-1 text-xs text-ink-3">One of the lines it prints must hold this fingerprint.</p>
          ) : null}
        </div>
      </div>
    </Dialog>
  );
}
