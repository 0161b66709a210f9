"use client";
import { Plus, Trash2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Card } from "#components/ui/Card.tsx";
import { Field } from "#components/ui/Field.tsx";
import { IconButton } from "#components/ui/IconButton.tsx";
import { Input } from "#components/ui/Input.tsx";
import { Settings } from "#lib/domain/settings.ts";

export interface ImportNetworksProps {
  networks: readonly string[];
  disabled: boolean;
  onChange: (networks: string[]) => void;
}

export function ImportNetworks({ networks, disabled, onChange }: ImportNetworksProps): ReactNode {
  const [network, setNetwork] = useState("");
  const [error, setError] = useState<string | null>(null);
  const add = (): void => {
    const next = [...networks, network.trim()];
    if (!Settings.shape.importNetworks.safeParse(next).success)
      setError("A network as 10.0.0.0/8 or fd00::/64, one address as 10.0.0.5/32; at most 64 networks");
    else if (networks.includes(network.trim())) setError("This network is in the list already");
    else {
      setError(null);
      setNetwork("");
      onChange(next);
    }
  };
  return (
    <Card title="Networks for import from an address">
      <p className="mb-3 text-ink-2">
        An image’s address must lie in the public Internet, or in one of these private networks: nobody reads other
        services of this network through Supravisor. This server itself and addresses of its link (169.254.0.0/16,
        fe80::/10) are never fetched from.
      </p>
      {networks.length > 0 ? (
        <ul className="mb-3 rounded-md border">
          {networks.map((each) => (
            <li key={each} className="flex items-center gap-2 border-b px-3 py-1 last:border-b-0">
              <code className="min-w-0 grow text-xs break-all">{each}</code>
              <IconButton
                label={`Take ${each} from the list`}
                size="sm"
                disabled={disabled}
                onClick={() => onChange(networks.filter((other) => other !== each))}
              >
                <Trash2 aria-hidden />
              </IconButton>
            </li>
          ))}
        </ul>
      ) : null}
      <form
        className="flex flex-wrap items-start gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          add();
        }}
      >
        <Field label="Private network" error={error} className="min-w-full grow sm:min-w-0">
          <Input
            value={network}
            onChange={(event) => setNetwork(event.target.value)}
            placeholder="10.0.0.0/8"
            spellCheck={false}
            disabled={disabled}
          />
        </Field>
        <Button type="submit" className="sm:mt-5" disabled={disabled || network.trim() === ""}>
          <Plus aria-hidden /> Allow network
        </Button>
      </form>
    </Card>
  );
}
