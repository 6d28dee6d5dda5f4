// A CDS client in a page, as the CDS Hooks sandbox is one: another origin than the service, tokens signed in the page,
// prefetch by POST and else by GET, only the first action of a suggestion applied, feedback on what was done.
const asked = new URLSearchParams(location.search);
const service = asked.get("service");
const fhir = asked.get("fhir");
const patientId = asked.get("patient");
const cards = document.getElementById("cards");
const said = document.getElementById("said");
const context = { patientId, userId: "Practitioner/tester" };
let order = null;

const base64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const part = (value) => base64url(new TextEncoder().encode(JSON.stringify(value)));

async function token(audience) {
  const { key, kid, iss } = await (await fetch("key.json")).json();
  const algorithm = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
  const signer = await crypto.subtle.importKey("jwk", key, algorithm, false, ["sign"]);
  const now = Math.round(Date.now() / 1000);
  const head = part({ alg: "ES384", typ: "JWT", kid, jku: `${iss}/.well-known/jwks.json` });
  const claims = part({ iss, aud: audience, exp: now + 300, iat: now, jti: crypto.randomUUID() });
  const signature = await crypto.subtle.sign(algorithm, signer, new TextEncoder().encode(`${head}.${claims}`));
  return `${head}.${claims}.${base64url(signature)}`;
}

async function post(url, body) {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${await token(url)}` };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer;
}

async function prefetched(template) {
  const query = template.replace(/\{\{\s*context\.patientId\s*\}\}/g, patientId);
  if (query.includes("{{")) return undefined;
  const headers = { Accept: "application/json+fhir" };
  const [path, search] = query.split("?");
  if (search) {
    const form = { ...headers, "Content-Type": "application/x-www-form-urlencoded" };
    const found = await fetch(`${fhir}/${path}/_search`, { method: "POST", headers: form, body: search });
    if (found.ok) return found.json();
  }
  const found = await fetch(`${fhir}/${query}`, { headers });
  return found.ok ? found.json() : undefined;
}

async function call(hook, more) {
  const { services } = await (await fetch(`${service}/cds-services`)).json();
  cards.replaceChildren();
  for (const one of services.filter((listed) => listed.hook === hook)) {
    const prefetch = {};
    for (const [key, template] of Object.entries(one.prefetch)) {
      const value = await prefetched(template);
      if (value !== undefined) prefetch[key] = value;
    }
    const url = `${service}/cds-services/${one.id}`;
    const body = { hook, hookInstance: crypto.randomUUID(), fhirServer: fhir, context: { ...context, ...more }, prefetch };
    const answer = await (await post(url, body)).json();
    for (const card of answer.cards) cards.append(shown(card, url));
  }
  said.textContent = `${cards.children.length} cards at ${hook}`;
}

function shown(card, url) {
  const article = document.createElement("article");
  const title = article.appendChild(document.createElement("h2"));
  title.textContent = card.summary;
  const button = (words, act) => {
    const made = article.appendChild(document.createElement("button"));
    made.textContent = words;
    made.onclick = act;
  };
  const tell = (outcome) =>
    post(`${url}/feedback`, { feedback: [{ card: card.uuid, outcomeTimestamp: new Date().toISOString(), ...outcome }] });
  for (const suggestion of card.suggestions ?? [])
    button(suggestion.label, async () => {
      await tell({ outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] });
      const [first] = suggestion.actions ?? [];
      if (first?.resource) order = first.resource;
      await sign();
    });
  for (const reason of card.overrideReasons ?? [])
    button(`Dismiss: ${reason.display}`, async () => {
      await tell({ outcome: "overridden", overrideReason: { reason: { code: reason.code, system: reason.system } } });
      article.remove();
    });
  return article;
}

async function sign() {
  document.getElementById("in-hand").textContent = JSON.stringify(order);
  const draftOrders = { resourceType: "Bundle", type: "collection", entry: [{ resource: order }] };
  await call("order-sign", { draftOrders });
}

document.getElementById("sign").onclick = () => {
  const [rxnorm, name, dose] = document.getElementById("order").value.split(" ");
  order = {
    resourceType: "MedicationRequest",
    id: "request-123",
    status: "draft",
    intent: "order",
    subject: { reference: `Patient/${patientId}` },
    medicationCodeableConcept: {
      coding: [{ system: "http://www.nlm.nih.gov/research/umls/rxnorm", code: rxnorm, display: name }],
    },
    dosageInstruction: [{ doseAndRate: [{ doseQuantity: { value: Number(dose), unit: "mg" } }] }],
  };
  return sign();
};
call("patient-view", {});
