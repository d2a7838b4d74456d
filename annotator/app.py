"""The application factory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

from annotator.config import AnnotatorConfig
from annotator.desk import Desk
from annotator.errors import handle_errors
from annotator.fields import LARGEST
from annotator.rooms import blueprints
from annotator.security import protect
from annotator.translating import translate
from index.atlas import Atlas

# Fields of a form beside the file are short; a part larger than this is refused.
LARGEST_FIELD = 1024 * 1024


class _Number(IntegerConverter):
    """The numbers in addresses: what no atlas can hold leads nowhere, rather than to an error."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=LARGEST)


def create_app(config: AnnotatorConfig, atlas: Atlas | None = None) -> Flask:
    """The annotator for one atlas, ready for a WSGI server.

    ``atlas`` may be given open; otherwise the one at ``config.atlas`` is opened and stays so for
    the life of the application (``app.extensions["desk"].close()`` closes it). Raises the errors
    of ``Atlas.open`` and UnknownDatasetError.
    """
    app = Flask("annotator")
    app.config.update(
        SECRET_KEY=config.secret,
        # Cookies are shared by all ports of a host: each atlas has its own.
        SESSION_COOKIE_NAME=f"cellkin_{_fingerprint(str(Path(config.atlas).resolve()))}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=config.largest_upload,
        MAX_FORM_MEMORY_SIZE=LARGEST_FIELD,
    )
    app.url_map.converters["int"] = _Number
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    desk = app.extensions["desk"] = Desk(config, atlas)
    handle_errors(app)
    protect(app, desk.config)
    translate(app)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    return app


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
