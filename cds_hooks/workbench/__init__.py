"""The workbench: pages that show in a browser why a card came, or did not."""

from collections.abc import Callable

from flask import Flask

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.protocol import Refused
from prodrome.cds_hooks.workbench.labelled import read_labelled
from prodrome.cds_hooks.workbench.live import Calls
from prodrome.cds_hooks.workbench.review import review
from prodrome.cds_hooks.workbench.routes import workbench_blueprint

__all__ = ["Calls", "install_workbench", "read_labelled", "review"]


def install_workbench(
    app: Flask, environment: Environment, status_of: Callable[[Refused], int], calls: Calls | None = None
) -> None:
    """Serve the pages at ``/`` where the settings say so: by default only where just this machine can reach them.

    *status_of* says what HTTP calls a refusal; *calls* are the last ones, where the pages may show them.
    """
    if environment.settings.workbench:
        app.register_blueprint(workbench_blueprint(environment, status_of, calls=calls))
