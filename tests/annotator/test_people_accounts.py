"""Accounts: joining by invitation, signing in and out, roles, tokens, and nobody else."""

from __future__ import annotations

import pytest

from annotator import accounts
from annotator.accounts import MOST_NAME
from annotator.rooms import ROOMS
from index import NewLabel
from index import accounts as kept

GOOD = "a sentence of some words"


def invitation(app, role: str = "reader", name: str | None = None) -> str:
    return accounts.invite(app.extensions["desk"].whole, role, "olga", name)


def test_a_stranger_sees_the_sign_in_and_nothing_else(team, member) -> None:
    stranger = team.test_client()
    for room in ROOMS:
        answer = stranger.get(room.path)
        if room.path.startswith("/api/"):
            assert answer.status_code in (401, 404), room.path
        elif not room.path.startswith("/images"):
            assert answer.status_code == 303, room.path
            assert answer.location.startswith("/login"), room.path
    assert stranger.get("/images/1/x/thumb.webp").status_code == 303
    assert stranger.get("/api/v1/next").json["error"]["type"] == "not_signed_in"
    answer = stranger.post("/api/v1/cells/1/label", json={"class": "neutrophil"})
    assert answer.status_code == 401
    page = stranger.get("/cells?class=neutrophil", follow_redirects=True)
    assert 'value="/cells?class=neutrophil"' in page.text
    assert "Labelling as" not in page.text


def test_the_first_owner_joins_by_the_link_and_invites_a_reader(team, member) -> None:
    whole = team.extensions["desk"].whole
    path = accounts.invite_first(whole, "root")
    owner = member(team)
    assert "Join" in owner.client.get(path).text
    fields = {"name": "olga", "full_name": "Olga", "password": GOOD, "again": GOOD}
    assert owner.form(path, **fields).status_code == 303
    assert owner.get("/account") | {"vigilance": None} == {
        "name": "olga", "role": "owner", "account": True, "vigilance": None,
    }  # fmt: skip
    assert accounts.invite_first(whole, "root") is None
    assert owner.client.get(path).status_code == 410
    shown = owner.form("/people/invite", role="reader").text
    link = shown.split('<code class="secret">')[1].split("</code>")[0]
    assert link.startswith("http://localhost/join/")
    reader = member(team)
    answer = reader.form(link.removeprefix("http://localhost"), **{**fields, "name": "rita"})
    assert answer.status_code == 303
    assert reader.get("/account")["role"] == "reader"
    assert reader.get("/session")["author"] == "rita"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"again": "another"}, "two passwords differ"),
        ({"password": "short", "again": "short"}, "5 letters"),
        ({"name": " "}, "printable letters"),
        ({"name": "a\u202eb"}, "printable letters"),
        ({"name": "RITA"}, "is taken"),
    ],
)
def test_a_bad_name_or_password_is_refused(team, member, fields, words) -> None:
    member(team, "rita")
    path = invitation(team)
    given = {"name": "otto", "password": GOOD, "again": GOOD, **fields}
    answer = member(team).form(path, **given)
    assert answer.status_code == 400
    assert words in answer.text
    assert team.extensions["desk"].whole.users()[-1].name == "rita"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"again": "another"}, "Las dos contraseñas son distintas."),
        ({"password": "short", "again": "short"}, "La contraseña tiene 5 letras"),
        ({"name": " "}, "Elija el nombre que llevarán sus etiquetas."),
        ({"name": "RITA"}, "ya está en uso."),
    ],
)
def test_what_is_wrong_at_the_door_is_said_in_the_readers_language(
    team, member, fields, words
) -> None:
    member(team, "rita")
    guest = member(team)
    guest.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "es"
    answer = guest.form("/login", name="rita", password="wrong")
    assert "El nombre y la contraseña no se corresponden" in answer.text
    assert "belong together" not in answer.text
    given = {"name": "otto", "password": GOOD, "again": GOOD, **fields}
    assert words in guest.form(invitation(team), **given).text


@pytest.mark.parametrize("name", ["Ñandú", "ñandú", "ÑANDÚ", "STRASSE"])
def test_names_in_any_script_that_differ_in_case_alone_are_one(team, member, name) -> None:
    member(team, "Ñandú")
    member(team, "Straße")
    answer = member(team).form(invitation(team), name=name, password=GOOD, again=GOOD)
    assert answer.status_code == 400
    assert "is taken" in answer.text


def test_an_invitation_counts_once_and_not_for_ever(team, member, monkeypatch) -> None:
    whole = team.extensions["desk"].whole
    path = invitation(team)
    secret = path.removeprefix("/join/")
    monkeypatch.setattr("index.accounts.time.time", lambda: 2e9)
    assert kept.invitation(whole, secret) is None
    monkeypatch.undo()
    assert kept.invitation(whole, secret) is not None
    accounts.join(whole, secret, "otto", "", GOOD)
    with pytest.raises(Exception, match="unknown, used up or out of date"):
        accounts.join(whole, secret, "anna", "", GOOD)


