"""Pictures given to search by: decoded, turned into a vector, and kept beside the atlas's cells."""

from __future__ import annotations

import io
import tempfile
import threading
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.problems import AnnotatorError
from index.errors import CellKinError
from index.exploring import Example, add_example

if TYPE_CHECKING:
    from annotator.desk import Desk
    from retrieval.model import Model

THUMBNAIL = 192
LARGEST = 20 * 1024 * 1024


class ExampleError(AnnotatorError):
    """What was given to search by is no picture that can be read."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Examples:
    """Turns pictures into examples with the active model, which is loaded at the first one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._model: tuple[str, Model] | None = None
        self._lock = threading.Lock()

    def add(self, author: str, data: bytes, title: str) -> Example:
        """Keep the picture in ``data`` (PNG, JPEG, TIFF, WebP) to search by.

        What it is, is found by decoding it, never by its name. Raises ExampleError, ModelError.
        """
        from PIL import Image

        from retrieval.reading.decode import decode
        from retrieval.reading.errors import ImageError

        if not data or len(data) > LARGEST:
            raise ExampleError(
                f"the file has {len(data):,} bytes, allowed are 1 to {LARGEST:,}",
                "give one picture of one cell",
            )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "picture"
            file.write_bytes(data)
            try:
                rgb = decode(file)
            except ImageError as error:
                reason = error.message.replace(str(file), "the file")
                raise ExampleError(reason, "give a JPEG, PNG or TIFF of one cell") from error
        from retrieval.embedding import embed_images

        model = self._loaded()
        with self._lock:
            [(_, vector)] = embed_images(model, [rgb], lambda given: given, workers=1)
        if isinstance(vector, CellKinError):
            raise ExampleError(vector.message, vector.remedy)
        small = Image.fromarray(rgb)
        small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        held = io.BytesIO()
        small.save(held, "WEBP", quality=88)
        return add_example(
            self._desk.atlas, model.id, vector, held.getvalue(), author, Path(title).name
        )

    def _loaded(self) -> Model:
        from retrieval.model import atlas_model

        with self._lock:
            active = self._desk.whole.active_model
            if active is None or self._model is None or self._model[0] != active:
                model = atlas_model(self._desk.whole)
                self._model = model.id, model
            return self._model[1]


def example_document(kept: Example) -> dict[str, Any]:
    """An example for pages and API."""
    return {
        "id": kept.id,
        "title": kept.title,
        "model": kept.model_id,
        "picture": f"/api/v1/explore/examples/{kept.id}/picture.webp",
    }
