"""``cellkin taxonomy``: the tree of classes of an atlas, and how a class is added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cellkin.options import GivenPath, json_option, print_json
from cellkin.telling import tell

if TYPE_CHECKING:
    from index import Taxonomy
    from index.taxonomy import Node


@click.command()
@click.argument("atlas", type=GivenPath(), required=False)
@click.option("--add", "code", metavar="CODE", help="add a class with this code to ATLAS")
@click.option("--name", help="its name  [default: the code in words]")
@click.option("--parent", metavar="CLASS", help="the class it lies in; code, name or alias")
@click.option("--alias", "aliases", multiple=True, metavar="TEXT", help="another name for it")
@click.option("--author", metavar="NAME", help="who adds it  [default: the user logged in]")
@json_option
def command(
    atlas: str | None,
    code: str | None,
    name: str | None,
    parent: str | None,
    aliases: tuple[str, ...],
    author: str | None,
    as_json: bool,
) -> None:
    """Show the tree of classes of ATLAS, or, without ATLAS, the one a new atlas begins with.

    With --add, put a class into the atlas's tree: it can then be imported, chosen in the
    annotator and proposed.
    """
    from annotator.config import default_author
    from index import Atlas
    from index.taxonomy import shipped_taxonomy

    if code is None:
        if name or parent or aliases:
            raise click.UsageError("--name, --parent and --alias go with --add CODE")
        if atlas is None:
            tree = shipped_taxonomy()
        else:
            with Atlas.open(atlas) as opened:
                tree = opened.taxonomy
        show(tree, as_json)
        return
    if atlas is None:
        raise click.UsageError("--add needs the ATLAS to add to")
    if parent is None:
        raise click.UsageError("--add needs --parent CLASS, the class it lies in")
    with Atlas.open(atlas) as opened:
        node = opened.add_class(
            code,
            name or code.replace("_", " "),
            opened.taxonomy.resolve(parent).code,
            (author or "").strip() or default_author(),
            aliases=aliases,
        )
        tree = opened.taxonomy
        above = " › ".join(step.name for step in reversed(tree.ancestors(node.code)))
    if as_json:
        print_json(as_dict(node))
    else:
        tell(f"added {node.code} ({above} › {node.name})")


def as_dict(node: Node) -> dict[str, Any]:
    """A class as plain JSON values."""
    return {
        "code": node.code,
        "name": node.name,
        "parent": node.parent,
        "level": node.level,
        "short": node.short,
        "ontology": node.ontology,
        "aliases": list(node.aliases),
        "colour": node.colour,
        "key": node.key,
    }


def show(taxonomy: Taxonomy, as_json: bool) -> None:
    """Print the whole tree, each class below its parent."""
    if as_json:
        print_json([as_dict(node) for node in taxonomy.nodes.values()])
        return

    def branch(node: Node, depth: int) -> None:
        code = "  " * depth + node.code
        facts = [node.name, node.ontology or "", f"key {node.key}" if node.key else ""]
        tell(f"{code:36}{'  '.join(fact for fact in facts if fact)}")
        for child in taxonomy.children(node.code):
            branch(child, depth + 1)

    for node in taxonomy.nodes.values():
        if node.parent is None:
            branch(node, 0)
