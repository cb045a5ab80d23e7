"""Lifecycle policies of ECR repositories [G]: which images expire, and when.

ECR evaluates a policy within 24 hours; here it is evaluated exactly every 24 hours after it was put. Images are not
archived.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from slipway.simulator.contract import AwsError

_PACE = timedelta(days=1)
_LISTS = ("tagPatternList", "tagPrefixList")
Images = Mapping[str, tuple[datetime, list[str]]]  # for each digest, the time of the push and the tags


@dataclass(frozen=True, kw_only=True)
class _Rule:
    priority: int
    status: str
    wildcards: tuple[str, ...]  # one of an image's tags must match each wildcard
    age: timedelta | None
    count: int

    def concerns(self, tags: list[str]) -> bool:
        if self.status != "tagged":
            return self.status == "any" or not tags
        return all(any(fnmatchcase(tag, wildcard) for tag in tags) for wildcard in self.wildcards)

    def expired(self, images: Images, now: datetime) -> Iterator[str]:
        """Yield the selected images that the rule deletes: all except the newest `count`, or those older than `age`."""
        newest = sorted(images, key=lambda digest: images[digest][0], reverse=True)
        for place, digest in enumerate(newest):
            if (now - images[digest][0] > self.age) if self.age else (place >= self.count):
                yield digest


class LifecyclePolicy:
    """A policy in JSON, and when it was put. Raise AwsError when ECR would refuse it."""

    def __init__(self, text: str, put: datetime) -> None:
        self.text = text
        self.evaluated = put
        try:
            self._rules = sorted(map(_rule, json.loads(text)["rules"]), key=lambda rule: rule.priority)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _invalid(str(error)) from error
        priorities = [rule.priority for rule in self._rules]
        if not priorities or len(set(priorities)) < len(priorities):
            raise _invalid("every rule needs a priority of its own")
        if any(rule.status == "any" for rule in self._rules[:-1]):
            raise _invalid("a rule for any tag status must have the highest priority")

    def due(self, images: Images, now: datetime) -> list[str]:
        """Return the digests that expire in the evaluations up to now."""
        days = (now - self.evaluated) // _PACE
        if days < 1:
            return []
        self.evaluated += days * _PACE
        return list(self._expired({digest: each for digest, each in images.items() if each[0] <= self.evaluated}))

    def _expired(self, images: Images) -> Iterator[str]:
        """Apply the rules by priority. The first rule that selects an image decides about it."""
        selected: set[str] = set()
        for rule in self._rules:
            own = {digest: each for digest, each in images.items() if rule.concerns(each[1])}
            yield from (digest for digest in rule.expired(own, self.evaluated) if digest not in selected)
            selected |= own.keys()


def _rule(document: Mapping[str, Any]) -> _Rule:
    selection = document["selection"]
    status, kind, number = selection["tagStatus"], selection["countType"], selection["countNumber"]
    lists = [name for name in _LISTS if selection.get(name)]
    if status not in ("tagged", "untagged", "any") or len(lists) != (status == "tagged"):
        raise ValueError(f"the tag status {status} with {' and '.join(lists) or 'no list of tags'}")
    if not isinstance(number, int) or number < 1 or document["action"]["type"] != "expire":
        raise ValueError(f"the count {number} with the action {document['action']['type']}")
    if kind not in ("imageCountMoreThan", "sinceImagePushed"):
        raise ValueError(f"the simulator does not count by {kind}")
    if (selection.get("countUnit") == "days") is not (kind == "sinceImagePushed"):
        raise ValueError(f"{kind} with the unit {selection.get('countUnit')}")
    suffix = "*" if lists == ["tagPrefixList"] else ""
    return _Rule(
        priority=int(document["rulePriority"]),
        status=status,
        wildcards=tuple(f"{each}{suffix}" for each in (selection[lists[0]] if lists else ())),
        age=timedelta(days=number) if kind == "sinceImagePushed" else None,
        count=number,
    )


def _invalid(why: str) -> AwsError:
    message = f"Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: '{why}'"  # †
    return AwsError("InvalidParameterException", message)