def test_who_may_invite_no_more_does_not_come_back_by_an_old_invitation(team, member) -> None:
    olga, oscar = member(team, "olga", "owner"), member(team, "oscar", "owner")
    path = oscar.send("POST", "/people/invitations", {"role": "owner"}, 201)["path"]
    hers = olga.send("POST", "/people/invitations", {"role": "reader"}, 201)["path"]
    olga.send("PUT", "/people/oscar/role", {"role": "reader"})
    given = {"name": "oscar again", "password": GOOD, "again": GOOD}
    assert member(team).form(path, **given).status_code == 410
    assert member(team).form(hers, **given).status_code == 303


def test_a_closed_account_gets_no_link_to_a_new_password(team, member) -> None:
    olga = member(team, "olga", "owner")
    member(team, "rita")
    path = olga.send("POST", "/people/invitations", {"name": "rita"}, 201)["path"]
    olga.send("PUT", "/people/rita/role", {"role": "closed"})
    assert member(team).form(path, password=GOOD, again=GOOD).status_code == 410
    error = olga.send("POST", "/people/invitations", {"name": "rita"}, 409)["error"]
    assert error["message"] == "the account 'rita' is closed"
    olga.send("PUT", "/people/rita/role", {"role": "reader"})
    path = olga.send("POST", "/people/invitations", {"name": "rita"}, 201)["path"]
    assert member(team).form(path, password=GOOD, again=GOOD).status_code == 303


def test_signing_out_ends_the_session_on_the_server(team, member) -> None:
    rita = member(team, "rita")
    cookie = rita.client.get_cookie(f"{team.config['SESSION_COOKIE_NAME']}_account")
    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Strict"
    assert rita.form("/account/sign-out").status_code == 303
    thief = team.test_client()
    thief.set_cookie(cookie.key, cookie.value)
    assert thief.get("/api/v1/next").status_code == 401


def test_a_session_outlives_the_server(make_app, drawn, member) -> None:
    first = make_app(drawn, accounts=True)
    rita = member(first, "rita")
    cookie = rita.client.get_cookie(f"{first.config['SESSION_COOKIE_NAME']}_account")
    again = make_app(drawn, accounts=True).test_client()
    again.set_cookie(cookie.key, cookie.value)
    assert again.get("/api/v1/account").json["name"] == "rita"


def test_the_door_closes_after_too_many_attempts(team, member) -> None:
    member(team, "rita")
    guest = member(team)
    for _ in range(MOST_NAME):
        answer = guest.form("/login", name="Rita", password="wrong")
        assert answer.status_code == 401
        assert "do not belong together" in answer.text
    answer = guest.form("/login", name="rita", password="correct horse battery")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 60
    member(team, "otto")  # others are not shut out
    actions = [event["action"] for event in team.extensions["desk"].whole.events()]
    assert actions.count("failed sign in") == MOST_NAME


def test_a_sign_in_that_succeeds_forgets_the_failures(team, member) -> None:
    member(team, "rita")
    guest = member(team)
    for _ in range(3):
        for _ in range(MOST_NAME - 1):
            guest.form("/login", name="rita", password="wrong")
        answer = guest.form("/login", name="rita", password="correct horse battery")
        assert answer.status_code == 303
        guest = member(team)


@pytest.mark.parametrize(
    "wanted", ["//evil.example/x", "https://evil.example/x", "\\\\evil.example"]
)
def test_signing_in_never_leads_to_another_host(team, member, wanted) -> None:
    member(team, "rita")
    guest = member(team)
    answer = guest.form("/login", name="rita", password="correct horse battery", next=wanted)
    assert answer.status_code == 303
    assert answer.location.startswith("/")
    assert not answer.location.startswith("//")


def test_roles_reach_as_far_as_they_should(team, member) -> None:
    reader = member(team, "rita")
    reviewer = member(team, "vera", "reviewer")
    owner = member(team, "olga", "owner")
    closed = {"/people", "/exchange", "/review"}
    assert {room.path for room in ROOMS if room.nav and "reader" not in room.roles} == closed
    for path, allowed in (
        ("/people", (owner,)),
        ("/api/v1/people", (owner,)),
        ("/api/v1/people/audit.csv", (owner,)),
        ("/api/v1/people/audit.jsonl", (owner,)),
        ("/exchange", (owner, reviewer)),
        ("/api/v1/export/labels.csv", (owner, reviewer)),
        ("/api/v1/export/history.csv", (owner, reviewer)),
        ("/review", (owner, reviewer)),
        ("/account", (owner, reviewer, reader)),
    ):
        for one in (reader, reviewer, owner):
            status = one.client.get(path).status_code
            assert status == (200 if one in allowed else 403), (path, one.name)
    assert 'href="/people"' not in reader.client.get("/account").text
    answer = reader.client.post("/people/policy", data={"csrf_token": reader.token()})
    assert answer.status_code == 403


