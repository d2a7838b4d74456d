"""Serve the annotator on waitress, a WSGI server made for production."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import Any

from flask import Flask

from annotator.accounts import invite_first
from annotator.app import create_app
from annotator.config import AnnotatorConfig
from annotator.problems import AddressError, PortInUseError

THREADS = 8

# (the address pages are at, warning or None, whether everybody signs in)
Announce = Callable[[str, str | None, bool], None]


def warning_for(config: AnnotatorConfig) -> str | None:
    """What to say when others than this machine can reach the annotator."""
    if config.is_local:
        return None
    listens = f"the annotator listens on {config.host}: whoever reaches this machine can"
    if config.accounts:
        return (
            f"{listens} try to sign in; there is no encryption, so outside a network that you "
            "trust put a server with TLS before it"
        )
    return (
        f"{listens} see the cells and label them as {config.author}; there is no login and no "
        "encryption, --accounts makes everybody sign in"
    )


def address_of(host: str, port: int) -> str:
    """The address to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
    if ":" in shown and not shown.startswith("["):
        shown = f"[{shown}]"
    return f"http://{shown}:{port}/"


def make_server(config: AnnotatorConfig, app: Flask) -> tuple[Any, str]:
    """A bound server, not yet running, and its address; the port is free if ``config.port`` is 0.

    Raises PortInUseError, AddressError.
    """
    from waitress.server import create_server

    try:
        server = create_server(
            app,
            host=config.host,
            port=config.port,
            threads=THREADS,
            ident=None,
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise _cannot_bind(config, error) from error
    except ValueError as error:
        raise _bad_address(config, str(error)) from error
    port = getattr(server, "effective_port", None) or server.effective_listen[0][1]
    return server, address_of(config.host, int(port))


def check_free(config: AnnotatorConfig) -> None:
    """Try the address before the atlas is opened, so that its errors come at once.

    Raises PortInUseError, AddressError.
    """
    try:
        family, kind, _, _, where = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise _bad_address(config, str(error)) from error
    with socket.socket(family, kind) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(where)
            trial.listen(1)
        except OSError as error:
            raise _cannot_bind(config, error) from error


def _cannot_bind(config: AnnotatorConfig, error: OSError) -> PortInUseError | AddressError:
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(
            f"port {config.port} of {config.host} is in use by another program",
            "give --port another number, or --port 0 for a free one",
        )
    if error.errno == errno.EACCES:
        return AddressError(
            f"port {config.port} of {config.host} may not be opened by this user",
            "give --port a number from 1024, or 0 for a free one",
        )
    return _bad_address(config, error.strerror or str(error))


def _bad_address(config: AnnotatorConfig, reason: str) -> AddressError:
    return AddressError(
        f"the annotator cannot listen on {config.host!r}: {reason}",
        "give --host an address of this machine, such as 127.0.0.1",
    )


def serve(
    config: AnnotatorConfig, announce: Announce, invite: Callable[[str], None] | None = None
) -> None:
    """Serve until interrupted; ``announce`` is told the address once it answers there.

    With accounts and without an owner yet, ``invite`` is told the address by which the first
    owner joins, and nothing more.
    """
    check_free(config)
    app = create_app(config)
    desk = app.extensions["desk"]
    try:
        server, address = make_server(config, app)
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        announce(address, warning_for(desk.config), bool(desk.config.accounts))
        if desk.config.accounts and invite is not None:
            path = invite_first(desk.whole, config.author)
            if path is not None:
                invite(address.rstrip("/") + path)
        try:
            server.run()
        finally:
            server.close()
    finally:
        desk.close()
