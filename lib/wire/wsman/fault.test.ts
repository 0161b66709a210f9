import { expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { asAppError, readFault, TIMED_OUT, WsmanFault } from "./fault.ts";
import { readBody } from "./message.ts";

/** As WinRM answers, its blanks and prefixes among it. */
const envelope = (subcode: string, code: number, inside: string): string =>
  `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header><a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/fault</a:Action></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>${subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">The reason. </s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="${code}" Machine="hv1">${inside}</f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>`;
const fault = async (text: string): Promise<WsmanFault> => {
  const found = readFault(await readBody(text));
  if (found === null) throw new Error("no fault");
  return found;
};

it("reads WinRM's own words before the general reason, and the provider's before WinRM's", async () => {
  expect(await fault(envelope("w:AccessDenied", 5, "<f:Message>Access is denied. </f:Message>"))).toMatchObject({
    subcode: "AccessDenied",
    number: 5,
    message: "Access is denied.",
  });
  const provider =
    '<f:Message><f:ProviderFault provider="WMI Provider"><f:WSManFault Code="2150858752"><f:Message>The class does not exist.</f:Message></f:WSManFault></f:ProviderFault></f:Message>';
  expect((await fault(envelope("w:DestinationUnreachable", 2150858752, provider))).message).toBe(
    "The class does not exist.",
  );
  expect((await fault(envelope("w:TimedOut", TIMED_OUT, ""))).message).toBe("The reason.");
});

it("keeps an endless message short, and sees no fault in an answer", async () => {
  const { message } = await fault(envelope("w:InternalError", 1, `<f:Message>${"x".repeat(5000)}</f:Message>`));
  expect(message).toHaveLength(600);
  expect(readFault(await readBody(envelope("w:X", 1, "").replaceAll("s:Fault", "s:Other")))).toBeNull();
});

it.each([
  ["AccessDenied", "host.forbidden", "Hyper-V Administrators"],
  ["QuotaLimit", "host.quota", "MaxShellsPerUser"],
  ["SchemaValidationError", "host.refused", ""],
])("tells %s as %s", (subcode, code, hint) => {
  const error = asAppError(new WsmanFault(subcode, 1, "Words."), "Reading the VMs");
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({ code, message: "Reading the VMs failed: Words." });
  expect((error as AppError).hint ?? "").toContain(hint);
});

it("leaves other errors as they are", () => {
  const other = new Error("x");
  expect(asAppError(other, "y")).toBe(other);
});
