"use client";
import { FolderPlus, Trash2, TriangleAlert } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Card } from "#components/ui/Card.tsx";
import { Field } from "#components/ui/Field.tsx";
import { IconButton } from "#components/ui/IconButton.tsx";
import { Input } from "#components/ui/Input.tsx";
import { Settings, type SettingsView } from "#lib/domain/settings.ts";

export interface ImportFoldersProps {
  folders: readonly string[];
  /** What an administrator should know of some of them. */
  notices: SettingsView["importFolderNotices"];
  disabled: boolean;
  onChange: (folders: string[]) => void;
}

export function ImportFolders({ folders, notices, disabled, onChange }: ImportFoldersProps): ReactNode {
  const [path, setPath] = useState("");
  const [error, setError] = useState<string | null>(null);
  const add = (): void => {
    const next = [...folders, path.trim()];
    if (!Settings.shape.importFolders.safeParse(next).success)
      setError("A path on the server that begins with a slash; at most 32 folders");
    else if (folders.includes(path.trim())) setError("This folder is in the list already");
    else {
      setError(null);
      setPath("");
      onChange(next);
    }
  };
  return (
    <Card title="Folders for import">
      <p className="mb-3 text-ink-2">
        Images may be imported from these folders on the server, and from what lies in them. Nothing else on the server
        can be read.
      </p>
      {folders.length > 0 ? (
        <ul className="mb-3 rounded-md border">
          {folders.map((folder) => (
            <li key={folder} className="flex items-center gap-2 border-b px-3 py-1 last:border-b-0">
              <div className="min-w-0 grow">
                <code className="text-xs break-all">{folder}</code>
                {notices
                  .filter((notice) => notice.folder === folder)
                  .map(({ message }) => (
                    <p key={message} role="status" className="flex items-start gap-1.5 text-xs text-warn">
                      <TriangleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />
                      <span className="break-all">{message}</span>
                    </p>
                  ))}
              </div>
              <IconButton
                label={`Take ${folder} from the list`}
                size="sm"
                disabled={disabled}
                onClick={() => onChange(folders.filter((each) => each !== folder))}
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
        <Field label="Folder on the server" error={error} className="min-w-full grow sm:min-w-0">
          <Input
            value={path}
            onChange={(event) => setPath(event.target.value)}
            placeholder="/srv/images"
            spellCheck={false}
            disabled={disabled}
          />
        </Field>
        <Button type="submit" className="sm:mt-5" disabled={disabled || path.trim() === ""}>
          <FolderPlus aria-hidden /> Allow folder
        </Button>
      </form>
    </Card>
  );
}
