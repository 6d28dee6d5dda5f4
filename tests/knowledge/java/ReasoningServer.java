import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.FhirVersionEnum;
import ca.uhn.fhir.jpa.cache.IResourceChangeListenerCacheRefresher;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.packages.IPackageInstallerSvc;
import ca.uhn.fhir.jpa.packages.PackageInstallationSpec;
import ca.uhn.fhir.repository.IRepository;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.api.server.cdshooks.CdsServiceRequestJson;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.exceptions.InternalErrorException;
import ca.uhn.hapi.fhir.cdshooks.api.ICdsHooksDaoAuthorizationSvc;
import ca.uhn.hapi.fhir.cdshooks.api.ICdsServiceRegistry;
import ca.uhn.hapi.fhir.cdshooks.api.json.CdsServiceResponseJson;
import ca.uhn.hapi.fhir.cdshooks.config.CdsHooksConfig;
import ca.uhn.hapi.fhir.cdshooks.svc.CdsHooksContextBooter;
import com.fasterxml.jackson.databind.ObjectMapper;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.File;
import java.io.IOException;
import java.util.EnumSet;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.opencds.cqf.cql.engine.execution.CqlEngine;
import org.opencds.cqf.fhir.cql.EvaluationSettings;
import org.opencds.cqf.fhir.cr.hapi.cdshooks.CdsCrService;
import org.opencds.cqf.fhir.cr.hapi.cdshooks.ICdsCrServiceRegistry;
import org.opencds.cqf.fhir.cr.hapi.config.CrCdsHooksConfig;
import org.opencds.cqf.fhir.cr.hapi.config.RepositoryConfig;
import org.opencds.cqf.fhir.cr.hapi.config.r4.ApplyOperationConfig;
import org.opencds.cqf.fhir.utility.client.TerminologyServerClientSettings;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;

/**
 * HAPI FHIR (R4) with clinical reasoning and a package installed: ReasoningServer PORT PACKAGE.json, the file saying
 * what to install, as an entry of "implementationguides" in the settings of HAPI's server does. FHIR is at /fhir, CDS
 * Hooks at /cds-services. Prints "ready" when they answer.
 */
public class ReasoningServer {

    /** What HAPI's server for everyday use sets up where clinical reasoning and CDS Hooks are enabled. */
    @Configuration(proxyBeanMethods = false)
    @Import({CdsHooksConfig.class, RepositoryConfig.class, ApplyOperationConfig.class, CrCdsHooksConfig.class})
    static class Reasoning {
        @Bean
        RestfulServer restfulServer(FhirContext fhir) {
            return new RestfulServer(fhir);
        }

        @Bean
        EvaluationSettings evaluationSettings() {
            var settings = EvaluationSettings.getDefault();
            settings.getCqlOptions().getCqlEngineOptions().setOptions(
                    EnumSet.of(CqlEngine.Options.EnableExpressionCaching));
            return settings;
        }

        @Bean
        TerminologyServerClientSettings terminologyServerClientSettings() {
            return TerminologyServerClientSettings.getDefault();
        }

        @Bean
        CdsHooksContextBooter cdsHooksContextBooter() {
            return new CdsHooksContextBooter();
        }

        @Bean
        ICdsHooksDaoAuthorizationSvc cdsHooksDaoAuthorizationSvc() {
            return resource -> { };
        }
    }

    public static void main(String[] args) {
        try {
            var wanted = new ObjectMapper().readValue(new File(args[1]), PackageInstallationSpec.class);
            start(Integer.parseInt(args[0]), wanted);
            System.out.println("ready");
        } catch (Throwable problem) {
            problem.printStackTrace();
            System.exit(1);
        }
    }

    private static void start(int port, PackageInstallationSpec wanted) throws Exception {
        var beans = new AnnotationConfigApplicationContext(JpaR4Config.class, FhirServer.Storage.class, Reasoning.class);
        var fhir = beans.getBean(RestfulServer.class);
        FhirServer.provide(fhir, beans);
        beans.getBean(ICdsCrServiceRegistry.class).register(FhirVersionEnum.R4, NothingSwallowed.class);
        beans.getBean(IPackageInstallerSvc.class).install(wanted);
        beans.getBean(IResourceChangeListenerCacheRefresher.class).refreshExpiredCachesAndNotifyListeners();

        var web = new ServletContextHandler("/");
        var hooks = new CdsHooks(
                beans.getBean(ICdsServiceRegistry.class),
                beans.getBean(CdsHooksConfig.CDS_HOOKS_OBJECT_MAPPER_FACTORY, ObjectMapper.class));
        web.addServlet(new ServletHolder(hooks), "/cds-services/*");
        FhirServer.serve(port, fhir, web);
    }

    /** An answer of PlanDefinition/$apply as cards, where every condition could be evaluated: of one that fails only an
     * OperationOutcome is left, and no card. */
    public static class NothingSwallowed extends CdsCrService {
        public NothingSwallowed(RequestDetails request, IRepository repository) {
            super(request, repository);
        }

        @Override
        public CdsServiceResponseJson encodeResponse(Object response) {
            var said = getRepository().fhirContext().newJsonParser().encodeResourceToString((IBaseResource) response);
            if (said.contains("\"OperationOutcome\"")) {
                throw new InternalErrorException("a condition could not be evaluated: " + said);
            }
            return super.encodeResponse(response);
        }
    }

    /** CDS Hooks over HTTP, as the registry of services answers. */
    static class CdsHooks extends HttpServlet {
        private final transient ICdsServiceRegistry services;
        private final transient ObjectMapper json;

        CdsHooks(ICdsServiceRegistry services, ObjectMapper json) {
            this.services = services;
            this.json = json;
        }

        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            answer(response, services.getCdsServicesJson());
        }

        @Override
        protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
            var asked = json.readValue(request.getReader(), CdsServiceRequestJson.class);
            try {
                answer(response, services.callService(request.getPathInfo().substring(1), asked));
            } catch (RuntimeException problem) {
                response.setStatus(HttpServletResponse.SC_INTERNAL_SERVER_ERROR);
                for (Throwable cause = problem; cause != null; cause = cause.getCause()) {
                    response.getWriter().println(cause);
                }
            }
        }

        private void answer(HttpServletResponse response, Object said) throws IOException {
            response.setContentType("application/json");
            json.writeValue(response.getOutputStream(), said);
        }
    }
}
