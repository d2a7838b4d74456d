"""What the owners of an atlas decided about proposals and independence, kept in the atlas.

Imports neither torch nor Flask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from annotator.language import mark
from annotator.problems import BadRequestError
from index.atlas import Atlas
from index.auditing import put_audited

DOCUMENT = "annotator.policy"

# When a reader sees what is proposed for a cell.
SHOWS: dict[str, str] = {
    "always": mark("Always: beside the cell from the start"),
    "after_own": mark("After the reader's own answer"),
    "never": mark("Never"),
    "random": mark("For a random share of the cells"),
}


@dataclass(frozen=True)
class Policy:
    """``show`` is a key of SHOWS and ``random_share`` (0 to 1) goes with "random". ``planted``
    is the share of proposals planted as checks, 0 to 0.5; None: as the annotator was started.
    ``strict``: in a team nobody sees another's label of a cell before their own, also where no
    work is assigned."""

    show: str = "always"
    random_share: float = 0.5
    planted: float | None = None
    strict: bool = True


def read_policy(atlas: Atlas) -> Policy:
    """The policy of an atlas; the default where nothing was decided."""
    kept = atlas.document(DOCUMENT) or {}
    known = {name: kept[name] for name in Policy.__dataclass_fields__ if name in kept}
    return Policy(**known)


def write_policy(atlas: Atlas, policy: Policy, author: str) -> None:
    """Keep a policy, recorded with its author in the audit log. Raises BadRequestError."""
    if policy.show not in SHOWS:
        raise BadRequestError(
            f"show is {policy.show!r}, allowed is one of {', '.join(SHOWS)}", "give one of these"
        )
    for name, value, most in (
        ("random_share", policy.random_share, 1.0),
        ("planted", policy.planted or 0.0, 0.5),
    ):
        if not 0 <= value <= most:
            raise BadRequestError(
                f"{name} is {value!r}, allowed is a number from 0 to {most:g}",
                f"give {name} such a number",
            )
    put_audited(atlas, DOCUMENT, asdict(policy), author, "policy")


def policy_of(given: Mapping[str, Any]) -> Policy:
    """The policy in the fields of a form or a JSON object. Raises BadRequestError."""
    planted = _number(given, "planted")
    share = _number(given, "random_share")
    return Policy(
        show=str(given.get("show") or "always"),
        random_share=0.5 if share is None else share,
        planted=planted,
        strict=_strict(given.get("strict", True)),
    )


def _strict(value: Any) -> bool:
    """Whether a pool is independent: true or false, or yes or no as the page sends it."""
    known = {"yes": True, "no": False}.get(value, value) if isinstance(value, str) else value
    if not isinstance(known, bool):
        raise BadRequestError(
            f"strict is {str(value)[:40]!r}, allowed is true or false", "give one of these"
        )
    return known


def _number(given: Mapping[str, Any], name: str) -> float | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise BadRequestError(
            f"{name} is {str(value)[:40]!r}, allowed is a number", f"give {name} as a number"
        ) from error


def is_shown(policy: Policy, reader: str, cell_id: int, answered: bool) -> bool:
    """Whether ``reader`` sees the proposal for a cell; ``answered``: has labelled it before.

    The random share is drawn from reader and cell, so that loading a page again changes nothing.
    """
    if policy.show == "after_own":
        return answered
    if policy.show == "random":
        drawn = hashlib.sha256(f"{reader}\0{cell_id}".encode()).digest()
        return int.from_bytes(drawn[:8]) / 2**64 < policy.random_share
    return policy.show == "always"
