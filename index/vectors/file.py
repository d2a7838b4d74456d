"""The file that keeps a vector index between runs: a cache, never the truth.

Layout: MAGIC, the length and the checksum of the header (4 bytes each, little endian), the header
as JSON, and the index as FAISS writes it. The header says of which atlas state the index is, and
carries the checksum of what follows: a truncated or damaged file is seen before FAISS reads it.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from index.errors import IndexFileError
from index.files import writing_beside
from index.vectors import KINDS
from index.vectors.contract import Source, VectorIndex

MAGIC = b"CELLKIN VECTORS 1\n"


@dataclass(frozen=True)
class Mark:
    """How far an index has come: the last embedding row it holds, its stamp, and their number."""

    last_id: int = 0
    stamp: str = ""
    total: int = 0


def write_index(file: Path, index: VectorIndex, model_id: str, mark: Mark) -> None:
    """Write an index beside, then put it in place. Raises OSError."""
    payload = index.to_bytes()
    header = {
        "kind": index.kind,
        "dimension": index.dimension,
        "metric": index.metric.name,
        "model": model_id,
        **asdict(mark),
        "bytes": int(payload.nbytes),
        "crc32": zlib.crc32(payload.data),
    }
    text = json.dumps(header).encode()
    with writing_beside(file) as beside, beside.open("wb") as opened:
        opened.write(MAGIC + struct.pack("<II", len(text), zlib.crc32(text)) + text)
        opened.write(payload.data)


def read_index(
    file: Path, model_id: str, kind: str, source: Source | None = None
) -> tuple[VectorIndex, Mark]:
    """Read an index of one model and kind.

    Raises IndexFileError, with the name of the file, when it is missing, damaged or of another
    model, kind, dimension or metric.
    """
    try:
        header, payload = _parts(file.read_bytes())
        mark = Mark(int(header["last_id"]), str(header["stamp"]), int(header["total"]))
        told = (header["model"], header["kind"], header["metric"])
        wanted = KINDS[kind]
        if told != (model_id, kind, wanted.metric.name):
            raise _unusable(file, f"it is of {told}")
        index = wanted.from_bytes(payload, int(header["dimension"]), source)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, struct.error) as error:
        raise _unusable(file, str(error) or type(error).__name__) from error
    if index.count != mark.total:
        raise _unusable(file, f"it holds {index.count} vectors and tells of {mark.total}")
    return index, mark


def _parts(content: bytes) -> tuple[dict, np.ndarray]:
    if not content.startswith(MAGIC):
        raise ValueError("it does not begin as a vector index of CellKin")
    start = len(MAGIC) + 8
    length, checksum = struct.unpack_from("<II", content, len(MAGIC))
    text = content[start : start + length]
    if zlib.crc32(text) != checksum:
        raise ValueError("its header is truncated or damaged")
    header = json.loads(text)
    payload = np.frombuffer(content, dtype=np.uint8, offset=min(start + length, len(content)))
    if payload.nbytes != header["bytes"] or zlib.crc32(payload.data) != header["crc32"]:
        raise ValueError("it is truncated or damaged")
    return header, payload


def _unusable(file: Path, why: str) -> IndexFileError:
    return IndexFileError(
        f"vector index {file} cannot be used: {' '.join(why.split())[:200]}",
        "it is rebuilt from the database",
    )
