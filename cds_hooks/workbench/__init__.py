"""The workbench: pages that show in a browser why a card came, or did not."""

from flask import Flask

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.workbench.routes import blueprint

__all__ = ["install"]


def install(app: Flask, environment: Environment) -> None:
    """Serve the pages at ``/`` where the settings say so: by default only where just this machine can reach them."""
    if environment.settings.workbench:
        app.register_blueprint(blueprint(environment))
