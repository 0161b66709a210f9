"use client";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { Card } from "#components/ui/Card.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import { Host, type HostDetail } from "#lib/domain/host.ts";
import { api } from "#lib/http/client.ts";
import { hostQueries } from "#lib/http/queries/host.ts";
import { RemoveHostButton } from "./actions/RemoveHostButton.tsx";
import { TestHostButton } from "./actions/TestHostButton.tsx";
import { fromConnection, secretOf } from "./host-form.ts";
import { HostForm } from "./HostForm.tsx";
import { VerifiedMark } from "./VerifiedMark.tsx";

const SECRET_WORD: Record<string, string> = {
  password: "password",
  privateKey: "private key",
  passphrase: "passphrase",
  sshPassword: "password of SSH",
  clientKey: "key of the client certificate",
};

export function HostConnectionTab({ host }: { host: HostDetail }): ReactNode {
  const client = useQueryClient();
  const [editing, setEditing] = useState(false);
  const editReason = useMayReason("host.edit");
  const { connection } = host.connection;
  if (editing && host.connection.driver !== "demo") {
    return (
      <Card title={`Edit ${host.name}`} className="max-w-3xl">
        <HostForm
          initial={fromConnection(host.name, host.connection, host.secrets)}
          stored={host.secrets}
          submit="Save"
          submitting="Saving…"
          onCancel={() => setEditing(false)}
          onSave={async ({ name, target }, values) => {
            const secret = secretOf(values);
            await api.patch(`/hosts/${host.id}`, Host, { name, target, ...(secret ? { secret } : {}) });
            toastDone(`${name} was saved.`);
            setEditing(false);
            await client.invalidateQueries({ queryKey: hostQueries.all });
          }}
        />
      </Card>
    );
  }
  return (
    <div className="max-w-3xl space-y-4">
      <Card
        title="Connection"
        actions={
          <>
            <TestHostButton host={host} />
            <Button
              size="sm"
              reason={editReason ?? (host.simulated ? "A simulated host has no connection to edit." : null)}
              onClick={() => setEditing(true)}
            >
              Edit
            </Button>
          </>
        }
      >
        <KeyValue
          facts={[
            ...factsOf(connection),
            ...("files" in connection ? filesFactsOf(connection.files) : []),
            {
              key: "Secrets stored",
              value:
                host.secrets.length === 0
                  ? "none"
                  : `${host.secrets.map((name) => SECRET_WORD[name] ?? name).join(", ")} (encrypted)`,
            },
          ]}
        />
        {host.connection.driver === "demo" ? null : (
          <div className="mt-4 border-t pt-3">
            <VerifiedMark driver={host.connection.driver} />
          </div>
        )}
      </Card>
      <Card title="Remove this host">
        <div className="flex flex-wrap items-center justify-between gap-3">
          <p className="text-ink-2">
            Supravisor forgets the host, its secrets and its inventory. Nothing on the host itself is changed.
          </p>
          <RemoveHostButton host={host} />
        </div>
      </Card>
    </div>
  );
}

const code = (text: string | null): ReactNode => (text ? <code className="text-xs break-all">{text}</code> : null);

type Files = Extract<HostDetail["connection"], { driver: "hyperv" }>["connection"]["files"];

function filesFactsOf(files: Files): readonly { key: string; value: ReactNode }[] {
  if (files.by === "winrm") return [{ key: "Disks", value: "The host fetches and sends them" }];
  return [
    { key: "Disks", value: `SFTP as ${files.user}, port ${files.port}` },
    { key: "SSH host key", value: code(files.hostKey) },
  ];
}

function factsOf(connection: HostDetail["connection"]["connection"]): readonly { key: string; value: ReactNode }[] {
  switch (connection.transport) {
    case "unix":
      return [
        { key: "Reached by", value: "Local socket" },
        { key: "Socket", value: code(connection.socket) },
      ];
    case "ssh":
      return [
        { key: "Reached by", value: "SSH" },
        { key: "Address", value: `${connection.host}:${connection.port}` },
        { key: "User", value: connection.user },
        { key: "Host key", value: code(connection.hostKey) },
        ...("socket" in connection
          ? [{ key: "Socket there", value: connection.socket ? code(connection.socket) : "the usual places" }]
          : []),
      ];
    case "tls":
      return [
        { key: "Reached by", value: "TLS" },
        { key: "Address", value: `${connection.host}:${connection.port}` },
        { key: "Certificate", value: connection.certificate ? code(connection.certificate) : "verified by the CA" },
      ];
    case "https":
      return [
        { key: "Reached by", value: "HTTPS" },
        { key: "Address", value: `${connection.host}:${connection.port}` },
        { key: "User", value: connection.user },
        { key: "Certificate", value: connection.certificate ? code(connection.certificate) : "verified by the CA" },
      ];
    case "http":
      return [
        {
          key: "Reached by",
          value: `HTTP; every message is sealed by ${connection.auth === "kerberos" ? "Kerberos" : "NTLM"}`,
        },
        { key: "Address", value: `${connection.host}:${connection.port}` },
        { key: "User", value: connection.user },
      ];
    case "local":
      return [{ key: "Reached by", value: "Programs of the server that Supravisor runs on" }];
    case "demo":
      return [{ key: "Reached by", value: "Nothing: it is simulated in Supravisor's data folder" }];
  }
}
