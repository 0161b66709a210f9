/** The form of every driver: whoever adds a driver adds its form here, or this does not compile. */
import { EMPTY_FIELDS, type FormDriver, type HostDriverForm, type HostFormFields } from "./form.ts";
import { vmwareForm, xapiForm } from "./https-account.ts";
import { hypervForm } from "./hyperv.ts";
import { kvmForm, xenForm } from "./libvirt.ts";
import { virtualBoxForm } from "./virtualbox.ts";

const FORMS = {
  kvm: kvmForm,
  xen: xenForm,
  vmware: vmwareForm,
  xapi: xapiForm,
  virtualbox: virtualBoxForm,
  hyperv: hypervForm,
} satisfies {
  [D in FormDriver]: HostDriverForm<D>;
};

export const FORM_DRIVERS = Object.keys(FORMS) as readonly FormDriver[];

export function formOf(driver: FormDriver): HostDriverForm {
  // A stored connection was parsed together with its driver's name, so they fit.
  return FORMS[driver] as HostDriverForm;
}

export function emptyFields(driver: FormDriver, name = ""): HostFormFields {
  return { ...EMPTY_FIELDS, ...formOf(driver).initial, driver, name };
}
