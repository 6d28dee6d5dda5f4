// What is compared of an evaluation: the findings, what could not be judged, which yes-or-no definitions hold, and
// which rules concluded something.
const known = (fields) =>
  Object.fromEntries(Object.entries(fields).filter(([name, value]) => name !== "fact id" && value !== null));

export const answer = (results) => {
  const named = Object.entries(results);
  return {
    findings: results["Findings"].map(known),
    unjudged: results["Could not judge"].map(known),
    holds: named.filter(([, value]) => value === true).map(([name]) => name),
    concluded: named
      .filter(([name, value]) => name.endsWith(": concludes") && value.length)
      .map(([name]) => name.slice(0, -": concludes".length)),
  };
};
