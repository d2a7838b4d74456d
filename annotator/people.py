"""The pages of the people: signing in, one's account, and for owners the team and its rules."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from annotator import accounts, team
from annotator.api import desk, person
from annotator.identity import SESSION_DAYS, cookie_name, remember
from annotator.language import gettext as _
from annotator.policy import SHOWS, policy_of, write_policy
from annotator.problems import BadRequestError, TooManyAttemptsError, WrongPasswordError
from annotator.rewording import reworded
from annotator.rooms import ROLES
from annotator.viewer import viewer
from annotator.work import UNITS
from index import accounts as kept
from index.errors import AccountError, CellKinError
from index.work import all_assignments, end, has_work, read_count

people = Blueprint("people", __name__)


@people.app_template_filter("said")
def said(name: str) -> str:
    """A role, a unit or a part of an atlas in the reader's language."""
    return _(team.SAID.get(name, name))


@people.app_template_filter("reworded")
def in_words(problem: CellKinError) -> tuple[str, str]:
    """Message and remedy of what went wrong, in the reader's language."""
    return reworded(problem)


@people.app_template_filter("done_as")
def done_as(action: str) -> str:
    """An action of the audit log in the reader's language; one that is not listed as it is."""
    return _(team.DONE[action]) if action in team.DONE else action


def to_people(anchor: str) -> BaseResponse:
    """Back to the page of the people, at the part that was changed."""
    return redirect(url_for("people.people_page", _anchor=anchor), 303)


def field(name: str) -> str:
    """A field of the form, stripped; empty where it is absent."""
    return request.form.get(name, "").strip()


# signing in ------------------------------------------------------------------------------------


def _home(wanted: str | None) -> str:
    """The path to go to after signing in; never one of another host."""
    back = urlsplit((wanted or "/").replace("\\", "/"))
    path = "/" + back.path.lstrip("/")
    return f"{path}?{back.query}" if back.query else path


@people.get("/login")
def login() -> str | BaseResponse:
    """The form to sign in; without accounts there is nothing to sign in to."""
    if not desk().config.accounts or viewer() is not None:
        return redirect("/", 303)
    return render_template("people_login.html", wanted=request.args.get("next", ""), problem=None)


@people.post("/login")
def sign_in() -> BaseResponse:
    """Name and password: a session, or the form again with what is wrong."""
    if not desk().config.accounts:
        return redirect("/", 303)
    wanted, name = request.form.get("next", ""), field("name")
    try:
        secret = accounts.sign_in(
            desk().whole,
            name,
            request.form.get("password", ""),
            request.remote_addr or "",
            SESSION_DAYS,
        )
    except (WrongPasswordError, TooManyAttemptsError) as error:
        page = render_template("people_login.html", wanted=wanted, problem=error, name=name)
        response = make_response(page, int(error.status))
        if isinstance(error, TooManyAttemptsError):
            response.headers["Retry-After"] = str(error.wait)
        return response
    session.clear()  # another person, another token for changes
    answer = redirect(_home(wanted), 303)
    remember(answer, secret)
    return answer


@people.post("/account/sign-out")
def sign_out() -> BaseResponse:
    """End the session of this browser."""
    if desk().config.accounts:
        kept.end_session(desk().whole, request.cookies.get(cookie_name(), ""))
        if viewer() is not None:
            team.leave(desk(), person().name)
    session.clear()
    answer = redirect("/", 303)
    answer.delete_cookie(cookie_name())
    return answer


@people.route("/join/<secret>", methods=["GET", "POST"])
def join(secret: str) -> str | BaseResponse | tuple[str, int]:
    """An invitation: choose a name and a password, once."""
    if not desk().config.accounts:
        return redirect("/", 303)
    found = kept.invitation(desk().whole, secret)
    if request.method == "GET" or found is None:
        status = 200 if found is not None else 410
        return render_template("people_join.html", invite=found, problem=None), status
    name, password = field("name") or found.name or "", request.form.get("password", "")
    try:
        if password != request.form.get("again", ""):
            raise BadRequestError(
                "the two passwords differ", "write the same password in both fields"
            )
        user = accounts.join(desk().whole, secret, name, field("full_name"), password)
    except (BadRequestError, AccountError) as error:
        page = render_template("people_join.html", invite=found, problem=error, name=name)
        return page, 400
    session.clear()
    answer = redirect("/", 303)
    remember(answer, kept.begin_session(desk().whole, user.name, SESSION_DAYS))
    return answer


