"""The errors of this program, in one tree. The text of each says what was expected and what came, in one line.

    ProdromeError                  anything raised here on purpose
    ├── ConfigurationError         what a site or an author wrote cannot be used: nothing starts
    │   ├── SettingsError          prodrome.toml, a variable, an option        (cds_hooks.settings)
    │   ├── GuidelineError         drugs, parameters, codes, ...               (rules.guideline)
    │   ├── RulebookError          the rulebook                                (rules.engine)
    │   ├── CardsError             cards.yaml, or a template                   (cds_hooks.cards)
    │   └── TracesUnavailable      OpenTelemetry is not installed              (cds_hooks.runtime)
    ├── UsageError                 a mistake at the command line               (cds_hooks.command_line)
    ├── TesterError                what a tester named or typed cannot be used (cds_hooks.testers, workbench)
    │   ├── BadOrder               an order that cannot be read
    │   ├── BadEdit                a changed value that cannot be meant
    │   ├── BadRule                an edited rule that cannot be read
    │   └── LoadingError           a server that does not take the patients
    ├── Refused                    a call that gets no guidance                (cds_hooks.protocol)
    │   ├── Invalid, Missing       a member is wrong, or not there
    │   ├── Unauthorized           nobody knows who calls                      (cds_hooks.callers)
    │   ├── Forbidden              the caller may not do this
    │   ├── NotFound               there is no such thing
    │   ├── NothingToJudge         no kind of data could be had
    │   ├── TooLarge, TooSlow, TooMany, Unsupported, Withheld
    │   └── Unavailable            not now: ask again
    ├── Malformed                  a batch that is not feedback                (cds_hooks.feedback)
    ├── StoreUnavailable           feedback cannot be kept now
    ├── DatabaseAway               the database cannot be asked now            (cds_hooks.database)
    ├── KnowledgeError             the guideline cannot be said in CQL or FHIR  (cds_hooks.knowledge)
    ├── ExportError                an export that cannot be read               (cds_hooks.population)
    ├── FhirServerError            what a FHIR server did not give             (cds_hooks.fhir_client)
    │   ├── Failure                there is no usable answer
    │   └── NotAllowed             it is not to be asked
    └── EngineError                rules that cannot be evaluated              (rules.engine)
        ├── LimitError             more than one evaluation may hold
        ├── FactError              a fact that is no fact of the rulebook
        ├── DurableError           the library failed
        └── EngineDisagreement     the two matchers do not agree

No text repeats what a chart says. HTTP statuses are made of these in ``cds_hooks.web`` alone.
"""


class ProdromeError(Exception):
    """Anything this program raises on purpose."""


class ConfigurationError(ProdromeError):
    """What a site or an author wrote cannot be used: nothing starts."""
