"use client";

import Link from "next/link";
import { parseAsString, useQueryStates } from "nuqs";
import { Button } from "#components/ui/Button.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { RequestView } from "#components/request/RequestView.tsx";
import { DeployForm } from "./DeployForm.tsx";

/** The one screen: the form, and once it is submitted the lanes of its request, at the same address. */
export function DeployScreen() {
  const [at, setAt] = useQueryStates({ request: parseAsString, image: parseAsString, version: parseAsString });
  const { request } = at;
  return (
    <div className="space-y-4">
      <PageHeader
        title="Deploy"
        subtitle={request === null ? "An image becomes VMs on hosts of any vendor" : "What runs for this request"}
        actions={
          request === null ? null : (
            <>
              <Button onClick={() => void setAt({ request: null, image: null, version: null })}>New deploy</Button>
              <Button asChild>
                <Link href={`/requests/${request}`}>Open request</Link>
              </Button>
            </>
          )
        }
      />
      {request === null ? (
        <DeployForm onSubmitted={(id) => void setAt({ request: id }, { history: "push" })} />
      ) : (
        <RequestView id={request} />
      )}
    </div>
  );
}
