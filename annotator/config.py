"""What one running annotator is told when it starts."""

from __future__ import annotations

import getpass
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from index.settings import setting

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def default_author() -> str:
    """The name of the person logged in on this machine, or ``reader`` where there is none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "reader"


@dataclass(frozen=True)
class AnnotatorConfig:
    """Settings of one annotator; what is not given comes from the one table of settings.

    ``secret`` signs the session cookie and the proposals handed to pages. It is drawn anew for
    every run, so nothing signed by an earlier run is trusted. With ``accounts`` everybody signs
    in and ``author`` counts for nothing; without, who started the annotator may do everything;
    None: with accounts if the atlas has an owner.
    ``planted`` is the share of proposals planted as checks, unless the owners decided another.
    ``target`` is the precision that accepted sheets are to hold.
    ``adapt``: proposals are adapted to a data set in the background, anew after ``adapt_after``
    fresh labels of it.
    """

    atlas: Path
    author: str = field(default_factory=default_author)
    dataset: str | None = None
    host: str = field(default_factory=lambda: str(setting("host")))
    port: int = field(default_factory=lambda: int(setting("port")))
    page_size: int = field(default_factory=lambda: int(setting("page_size")))
    k: int = field(default_factory=lambda: int(setting("k")))
    seed: int = field(default_factory=lambda: int(setting("seed")))
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    accounts: bool | None = None
    planted: float = field(default_factory=lambda: float(setting("planted")))
    target: float = field(default_factory=lambda: float(setting("target")))
    adapt: bool = field(default_factory=lambda: bool(setting("adapt")))
    adapt_after: int = field(default_factory=lambda: int(setting("adapt_after")))
    largest_upload: int = 64 * 1024 * 1024

    @property
    def is_local(self) -> bool:
        """True when only this machine can reach the annotator."""
        return self.host in LOOPBACK or self.host.startswith("127.")
