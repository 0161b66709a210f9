export { PageBody as default } from "#components/shell/PageBody.tsx";
