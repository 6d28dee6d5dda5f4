"""A layer cut down to the rules that can match: what a session of durable-rules costs grows with the rules it holds."""

from collections import OrderedDict

from prodrome.rules.engine.matching import CompiledLayer, FactsByType, Value

FEW_RULES = 20
"""A layer of so many is always taken as a whole."""
OFTEN = 8
"""How often facts that the same rules may match have to come before a layer is made for them: to compile one costs as
much."""
MOST_NARROWED = 32
"""Layers made so; a compiled one takes about 0.5 MB."""
MOST_MET = 1000

_Asked = tuple[tuple[str, str], frozenset[Value]]
"""A field, by type and name, and the values that a condition asks it to have one of."""


class Narrowing:
    """Of one layer, those made for rules that may match again and again. One thread at a time uses it.

    Most rules cannot match for want of any fact of a type that they name, or of any with a value that they name.
    """

    def __init__(self) -> None:
        self._asked: dict[str, list[_Asked]] = {}  # by rule
        self._made: OrderedDict[frozenset[str], CompiledLayer] = OrderedDict()  # the one used longest ago first
        self._met: dict[frozenset[str], int] = {}

    def of(self, layer: CompiledLayer, facts: FactsByType) -> CompiledLayer:
        """The smallest layer there is that has every rule that may match these facts."""
        if len(layer.rules) <= FEW_RULES:
            return layer
        rules = self._possible(layer, facts)
        if rules in self._made:
            self._made.move_to_end(rules)
            return self._made[rules]
        met = self._met[rules] = self._met.get(rules, 0) + 1
        if met > OFTEN:
            del self._met[rules]
            return self._make(layer, rules)
        if len(self._met) > MOST_MET:
            self._met.clear()
        wider = [made for made in self._made if rules <= made]
        return self._made[min(wider, key=len)] if wider else layer

    def _possible(self, layer: CompiledLayer, facts: FactsByType) -> frozenset[str]:
        """The rules (ids) of which each test for a value is passed by some fact, whichever."""
        if not self._asked:
            self._asked = {
                rule_id: [((one.fact, name), values) for one in when for name, values in one.wanted()]
                for rule_id, when in layer.rules
            }
        there: dict[tuple[str, str], set[Value | None]] = {}
        found: list[str] = []
        for rule_id, _ in layer.possible(facts):
            for key, values in self._asked[rule_id]:
                known = there.get(key)
                if known is None:
                    known = there[key] = {fact.fields.get(key[1]) for fact in facts[key[0]]}
                if known.isdisjoint(values):
                    break
            else:
                found.append(rule_id)
        return frozenset(found)

    def _make(self, layer: CompiledLayer, rules: frozenset[str]) -> CompiledLayer:
        kept = tuple([rule for rule in layer.rules if rule[0] in rules])
        made = self._made[rules] = CompiledLayer(layer.name, kept, layer.layers)
        if len(self._made) > MOST_NARROWED:
            self._made.popitem(last=False)
        return made
