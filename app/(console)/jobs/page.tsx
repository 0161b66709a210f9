import { JobTable } from "#components/job/JobTable.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";

export const metadata = { title: "Jobs" };

export default function JobsPage() {
  return (
    <div className="space-y-4">
      <PageHeader title="Jobs" subtitle="Long work, with its stages and log" />
      <JobTable />
    </div>
  );
}
