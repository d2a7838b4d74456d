"""FAISS as an untyped engine: its own type stubs describe its C++ and not its Python side."""

from __future__ import annotations

from typing import Any

import faiss as _faiss

faiss: Any = _faiss
