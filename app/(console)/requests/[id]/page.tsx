import { RequestView } from "#components/request/RequestView.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";

export const metadata = { title: "Request" };

export default async function RequestPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  return (
    <div className="space-y-4">
      <PageHeader title="Request" />
      <RequestView id={id} />
    </div>
  );
}
