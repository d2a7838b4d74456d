"""The audit log: everything that people did, in order, under the name of who did it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from annotator import team as team_of_people
from annotator.work import assign_work
from index import CellFilter
from index.reviewing import VERDICTS

MARKED = "basophil"


def desk_of(app):
    return app.extensions["desk"]


def new_cells(app) -> list[int]:
    return [int(cell) for cell in desk_of(app).whole.cell_ids(CellFilter(datasets=("new",)))]


def test_who_takes_in_labels_under_other_names_stands_in_the_audit_log(team, member) -> None:
    olga, vera = member(team, "olga", "owner"), member(team, "vera", "reviewer")
    first, second = new_cells(team)[:2]

    def take(preview: str) -> None:
        table = f"cell,class,author\n{first},{MARKED},olga\n{second},{MARKED},otto\n"
        fields = {"preview": preview, "csrf_token": vera.token()}
        fields["file"] = (io.BytesIO(table.encode()), "sent.csv")
        answer = vera.client.post("/api/v1/import/labels", data=fields)
        assert answer.status_code in (200, 201)

    for preview in ("yes", "no", "no"):  # the second time nothing is new, and nothing is written
        take(preview)
    lines = [json.loads(line) for line in olga.get("/people/audit.jsonl").splitlines()]
    given = [each for each in lines if each["detail"].get("source") == "sent.csv" and each["cell"]]
    labels = [each["detail"]["label"] for each in given]
    (told,) = [each for each in lines if each["action"] == "import labels"]
    assert told["author"] == "vera"
    span = {"from": min(labels), "to": max(labels)}
    assert told["detail"] == {"source": "sent.csv", "labels": 2, **span}
    assert "took in labels" in olga.client.get("/people").text
    spanish = olga.client.get("/people", headers={"Accept-Language": "es"}).text
    assert "importó etiquetas" in spanish
    assert not re.search(r"<td>(sign|took|review)", spanish)


def test_every_action_of_the_log_has_words_on_the_page() -> None:
    """By the calls that write it: those that name what was done, and the verdicts of a review."""
    root = Path(team_of_people.__file__).parents[1]
    sources = [
        file.read_text() for name in ("index", "annotator") for file in (root / name).rglob("*.py")
    ]
    written = re.compile(
        r'\b(?:record|note)\(\s*[\w.]+,\s*[^,()]+(?:\([^()]*\))?[^,()]*,\s*"([^"]+)"'
    )
    found = {action for text in sources for action in written.findall(text)}
    assert {"sign in", "import labels", "known answers"} <= found
    reviews = {f"review: {each}" for each in (*VERDICTS, "adjudicated", "reopened")}
    assert found | reviews | {"policy", "flag", "unflag", "failed sign in"} <= set(
        team_of_people.DONE
    )


def test_the_audit_log_tells_everything_in_order(team, member) -> None:
    olga = member(team, "olga", "owner")
    anna = member(team, "anna")
    assign_work(desk_of(team).whole, {"dataset": "new"}, ["anna"], overlap=0, author="olga")
    cell = anna.get("/next")["cell"]
    anna.label(cell["id"], "platelet", proposal=cell["proposal"]["token"], seconds=2.5)
    anna.send("POST", "/undo")
    olga.send("PUT", "/people/policy", {"show": "never"})
    olga.send("PUT", "/people/anna/role", {"role": "reviewer"})
    lines = [json.loads(line) for line in olga.get("/people/audit.jsonl").splitlines()]
    ours = [each for each in lines if each["action"] not in ("label",) or each["author"] == "anna"]
    kinds = [each["action"] for each in ours]
    assert kinds == ["sign in", "sign in", "assign", "label", "undo", "policy", "role"]
    label = ours[3]
    assert label["cell"] == cell["id"]
    assert label["detail"]["seconds"] == 2.5
    assert label["detail"]["shown"] == "with_proposal"
    assert lines == sorted(lines, key=lambda each: each["time"])
    rows = olga.get("/people/audit.csv").splitlines()
    assert rows[0] == "time,author,action,cell,detail"
    assert len(rows) == 1 + len(lines)
    connection = desk_of(team).whole.database.connect()
    with pytest.raises(Exception, match="append-only"):
        connection.execute("DELETE FROM events")
    connection.close()
