"""What every call shares: settings, the guideline with the site's parameters, the clock, and the feedback store."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from prodrome.cds_hooks import cards
from prodrome.cds_hooks.clock import Clock, clock
from prodrome.cds_hooks.feedback import Store
from prodrome.cds_hooks.protocol import NotFound, Service, served_as, services
from prodrome.cds_hooks.settings import Settings, site_guideline
from prodrome.rules.guideline import Guideline


@dataclass(frozen=True)
class Environment:
    """What every call shares: settings, the guideline with the site's parameters, the clock and the feedback store."""

    settings: Settings
    guideline: Guideline
    clock: Clock
    store: Store | None = None
    _services: dict[date, Mapping[str, Service]] = field(init=False, default_factory=dict, repr=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock, repr=False)

    @classmethod
    def of(cls, settings: Settings, *, store: Store | None = None) -> "Environment":
        """The environment these settings describe. Raises ``GuidelineError`` for a parameter that does not fit."""
        guideline = site_guideline(settings)
        cards.check_cards(guideline)
        return cls(settings, guideline, clock(settings.today), store)

    def services(self) -> Mapping[str, Service]:
        """The services of this day."""
        today = self.clock()
        with self._lock:
            if today not in self._services:
                self._services.clear()
                self._services[today] = services(self.guideline, today)
            return self._services[today]

    def service_for(self, hook: str) -> Service:
        """The service of a hook, or of the one that took its place; :class:`Refused` where no rule speaks at it."""
        name = served_as(hook)
        for service in self.services().values():
            if service.hook.name == name:
                return service
        raise NotFound("No service answers this hook.", member="hook")
