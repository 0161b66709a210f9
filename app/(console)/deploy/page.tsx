import { DeployScreen } from "#components/deploy/DeployScreen.tsx";

export const metadata = { title: "Deploy" };

export default function DeployPage() {
  return <DeployScreen />;
}
