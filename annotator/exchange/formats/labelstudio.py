"""Label Studio: ``tasks.json`` to import, ``label_config.xml`` of the project, ``images/``.

Pictures are named for Label Studio's local storage: serve the folder above the export as
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT. https://labelstud.io/guide/task_format
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import quoteattr

from annotator.exchange.job import Job
from annotator.exchange.reading import as_dict, read_json, row_of, the_file
from annotator.exchange.records import Exported

if TYPE_CHECKING:
    from annotator.exchange.formats import Rows

FILE = "tasks.json"
CONFIG = "label_config.xml"
_LOCAL = "/data/local-files/?d="


def write(job: Job) -> None:
    """Write pictures, one task a cell, and the configuration with the classes to choose."""
    tasks = [_task(job.name, each, path) for each, path in job.cells()]
    job.write_json(FILE, tasks)
    choices = "".join(f"    <Choice value={quoteattr(code)}/>\n" for code in job.classes)
    job.write_text(
        CONFIG,
        '<View>\n  <Image name="image" value="$image"/>\n'
        '  <Choices name="class" toName="image" choice="single" showInline="true">\n'
        f"{choices}  </Choices>\n</View>\n",
    )


def _task(folder: str, each: Exported, path: str) -> dict[str, Any]:
    task: dict[str, Any] = {
        "data": {"image": _LOCAL + quote(f"{folder}/{path}"), **each.provenance},
        "annotations": [
            {
                "result": [_choice(each.class_code)],
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": each.time,
            }
        ],
    }
    if each.proposed_class is not None:
        proposed = {"result": [_choice(each.proposed_class)], "model_version": each.model or ""}
        task["predictions"] = [{**proposed, "score": each.proposed_probability or 0.0}]
    return task


def _choice(code: str) -> dict[str, Any]:
    value = {"choices": [code]}
    return {"from_name": "class", "to_name": "image", "type": "choices", "value": value}


def read(path: Path) -> Rows:
    """One row a task: the last annotation that was not cancelled. Tasks without one are passed."""
    file = the_file(path, FILE)
    for number, task in enumerate(map(as_dict, read_json(file, list)), start=1):
        data = as_dict(task.get("data"))
        given = [as_dict(each) for each in task.get("annotations") or []]
        given = [each for each in given if not each.get("was_cancelled")]
        code = _chosen(given[-1]) if given else None
        by = as_dict(given[-1].get("completed_by")).get("email") if given else None
        told = {**data, "author": by or data.get("author")}
        yield number, row_of(told, code, _picture(file.parent, str(data.get("image", ""))))


def _chosen(annotation: dict[str, Any]) -> str | None:
    for each in map(as_dict, annotation.get("result") or []):
        choices = as_dict(each.get("value")).get("choices")
        if isinstance(choices, list) and len(choices) == 1:
            return str(choices[0])
    return None


def _picture(folder: Path, image: str) -> Path | None:
    """The picture beside the tasks, of the name that the address ends in, where there is one."""
    address = urlsplit(image)
    named = parse_qs(address.query).get("d", [address.path])[0]
    file = folder / "images" / Path(named).name
    return file if file.is_file() else None
