import { ImageLibrary } from "#components/image/ImageLibrary.tsx";

export const metadata = { title: "Images" };

export default function ImagesPage() {
  return <ImageLibrary />;
}
