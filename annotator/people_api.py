"""Routes of accounts, work and the audit log for programs, as docs/api.md tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from annotator import accounts, team
from annotator.api import body, desk, person
from annotator.desk import Desk
from annotator.policy import policy_of, write_policy
from index.work import all_assignments, end

people_api = Blueprint("people_api", __name__, url_prefix="/api/v1")


def _attention(name: str) -> dict[str, Any]:
    """How attentive a reader is: never which cells were checks."""
    return asdict(desk().checks.vigilance(name))


@people_api.get("/account")
def account() -> Response:
    """Who asks, and how attentive they are."""
    who = person()
    return jsonify(
        name=who.name, role=who.role, account=who.account, vigilance=_attention(who.name)
    )


@people_api.get("/people")
def members() -> Response:
    """The accounts with their work and attention."""
    return jsonify(people=[asdict(member) for member in team.members(desk())])


@people_api.post("/people/invitations")
def invite() -> tuple[Response, int]:
    """An invitation to an account with a role, or to a new password for account ``name``."""
    sent = body()
    role, name = str(sent.get("role") or "reader"), sent.get("name")
    path = accounts.invite(desk().whole, role, person().name, str(name) if name else None)
    return jsonify(path=path, role=role, name=name), 201


@people_api.put("/people/<name>/role")
def set_role(name: str) -> Response:
    """Another role for an account; "closed" ends it."""
    accounts.set_role(desk().whole, name, str(body().get("role")), person().name)
    return members()


@people_api.get("/people/assignments")
def assignments() -> Response:
    """Who reads what, and how far they are."""
    return jsonify(assignments=[asdict(each) for each in all_assignments(desk().whole)])


@people_api.post("/people/assignments")
def assign() -> tuple[Response, int]:
    """Share out work: dataset, patient, slide, readers, overlap (in percent), unit."""
    sent = body()
    number = team.assign(desk(), team.scope_of(sent), sent, person().name)
    return jsonify(assignment=number), 201


@people_api.delete("/people/assignments/<int:number>")
def end_assignment(number: int) -> Response:
    """Take back what is not read yet."""
    end(desk().whole, number, person().name)
    return assignments()


@people_api.get("/people/policy")
def policy() -> Response:
    """When proposals are shown, how many are planted, who sees what."""
    return jsonify({**asdict(desk().policy), "planted": desk().planted})


@people_api.put("/people/policy")
def set_policy() -> Response:
    """Another policy; what is left out becomes the default."""
    write_policy(desk().whole, policy_of(body()), person().name)
    return policy()


@people_api.put("/people/gold")
def set_gold() -> Response:
    """Draw known-answer cells: how many, from which data set. Which they are is not told."""
    sent = {name: str(value) for name, value in body().items() if value is not None}
    return jsonify(cells=team.choose_gold(desk(), sent, person().name))


@people_api.get("/people/audit.csv")
def audit_csv() -> Response:
    """The audit log as a table."""
    return _download(team.audit_csv, "text/csv", "csv")


@people_api.get("/people/audit.jsonl")
def audit_lines() -> Response:
    """The audit log, one JSON object a line."""
    return _download(team.audit_lines, "application/jsonl", "jsonl")


def _download(rows: Callable[[Desk], Iterator[str]], kind: str, ending: str) -> Response:
    name = f'attachment; filename="audit.{ending}"'
    return Response(rows(desk()), mimetype=kind, headers={"Content-Disposition": name})
