"""One table of settings for the command line, the annotator, the documentation and their tests.

A value is taken, in this order, from what the caller gives, from the environment variable
``CELLKIN_<NAME>``, and from the default below.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from index.errors import SettingError

Value = str | int | float | bool


@dataclass(frozen=True)
class Setting:
    """A named value with its default, its meaning and what it allows."""

    name: str
    default: Value
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"CELLKIN_{self.name.upper()}"

    def parse(self, given: Value) -> Value:
        """Turn what was given into a valid value of the default's type.

        Raises SettingError with the value received and the values allowed.
        """
        kind = type(self.default)
        try:
            if kind is bool and isinstance(given, str):
                value: Value = {"1": True, "true": True, "yes": True, "0": False, "false": False,
                                "no": False}[given.lower()]  # fmt: skip
            else:
                value = kind(given)
        except (ValueError, KeyError) as error:
            raise SettingError(
                f"{self.name} is {given!r}, allowed is {self.allowed}",
                f"give --{self.name.replace('_', '-')} or {self.variable} another value",
            ) from error
        inside = (self.minimum is None or float(value) >= self.minimum) and (
            self.maximum is None or float(value) <= self.maximum
        ) if kind in (int, float) else True  # fmt: skip
        if not inside or (self.choices and value not in self.choices):
            raise SettingError(
                f"{self.name} is {given!r}, allowed is {self.allowed}",
                f"give --{self.name.replace('_', '-')} or {self.variable} another value",
            )
        return value

    @property
    def allowed(self) -> str:
        """What the setting allows, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        kind = {int: "a whole number", float: "a number", bool: "yes or no", str: "text"}[
            type(self.default)
        ]
        if self.minimum is not None and self.maximum is not None:
            return f"{kind} from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"{kind} of at least {self.minimum:g}"
        return kind


_TABLE = (
    Setting("k", 15, "neighbours that vote on a cell", 1, 1000),
    Setting(
        "level", "class", "how deep answers go: class or subclass", choices=("class", "subclass")
    ),
    Setting(
        "vector_index",
        "auto",
        "vector index: auto, exact, hnsw or ivfpq",
        choices=("auto", "exact", "hnsw", "ivfpq"),
    ),
    Setting("batch_size", 16, "pictures in one pass of the network", 1, 4096),
    Setting("workers", 2, "threads or processes that read pictures", 0, 64),
    Setting("max_pixels", 50_000_000, "largest picture that is decoded, in pixels", 1),
    Setting("coverage", 0.95, "nominal coverage of a prediction set", 0.5, 0.999),
    Setting("seed", 0, "seed of everything random", 0),
    Setting("host", "127.0.0.1", "address the annotator binds to"),
    Setting("port", 8642, "port the annotator listens on; 0 takes a free one", 0, 65535),
    Setting("planted", 0.02, "share of proposals planted wrong to check attention", 0, 0.5),
    Setting("target", 0.99, "precision that accepted sheets are to hold", 0.5, 0.999),
    Setting("adapt", True, "the annotator adapts its proposals to a data set in the background"),
    Setting("adapt_after", 10, "fresh labels of a data set after which it is adapted to anew", 1),
    Setting("page_size", 60, "cells on one page of the annotator", 1, 500),
)

SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _TABLE}


def setting(name: str, given: Value | None = None) -> Value:
    """The value of setting ``name``: ``given``, else the environment's, else the default."""
    entry = SETTINGS[name]
    if given is not None:
        return entry.parse(given)
    return entry.parse(os.environ.get(entry.variable) or entry.default)
