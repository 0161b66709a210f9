import { JobView } from "#components/job/JobView.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";

export const metadata = { title: "Job" };

export default async function JobPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  return (
    <div className="space-y-4">
      <PageHeader title="Job" />
      <JobView id={id} />
    </div>
  );
}
