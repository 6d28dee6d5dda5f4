import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.CodeSystem;
import org.hl7.fhir.r4.model.CodeSystem.CodeSystemContentMode;
import org.hl7.fhir.r4.model.Enumerations.PublicationStatus;
import org.hl7.fhir.r4.model.ValueSet;

/**
 * HL7's instance validator, offline: Validate FOLDER validates every JSON file below it, the folder's own definitions
 * known. A line for each problem: severity, file, where, what.
 */
public class Validate {
    public static void main(String[] args) throws Exception {
        var fhir = FhirContext.forR4();
        var own = new PrePopulatedValidationSupport(fhir);
        List<Path> files;
        try (var found = Files.walk(Path.of(args[0]))) {
            files = found.filter(file -> file.toString().endsWith(".json")).sorted().toList();
        }
        var elsewhere = new TreeSet<String>();
        var texts = new ArrayList<String>();
        for (Path file : files) {
            String text = Files.readString(file);
            texts.add(text);
            IBaseResource resource = fhir.newJsonParser().parseResource(text);
            switch (resource.fhirType()) {
                case "StructureDefinition", "CodeSystem", "ValueSet", "Library", "PlanDefinition", "ActivityDefinition" ->
                    own.addResource(resource);
                default -> { }
            }
            if (resource instanceof ValueSet valueSet) {
                valueSet.getCompose().getInclude().forEach(part -> elsewhere.add(part.getSystem()));
            }
        }
        for (String system : elsewhere) { // other owners' code systems are not here: their codes cannot be looked up
            if (own.fetchCodeSystem(system) == null) {
                var absent = new CodeSystem().setUrl(system).setStatus(PublicationStatus.ACTIVE);
                own.addCodeSystem(absent.setContent(CodeSystemContentMode.NOTPRESENT));
            }
        }
        var support = new ValidationSupportChain(
                own,
                new DefaultProfileValidationSupport(fhir),
                new SnapshotGeneratingValidationSupport(fhir),
                new InMemoryTerminologyServerValidationSupport(fhir),
                new CommonCodeSystemsTerminologyService(fhir));
        var validator = fhir.newValidator();
        validator.registerValidatorModule(new FhirInstanceValidator(support));
        for (int place = 0; place < files.size(); place++) {
            for (SingleValidationMessage problem : validator.validateWithResult(texts.get(place)).getMessages()) {
                System.out.printf(
                        "%s\t%s\t%s\t%s%n",
                        problem.getSeverity().getCode(),
                        Path.of(args[0]).relativize(files.get(place)),
                        problem.getLocationString(),
                        problem.getMessage().replaceAll("\\s+", " "));
            }
        }
    }
}
