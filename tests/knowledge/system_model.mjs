// The types that CQL itself has (CQL 1.5, section "Data types"), as the model information a translator asks for.
const SIMPLE = ["Boolean", "Integer", "Long", "Decimal", "String", "DateTime", "Date", "Time"];
const CLASSES = {
  Quantity: { value: "Decimal", unit: "String" },
  Ratio: { numerator: "Quantity", denominator: "Quantity" },
  Code: { code: "String", system: "String", version: "String", display: "String" },
  Concept: { codes: ["Code"], display: "String" },
  Vocabulary: { id: "String", version: "String" },
};
const VOCABULARIES = ["ValueSet", "CodeSystem"];

const simple = (name, base) =>
  `<typeInfo xsi:type="SimpleTypeInfo" name="System.${name}"${base ? ` baseType="System.${base}"` : ""}/>`;
const element = ([name, type]) =>
  Array.isArray(type)
    ? `<element name="${name}"><typeSpecifier xsi:type="ListTypeSpecifier" elementType="System.${type[0]}"/></element>`
    : `<element name="${name}" type="System.${type}"/>`;
const class_ = (name, base, elements) =>
  `<typeInfo xsi:type="ClassInfo" name="System.${name}" baseType="System.${base}">${elements.map(element).join("")}</typeInfo>`;

export const SYSTEM_MODEL = [
  `<modelInfo xmlns="urn:hl7-org:elm-modelinfo:r1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`,
  ` name="System" version="1.0.0" url="urn:hl7-org:elm-types:r1" targetQualifier="system">`,
  simple("Any"),
  ...SIMPLE.map((name) => simple(name, "Any")),
  ...Object.entries(CLASSES).map(([name, elements]) => class_(name, "Any", Object.entries(elements))),
  ...VOCABULARIES.map((name) => class_(name, "Vocabulary", [])),
  `</modelInfo>`,
].join("");
