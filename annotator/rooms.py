"""The rooms of the annotator: its pages and APIs, in one list.

``create_app`` registers what stands in ROOMS and the navigation of every page is built from it. A
new page is a module with a blueprint, a line here, a test and a row in docs/annotator.md. Imports
neither torch nor Flask: blueprints are imported when an application is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from annotator.language import mark

READER, REVIEWER, OWNER = "reader", "reviewer", "owner"
ROLES = (READER, REVIEWER, OWNER)  # each may do what those before it may
EVERYONE = ROLES
REVIEWERS = (REVIEWER, OWNER)
OWNERS = (OWNER,)


@dataclass(frozen=True)
class Room:
    """One page or API.

    ``blueprint`` is ``module:attribute``; rooms may share one. ``path`` is where the page is, or
    where the routes of an API begin; with ``nav`` it is linked on every page, in the order of
    ``order``. Only ``roles`` may enter ``path`` and what lies below it.
    """

    name: str
    title: str
    blueprint: str
    path: str
    nav: bool = True
    roles: tuple[str, ...] = EVERYONE
    order: int = 0


_EXPLORE = "/api/v1/explore"

ROOMS: tuple[Room, ...] = (
    Room("label", mark("Label"), "annotator.pages:pages", "/", order=10),
    Room("sheets", mark("Sheets"), "annotator.sheets.views:sheets", "/sheets", order=20),
    Room("sheets_api", "Sheets", "annotator.sheets.views:sheets", "/api/v1/sheets", nav=False),
    Room("clusters", mark("Clusters"), "annotator.explore.pages:pages", "/clusters", order=30),
    Room("map", mark("Map"), "annotator.explore.pages:pages", "/map", order=34),
    Room("search", mark("Search"), "annotator.explore.pages:pages", "/search", order=38),
    Room("map_api", "Map", "annotator.explore.map_api:map_api", _EXPLORE, nav=False),
    Room("cluster_api", "Clusters", "annotator.explore.cluster_api:cluster_api", _EXPLORE, False),
    Room("search_api", "Search", "annotator.explore.search_api:search_api", _EXPLORE, False),
    Room(
        "review",
        mark("Review"),
        "annotator.review.views:review",
        "/review",
        roles=REVIEWERS,
        order=60,
    ),
    Room(
        "review_api",
        "Review",
        "annotator.review.views:review",
        "/api/v1/review",
        nav=False,
        roles=REVIEWERS,
    ),
    Room("seen", "Network's view", "annotator.focus.views:focus", "/focus/seen", nav=False),
    Room(
        "pixel_size",
        "Pixel size",
        "annotator.focus.views:focus",
        "/focus/pixel-size",
        nav=False,
        roles=REVIEWERS,
    ),
    Room("why_not", "Why not", "annotator.focus.views:focus", "/api/v1/focus", nav=False),
    Room("progress", mark("Progress"), "annotator.progress.views:progress", "/progress", order=70),
    Room(
        "progress_api",
        "Progress",
        "annotator.progress.views:progress",
        "/api/v1/progress",
        nav=False,
    ),
    Room("overview", mark("Overview"), "annotator.pages:pages", "/overview", order=80),
    Room("cells", mark("Cells"), "annotator.pages:pages", "/cells", order=82),
    Room("classes", mark("Classes"), "annotator.pages:pages", "/classes", order=84),
    Room(
        "exchange",
        mark("Import & export"),
        "annotator.pages:pages",
        "/exchange",
        roles=REVIEWERS,
        order=86,
    ),
    Room("people", mark("People"), "annotator.people:people", "/people", roles=OWNERS, order=90),
    Room("account", mark("Account"), "annotator.people:people", "/account", nav=False),
    Room("export", "Export", "annotator.exchange_api:exchange", "/api/v1/export", False, REVIEWERS),
    Room("import", "Import", "annotator.exchange_api:exchange", "/api/v1/import", False, REVIEWERS),
    Room(
        "people_api", "People", "annotator.people_api:people_api", "/api/v1/people", False, OWNERS
    ),
    Room("account_api", "Account", "annotator.people_api:people_api", "/api/v1/account", False),
    Room("adapting", "Adapting", "annotator.adapting.views:adapting", "/api/v1/adapting", False),
    Room(
        "adapt_now",
        "Adapt now",
        "annotator.adapting.views:adapting",
        "/api/v1/adapting/now",
        nav=False,
        roles=OWNERS,
    ),
    Room(
        "declare",
        "Classes declared",
        "annotator.adapting.views:adapting",
        "/api/v1/adapting/classes",
        nav=False,
        roles=OWNERS,
    ),
    Room("api", "API", "annotator.api:api", "/api/v1", nav=False),
    Room("images", "Pictures", "annotator.images:images", "/images", nav=False),
)


def blueprints(rooms: tuple[Room, ...] | None = None) -> list[Any]:
    """The blueprints of ``rooms`` (None: of all), each once, imported now."""
    names = dict.fromkeys(room.blueprint for room in (ROOMS if rooms is None else rooms))
    found = []
    for name in names:
        module, _, attribute = name.partition(":")
        found.append(getattr(import_module(module), attribute))
    return found


def inside(path: str, room: Room) -> bool:
    """True when ``path`` is the room's or lies below it; below ``/`` lies nothing."""
    return path == room.path or (room.path != "/" and path.startswith(f"{room.path}/"))


def room_at(path: str) -> Room | None:
    """The room of which ``path`` is a part: the one with the longest path, None without one."""
    found = [room for room in ROOMS if inside(path, room)]
    return max(found, key=lambda room: len(room.path), default=None)


def may_enter(role: str, path: str, blueprint: str | None) -> bool:
    """Whether ``role`` may go to ``path``, which the blueprint of that name answers.

    Both must allow it: the room that ``path`` is a part of, and one of the blueprint's rooms, so
    that an API of a room is as closed as its page.
    """
    here = room_at(path)
    if here is not None and role not in here.roles:
        return False
    own = [room for room in ROOMS if room.blueprint in _spelt(blueprint)]
    return not own or any(role in room.roles for room in own)


def _spelt(blueprint: str | None) -> set[str]:
    """The ``module:attribute`` of the rooms whose blueprint has that name."""
    return {room.blueprint for room in ROOMS if _name(room.blueprint) == blueprint}


@cache
def _name(spelt: str) -> str:
    module, _, attribute = spelt.partition(":")
    return str(getattr(import_module(module), attribute).name)


def navigation(role: str, path: str) -> list[tuple[Room, bool]]:
    """The rooms that ``role`` finds in the navigation, and whether ``path`` is in each."""
    here = room_at(path)
    shown = sorted((room for room in ROOMS if room.nav), key=lambda room: room.order)
    return [(room, room == here) for room in shown if role in room.roles]
