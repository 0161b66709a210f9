import { ImageView } from "#components/image/ImageView.tsx";

export const metadata = { title: "Image" };

export default async function ImagePage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  return <ImageView id={id} />;
}
