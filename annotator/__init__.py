"""The annotator: label new cells with the neighbours as evidence.

``create_app`` and ``AnnotatorConfig`` are found here; they are imported when asked for, so that
the logic (``annotator.queue``, ``annotator.proposals`` ...) can be used without Flask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annotator.app import create_app
    from annotator.config import AnnotatorConfig

__all__ = ["AnnotatorConfig", "create_app"]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from annotator.app import create_app

        return create_app
    if name == "AnnotatorConfig":
        from annotator.config import AnnotatorConfig

        return AnnotatorConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