def test_every_route_of_the_team_is_closed_to_readers(team, member) -> None:
    """Also those that are written later: by the rules of the routes, not by a list."""
    rita = member(team, "rita")
    for rule in team.url_map.iter_rules():
        path = rule.rule.replace("<int:number>", "1").replace("<name>", "x")
        if not path.startswith(("/people", "/api/v1/people", "/api/v1/export", "/api/v1/import")):
            continue
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            answer = rita.client.open(path, method=method, headers={"X-CSRF-Token": rita.token()})
            assert answer.status_code == 403, (method, path)


def test_an_account_that_is_closed_is_out_at_once(team, member) -> None:
    owner, rita = member(team, "olga", "owner"), member(team, "rita")
    token = kept.make_token(team.extensions["desk"].whole, "rita", "script")
    assert owner.form("/people/role", name="rita", role="closed").status_code == 303
    assert rita.client.get("/api/v1/next").status_code == 401
    bearer = {"Authorization": f"Bearer {token}"}
    assert team.test_client().get("/api/v1/next", headers=bearer).status_code == 401
    assert rita.form("/login", name="rita", password="correct horse battery").status_code == 401
    answer = owner.form("/people/role", name="olga", role="reader")
    assert answer.status_code == 409
    assert "only owner" in answer.text


def test_a_token_works_for_a_program_without_a_cookie(team, member) -> None:
    rita = member(team, "rita")
    page = rita.form("/account/tokens", title="<b>script</b>").text
    secret = page.split('<code class="secret">')[1].split("</code>")[0]
    assert "<b>script" not in page
    program = team.test_client()
    bearer = {"Authorization": f"Bearer {secret}"}
    cell = program.get("/api/v1/next", headers=bearer).json["cell"]["id"]
    answer = program.post(f"/api/v1/cells/{cell}/label", json={"class": "platelet"}, headers=bearer)
    assert answer.status_code == 201
    whole = team.extensions["desk"].whole
    assert whole.history(cell)[-1].author == "rita"
    stored = whole.database.connect()
    dump = "\n".join(stored.iterdump())
    stored.close()
    assert secret not in dump
    (token,) = kept.tokens_of(whole, "rita")
    assert rita.form(f"/account/tokens/{token.id}/revoke").status_code == 303
    assert program.get("/api/v1/next", headers=bearer).status_code == 401
    # a browser's session still needs the token of the page, whatever header is invented
    rita.client.set_cookie("x", "y")
    answer = rita.client.post(f"/api/v1/cells/{cell}/label", json={"class": "platelet"})
    assert answer.status_code == 403


def test_a_new_password_ends_the_other_sessions(team, member) -> None:
    here, there = member(team, "rita"), member(team, "rita")
    fields = {"old": "correct horse battery", "password": GOOD, "again": GOOD}
    assert here.form("/account/password", **{**fields, "old": "wrong"}).status_code == 401
    assert here.form("/account/password", **fields).status_code == 303
    assert here.get("/account")["name"] == "rita"
    there.get("/account", 401)
    path = invitation(team, name="rita")
    assert member(team).form(path, password="yet another one", again="yet another one")
    here.get("/account", 401)


def test_an_account_counts_what_its_reader_read_and_no_import(team, member) -> None:
    rita = member(team, "rita")
    whole = team.extensions["desk"].whole
    whole.add_labels([NewLabel(1, "neutrophil", "rita", "imported", source="old.csv")])

    def read() -> str:
        words = rita.client.get("/account").text.partition("Cells you have read</dt>")[2]
        return words.partition("<dd>")[2].partition("</dd>")[0]

    assert read() == "0"
    for _ in range(2):
        rita.label(rita.get("/next")["cell"]["id"], "platelet")
    assert read() == "2"
    rita.send("POST", "/undo")
    assert read() == "1"
    olga = member(team, "olga", "owner")
    shared = {"dataset": "new", "readers": ["rita"], "overlap": 0, "unit": "cell"}
    olga.send("POST", "/people/assignments", shared, 201)
    assert read() == "1 / 12"


def test_without_accounts_nobody_signs_in(app) -> None:
    client = app.test_client()
    assert client.get("/login").location == "/"
    assert client.get("/join/x").location == "/"
    page = client.get("/account").text
    assert "--accounts" in page
    assert client.get("/api/v1/account").json["account"] is False
    assert client.get("/people").status_code == 200


def test_accounts_are_on_where_the_atlas_has_an_owner(make_app, drawn) -> None:
    assert make_app(drawn).test_client().get("/").status_code == 200
    app = make_app(drawn, accounts=True)
    app.extensions["desk"].whole.put_user("olga", role="owner", password_hash="x")
    assert make_app(drawn).test_client().get("/").status_code == 303
    assert make_app(drawn, accounts=False).test_client().get("/").status_code == 200


def test_names_never_execute(team, member) -> None:
    owner = member(team, "olga", "owner")
    name = "<svg onload=alert(1)>"
    member(team, name)
    for path in ("/people", "/overview"):
        assert name not in owner.client.get(path).text
    assert "&lt;svg" in owner.client.get("/people").text
