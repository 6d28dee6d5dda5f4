"""A layer cut down to the rules that can match: what a session of durable-rules costs grows with the rules it holds."""

from collections import OrderedDict

from prodrome.rules.engine.matching import CompiledLayer, FactsByType

FEW_RULES = 20
"""A layer of so many is always taken as a whole."""
OFTEN = 8
"""How often facts of the same types have to come before a layer is made for them: to compile one costs as much."""
MOST_NARROWED = 16
"""Layers made so; a compiled one takes about 1 MB."""
MOST_MET = 1000


class Narrowing:
    """Of one layer, those made for types of facts that come again and again. One thread at a time uses it.

    Most rules cannot match for want of any fact of a type that they name.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[frozenset[str], CompiledLayer] = OrderedDict()  # the one used longest ago first
        self._met: dict[frozenset[str], int] = {}

    def of(self, layer: CompiledLayer, facts: FactsByType) -> CompiledLayer:
        """The layer as far as it can match facts of these types, or the whole of it."""
        if len(layer.rules) <= FEW_RULES:
            return layer
        types = frozenset(facts)
        made = self._made.get(types)
        if made is not None:
            self._made.move_to_end(types)
            return made
        met = self._met[types] = self._met.get(types, 0) + 1
        if met > OFTEN:
            del self._met[types]
            return self._make(layer, facts, types)
        if len(self._met) > MOST_MET:
            self._met.clear()
        return layer

    def _make(self, layer: CompiledLayer, facts: FactsByType, types: frozenset[str]) -> CompiledLayer:
        rules = tuple(layer.possible(facts))
        same = next((each for each in self._made.values() if each.rules == rules), None)
        made = self._made[types] = same or CompiledLayer(layer.name, rules, layer.layers)
        if len(self._made) > MOST_NARROWED:
            self._made.popitem(last=False)
        return made