# one's account ---------------------------------------------------------------------------------


def _account(**more: Any) -> str:
    who = person()
    return render_template(
        "people_account.html",
        who=who,
        vigilance=desk().checks.vigilance(who.name),
        # Of work shared out how much is done; of a pool, which is everybody's, what one has read.
        progress=desk().counts(None) if has_work(desk().whole, who.name) else None,
        read=read_count(desk().whole, who.name),
        tokens=kept.tokens_of(desk().whole, who.name) if who.account else [],
        accounts_on=desk().config.accounts,
        **more,
    )


@people.get("/account")
def account() -> str:
    """One's role, attention, password and tokens."""
    return _account()


@people.post("/account/password")
def change_password() -> BaseResponse | tuple[str, int]:
    """Another password; all sessions end but this one, which begins anew."""
    new = request.form.get("password", "")
    try:
        if new != request.form.get("again", ""):
            raise BadRequestError(
                "the two passwords differ", "write the same password in both fields"
            )
        accounts.change_password(desk().whole, person().name, request.form.get("old", ""), new)
    except (BadRequestError, WrongPasswordError) as error:
        return _account(problem=error), int(error.status)
    answer = redirect(url_for("people.account", changed="password"), 303)
    remember(answer, kept.begin_session(desk().whole, person().name, SESSION_DAYS))
    return answer


@people.post("/account/tokens")
def make_token() -> str:
    """A new token for a program, shown once."""
    title = field("title")[:80] or _("a program")
    return _account(made=kept.make_token(desk().whole, _own(), title))


@people.post("/account/tokens/<int:token_id>/revoke")
def revoke_token(token_id: int) -> BaseResponse:
    """End a token."""
    kept.revoke_token(desk().whole, _own(), token_id)
    return redirect(url_for("people.account", _anchor="tokens"), 303)


def _own() -> str:
    """The name of the account of who asks. Raises BadRequestError without accounts."""
    if not person().account:
        raise BadRequestError(
            "this annotator has no accounts", "start it with 'cellkin annotate ATLAS --accounts'"
        )
    return person().name


# the team --------------------------------------------------------------------------------------


def _people(**more: Any) -> str:
    whole = desk().whole
    return render_template(
        "people.html",
        accounts_on=desk().config.accounts,
        members=team.members(desk()),
        roles=ROLES,
        assignments=all_assignments(whole),
        scopes=team.scopes(desk()),
        units=UNITS,
        policy=desk().policy,
        planted=desk().planted,
        shows=SHOWS,
        golden=team.gold_counts(desk()),
        recent=team.recent(desk()),
        **more,
    )


@people.get("/people")
def people_page() -> str:
    """Accounts, work, policy, known answers, attention, and the audit log."""
    return _people()


@people.post("/people/invite")
def invite() -> str:
    """An invitation, shown once: to a new account, or to a new password for one."""
    name = field("name") or None
    role = field("role") or ROLES[0]
    path = accounts.invite(desk().whole, role, person().name, name)
    return _people(invitation=request.host_url.rstrip("/") + path, invited=name)


@people.post("/people/role")
def set_role() -> BaseResponse:
    """Another role for an account, or its end."""
    accounts.set_role(desk().whole, field("name"), field("role"), person().name)
    return to_people("accounts")


@people.post("/people/assign")
def assign() -> BaseResponse:
    """Share out the cells of a data set, patient or slide."""
    team.assign(desk(), team.scope_of(request.form), request.form, person().name)
    return to_people("work")


@people.post("/people/assignments/<int:number>/end")
def end_assignment(number: int) -> BaseResponse:
    """Take back what of an assignment is not read yet."""
    end(desk().whole, number, person().name)
    return to_people("work")


@people.post("/people/policy")
def set_policy() -> BaseResponse:
    """When proposals are shown, how many are planted, who sees what."""
    write_policy(desk().whole, policy_of(request.form), person().name)
    return to_people("policy")


@people.post("/people/gold")
def set_gold() -> BaseResponse:
    """Choose known-answer cells among the labelled ones, or none."""
    team.choose_gold(desk(), request.form, person().name)
    return to_people("gold")
