// Changes one thing of the rules at a time and sees whether an answer changes:
//   node mutate.mjs LIBRARY.json [RULE_TALLY_OR_PARAMETER ...] < one {"aim": rule, "bundle": Bundle} a line > one mutant a line
// A mutant has one comparison, one threshold or one `unless` of a rule or tally changed. It is caught by the first case
// whose answer differs from that of the rules as they are; cases drawn for its rule come first. Names choose what changes.
// Of a case only those definitions are evaluated again that a change reaches.
import { readFileSync } from "node:fs";
import cql from "cql-execution";
import fhir from "cql-exec-fhir";
import { answer } from "./answer.mjs";

const elm = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const library = new cql.Library(elm);
const cases = readFileSync(0, "utf-8").trim().split("\n").map((line) => JSON.parse(line));
const chosen = new Set(process.argv.slice(3));
const isChosen = (name) => chosen.size === 0 || chosen.has(name);

const ABOUT = /^(?<rule>.+): holds for$|^count: (?<tally>.+)$/;
const SWAPPED = { Less: "LessOrEqual", LessOrEqual: "Less", Greater: "GreaterOrEqual", GreaterOrEqual: "Greater" };
const negated = (node) => ({ type: "Not", operand: node, signature: [] });
const isNumber = (node) => node.type === "Literal" && /}(Decimal|Integer)$/.test(node.valueType ?? "");

// Every changed copy of a definition, with what was changed.
function* changes(node, path = []) {
  if (Array.isArray(node)) {
    for (const [place, one] of node.entries()) {
      yield* changes(one, [...path, place]);
    }
  } else if (node && typeof node === "object") {
    if (node.type in SWAPPED) {
      yield ["operator", path, { ...node, type: SWAPPED[node.type] }];
    }
    if (["Equal", "In"].includes(node.type)) {
      yield ["operator", path, negated(node)];
    }
    if (node.type === "Not" && node.operand?.type === "Exists") {
      yield ["unless", path, { type: "Literal", valueType: "{urn:hl7-org:elm-types:r1}Boolean", value: "true" }];
    }
    if (isNumber(node)) {
      for (const by of [1, -1]) {
        yield ["threshold", path, { ...node, value: String(Number(node.value) + by) }];
      }
    }
    for (const [name, one] of Object.entries(node)) {
      if (name !== "annotation") {
        yield* changes(one, [...path, name]);
      }
    }
  }
}
const changed = (node, [first, ...rest], by) => {
  if (first === undefined) {
    return by;
  }
  const copy = Array.isArray(node) ? [...node] : { ...node };
  copy[first] = changed(node[first], rest, by);
  return copy;
};
const built = (part, definitions) =>
  new cql.Library({ library: { ...elm.library, statements: { def: [] }, parameters: { def: [] }, [part]: { def: definitions } } });

function* mutants() {
  for (const definition of elm.library.statements.def) {
    const about = ABOUT.exec(definition.name)?.groups;
    if (about && isChosen(about.rule ?? about.tally)) {
      for (const [kind, path, by] of changes(definition.expression)) {
        const mutant = { ...definition, expression: changed(definition.expression, path, by) };
        yield { name: definition.name, kind, aim: about.rule, within: library.expressions, to: built("statements", [mutant]).expressions };
      }
    }
  }
  for (const parameter of elm.library.parameters.def) {
    for (const [kind, path, by] of isChosen(parameter.name) ? changes(parameter.default) : []) {
      const mutant = { ...parameter, default: changed(parameter.default, path, by) };
      yield { name: parameter.name, kind, within: library.parameters, to: built("parameters", [mutant]).parameters };
    }
  }
}

// Which definitions and parameters each definition names, in the order of the library.
const named = (node) =>
  node && typeof node === "object"
    ? [...(["ExpressionRef", "ParameterRef"].includes(node.type) ? [node.name] : []), ...Object.values(node).flatMap(named)]
    : [];
const names = new Map(
  elm.library.statements.def.filter(({ type }) => type !== "FunctionDef").map(({ name, expression }) => [name, new Set(named(expression))]),
);

// Everything that the rules as they are say of a case.
const source = fhir.PatientSource.FHIRv401();
const asIs = async (bundle) => {
  source.loadBundles([bundle]);
  const [results] = Object.values((await new cql.Executor(library).exec(source)).patientResults);
  const said = new Map(Object.entries(results).map(([name, value]) => [name, JSON.stringify(value)]));
  return { results, said, answer: JSON.stringify(answer(results)) };
};

// Whether the rules answer otherwise now that a definition or parameter of that name was changed.
const differs = async (name, { results, said, answer: before }) => {
  const context = new cql.PatientContext(library, null);
  for (const [one, value] of Object.entries(results)) {
    context.set(one, value);
  }
  const reached = new Set(name in library.parameters ? [name] : []);
  const after = {};
  for (const [one, others] of names) {
    if (one === name || [...others].some((other) => reached.has(other))) {
      const value = await library.expressions[one].execute(context);
      if (JSON.stringify(value) !== said.get(one)) {
        reached.add(one);
        after[one] = value;
      }
    }
  }
  return JSON.stringify(answer({ ...results, ...after })) !== before;
};

const expected = [];
for (const { bundle } of cases) {
  expected.push(await asIs(bundle));
}
for (const { name, kind, aim, within, to } of mutants()) {
  const before = within[name];
  within[name] = to[name];
  const order = [...cases.keys()].sort((one, other) => (cases[other].aim === aim) - (cases[one].aim === aim));
  let caught = false;
  for (const place of order) {
    caught = await differs(name, expected[place]).catch(() => true);
    if (caught) {
      break;
    }
  }
  within[name] = before;
  console.log(JSON.stringify({ name, kind, caught }));
}
