"""Whether the service is well, and what exactly is answering."""

from importlib.metadata import version

from prodrome.cds_hooks.environment import Environment
from prodrome.rules.engine import engine_in_force


def health(environment: Environment) -> dict[str, object]:
    """Versions and the engine in force; ``note`` says when the reference matcher serves alone though more was asked."""
    wanted = environment.settings.engine
    serving = engine_in_force(wanted)
    rulebook = environment.guideline.rulebook
    well: dict[str, object] = {
        "status": "ok",
        "version": version("prodrome-cds"),
        "engine": serving,
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
