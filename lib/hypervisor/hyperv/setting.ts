/**
 * Settings as Hyper-V's methods take them. A property whose type is not the class's own is refused, as invalid or as of
 * another type: so types stand here alone, one table a class, and no caller names one.
 */
import { embeddedInstance, type EmbeddedType, type EmbeddedValue } from "#lib/wire/wsman/embedded.ts";

type PropertyType = EmbeddedType | `${EmbeddedType}[]`;

/** Of all resources. Source: CIM_ResourceAllocationSettingData. */
const ALLOCATION = {
  InstanceID: "string",
  ElementName: "string",
  ResourceType: "uint16",
  ResourceSubType: "string",
  Parent: "string",
  Address: "string",
  AddressOnParent: "string",
  HostResource: "string[]",
  VirtualQuantity: "uint64",
  Reservation: "uint64",
} as const satisfies Record<string, PropertyType>;

/** Those that are written. Source: the pages of these classes in Microsoft's "Hyper-V WMI provider (V2)". */
const CLASSES = {
  Msvm_VirtualSystemSettingData: {
    InstanceID: "string",
    ElementName: "string",
    VirtualSystemSubType: "string",
    Notes: "string[]",
    SecureBootEnabled: "boolean",
    SecureBootTemplateId: "string",
    BootSourceOrder: "string[]",
    BootOrder: "uint16[]",
    AutomaticSnapshotsEnabled: "boolean",
  },
  Msvm_VirtualSystemSnapshotSettingData: { ConsistencyLevel: "uint8" },
  Msvm_ProcessorSettingData: ALLOCATION,
  Msvm_MemorySettingData: { ...ALLOCATION, DynamicMemoryEnabled: "boolean" },
  Msvm_ResourceAllocationSettingData: ALLOCATION,
  Msvm_StorageAllocationSettingData: ALLOCATION,
  Msvm_SyntheticEthernetPortSettingData: {
    ...ALLOCATION,
    VirtualSystemIdentifiers: "string[]",
    StaticMacAddress: "boolean",
  },
  Msvm_EthernetPortAllocationSettingData: { ...ALLOCATION, EnabledState: "uint16" },
  Msvm_VirtualHardDiskSettingData: { Path: "string", Type: "uint16", Format: "uint16" },
} as const satisfies Record<string, Record<string, PropertyType>>;

export type SettingClassName = keyof typeof CLASSES;

type ValueOf<Type extends PropertyType> = Type extends `${infer Item extends EmbeddedType}[]`
  ? readonly ValueOf<Item>[]
  : Type extends "boolean"
    ? boolean
    : Type extends "string" | "datetime"
      ? string
      : number;

/** Null: the class's default. */
export type SettingValues<Name extends SettingClassName> = {
  readonly [Property in keyof (typeof CLASSES)[Name]]?:
    | ((typeof CLASSES)[Name][Property] extends infer Type extends PropertyType ? ValueOf<Type> : never)
    | null;
};

export function setting<Name extends SettingClassName>(className: Name, values: SettingValues<Name>): string {
  const types: Readonly<Record<string, PropertyType>> = CLASSES[className];
  const typed = Object.entries<unknown>(values).flatMap(([property, value]): [string, EmbeddedValue][] => {
    const type = types[property];
    if (type === undefined || value === null || value === undefined) return [];
    const item = type.replace("[]", "") as EmbeddedType;
    return [[property, [item, Array.isArray(value) ? value.map(String) : (value as string | number | boolean)]]];
  });
  return embeddedInstance(className, Object.fromEntries(typed));
}
