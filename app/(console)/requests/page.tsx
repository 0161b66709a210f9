import { RequestTable } from "#components/request/RequestTable.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";

export const metadata = { title: "Requests" };

export default function RequestsPage() {
  return (
    <div className="space-y-4">
      <PageHeader title="Requests" subtitle="Who asked for which VMs, who decided, what ran" />
      <RequestTable />
    </div>
  );
}
