"""A rule, and a finding made from it."""

from dataclasses import dataclass

from slipway.gate.history import Node
from slipway.records.proof import Finding, Level


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a finding says.

    - name: two or three words for headings. effect: the sentence that a person reads first. remedy: the safe form, as code or a sentence.
    - optional: it is a matter of taste, and off in a project whose settings do not name it.
    """

    id: str
    name: str
    level: Level
    effect: str
    remedy: str
    optional: bool = False

    @classmethod
    def error(cls, identity: str, name: str, effect: str, remedy: str) -> "Rule":
        """A rule that fails the gate."""
        return cls(id=identity, name=name, level=Level.ERROR, effect=effect, remedy=remedy)

    @classmethod
    def advice(cls, identity: str, name: str, effect: str, remedy: str) -> "Rule":
        """A rule that is a matter of taste."""
        return cls(id=identity, name=name, level=Level.NOTE, effect=effect, remedy=remedy, optional=True)

    def finding(self, node: Node | None, measured: str, line: int | None = None, remedy: str | None = None) -> Finding:
        """A finding: the rule is broken by a revision, or by the history as a whole."""
        return Finding(
            rule=self.id,
            level=self.level,
            message=self.effect,
            revision=node.id if node else None,
            file=node.file if node else None,
            line=line or (node.upgrade_line if node else None),
            measured=measured,
            remedy=remedy or self.remedy,
            suppressed=node.old if node else None,
        )
