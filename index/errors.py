"""The root of every error CellKin raises on purpose.

A library function raises a named subclass; the command line prints it as one line and the
annotator returns it as one JSON object. Each message says what was received and what is allowed;
``remedy`` says what to do next.
"""

from __future__ import annotations


class CellKinError(Exception):
    """A problem the user can act on.

    ``message`` states what was received and what is allowed, ``remedy`` what to do about it.
    Both are single sentences without a full stop at the end.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}; {remedy}" if remedy else message)


class SettingError(CellKinError):
    """A setting was given a value outside what it allows."""
