// The rules as ELM over facts: node evaluate.mjs LIBRARY.json < one Bundle a line > one answer a line.
// An answer holds the findings, what could not be judged, which yes-or-no definitions hold, and which rules concluded.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import cql from "cql-execution";
import fhir from "cql-exec-fhir";
import { answer } from "./answer.mjs";

const library = new cql.Library(JSON.parse(readFileSync(process.argv[2], "utf-8")));
const executor = new cql.Executor(library);

const source = fhir.PatientSource.FHIRv401(); // one for all: each reads the model of FHIR anew
for await (const line of createInterface({ input: process.stdin })) {
  source.loadBundles([JSON.parse(line)]);
  const [results] = Object.values((await executor.exec(source)).patientResults);
  console.log(JSON.stringify(answer(results)));
}
