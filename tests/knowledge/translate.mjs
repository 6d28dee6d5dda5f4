// CQL to ELM: node translate.mjs LIBRARY.cql > LIBRARY.json
// Every problem is a line of standard error; with any, nothing is written and the status is 1.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  CqlTranslator,
  LibraryManager,
  ModelManager,
  createModelInfoProvider,
  stringAsSource,
} from "@cqframework/cql/cql-to-elm";
import { SYSTEM_MODEL } from "./system_model.mjs";

const fhir = createRequire(import.meta.url).resolve("cql-exec-fhir/lib/modelInfos/fhir-modelinfo-4.0.1.xml");
const models = { System: () => SYSTEM_MODEL, FHIR: () => readFileSync(fhir, "utf-8") };
const manager = new ModelManager();
manager.modelInfoLoader.registerModelInfoProvider(
  createModelInfoProvider((id) => (models[id] ? stringAsSource(models[id]()) : null)),
);
const translator = CqlTranslator.fromText(readFileSync(process.argv[2], "utf-8"), new LibraryManager(manager));
const problems = translator.exceptions.asJsReadonlyArrayView();
for (const problem of problems) {
  console.error(problem.message, problem.locator?.toLocator?.() ?? "");
}
if (problems.length) {
  process.exitCode = 1;
} else {
  process.stdout.write(translator.toJson());
}
