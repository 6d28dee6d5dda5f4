"""Whether the service is well, and what exactly is answering."""

from functools import cache, partial
from importlib.metadata import version

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.runtime import is_compiled
from prodrome.rules.engine import engine_in_force

_version = cache(partial(version, "prodrome-cds"))


def readiness(environment: Environment) -> dict[str, object]:
    """Whether calls can be answered now: ``ready``, and the state of what it depends on.

    A database that is away is borne, but for tokens: whether one was used before cannot be known then.
    """
    store, settings = environment.store, environment.settings
    away = store is not None and store.database.away
    return {
        "ready": not (away and settings.issuers),
        "database": "none" if store is None else "away" if away else "ok",
        "rulebook": environment.guideline.rulebook.version,
        "tokens": "not asked for" if settings.open else "refused while the database is away" if away else "checked",
    }


def health(environment: Environment) -> dict[str, object]:
    """Versions, the engine in force and whether it is compiled.

    ``note`` says when the reference matcher serves alone though more was asked.
    """
    wanted = environment.settings.engine
    serving = engine_in_force(wanted)
    rulebook = environment.guideline.rulebook
    well: dict[str, object] = {
        "status": "ok",
        "version": _version(),
        "engine": serving,
        "compiled": is_compiled(),
        "rulebook": {"version": rulebook.version, "date": rulebook.date},
        "parametersChanged": sorted(
            name for name, parameter in environment.guideline.parameters.items() if parameter.overridden
        ),
        "today": environment.clock().isoformat(),
        "locale": environment.settings.locale,
        "hooks": [service.hook.name for service in environment.services().values()],
    }
    if serving != wanted:
        well["note"] = (
            f"engine {wanted} was asked for, but durable-rules cannot be used here (it needs Python below 3.13): "
            "the reference matcher serves alone"
        )
    return well
