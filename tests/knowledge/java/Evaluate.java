import ca.uhn.fhir.context.FhirContext;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import kotlin.Pair;
import org.cqframework.cql.cql2elm.StringLibrarySourceProvider;
import org.hl7.elm.r1.VersionedIdentifier;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.Patient;
import org.opencds.cqf.cql.engine.execution.CqlEngine;
import org.opencds.cqf.cql.engine.execution.EvaluationParams;
import org.opencds.cqf.cql.engine.execution.ExpressionResult;
import org.opencds.cqf.cql.engine.runtime.Tuple;
import org.opencds.cqf.fhir.cql.Engines;
import org.opencds.cqf.fhir.cql.EvaluationSettings;
import org.opencds.cqf.fhir.utility.repository.InMemoryFhirRepository;

/**
 * The rules over facts, translated and evaluated by the Java tools of CQL: Evaluate LIBRARY.cql, a Bundle a line on
 * standard input; an answer a line, as evaluate.mjs gives it.
 */
public class Evaluate {
    private static final String CONCLUDES = ": concludes";

    public static void main(String[] args) throws Exception {
        String cql = Files.readString(Path.of(args[0]));
        var named = Pattern.compile("^library (\\S+) version '([^']+)'$", Pattern.MULTILINE).matcher(cql);
        if (!named.find()) {
            throw new IllegalArgumentException("expected a line: library NAME version 'VERSION'");
        }
        var rules = new VersionedIdentifier().withId(named.group(1)).withVersion(named.group(2));
        var settings = EvaluationSettings.getDefault();
        settings.getCqlOptions().getCqlEngineOptions().setOptions(
                EnumSet.of(CqlEngine.Options.EnableExpressionCaching));
        settings.getLibrarySourceProviders().add(new StringLibrarySourceProvider(List.of(cql)));

        var fhir = FhirContext.forR4();
        var parser = fhir.newJsonParser();
        var json = new ObjectMapper();
        var lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            var bundle = parser.parseResource(Bundle.class, line);
            var patient = (Patient) bundle.getEntryFirstRep().getResource();
            var asked = new EvaluationParams.Builder();
            asked.setContextParameter(new Pair<>("Patient", patient.getIdElement().getIdPart()));
            asked.library(rules, new EvaluationParams.LibraryParams.Builder().build());
            var engine = Engines.forRepository(new InMemoryFhirRepository(fhir, bundle), settings);
            System.out.println(json.writeValueAsString(
                    answer(engine.evaluate(asked.build()).getOnlyResultOrThrow().getExpressionResults())));
        }
    }

    private static Map<String, Object> answer(Map<String, ExpressionResult> results) {
        var holds = new ArrayList<String>();
        var concluded = new ArrayList<String>();
        results.forEach((name, result) -> {
            if (Boolean.TRUE.equals(result.getValue())) {
                holds.add(name);
            }
            if (name.endsWith(CONCLUDES) && !((List<?>) result.getValue()).isEmpty()) {
                concluded.add(name.substring(0, name.length() - CONCLUDES.length()));
            }
        });
        return Map.of(
                "findings", rows(results.get("Findings")),
                "unjudged", rows(results.get("Could not judge")),
                "holds", holds,
                "concluded", concluded);
    }

    /** Facts as their fields, those that are known. */
    private static List<Map<String, Object>> rows(ExpressionResult facts) {
        var found = new ArrayList<Map<String, Object>>();
        for (Object fact : (List<?>) facts.getValue()) {
            var fields = new LinkedHashMap<>(((Tuple) fact).getElements());
            fields.remove("fact id");
            fields.values().removeIf(value -> value == null);
            found.add(fields);
        }
        return found;
    }
}
