"""The atlas, and the proposals from it, as the present viewer may see them.

Imports neither torch nor Flask.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from annotator.adapting import Adapting
from annotator.policy import Policy
from annotator.proposals import Proposals
from annotator.viewer import Person
from index.atlas import Atlas
from index.seeing import Sight, seen, sight_of


@dataclass(frozen=True)
class View:
    """What one reader sees: the atlas less what is hidden, and proposals from what is left."""

    sight: Sight | None
    atlas: Atlas
    proposals: Proposals


class Sights:
    """The views of all readers of one atlas; safe for several threads.

    Readers from whom nothing is hidden share the whole atlas, so that an annotator for one pays
    nothing. A view is made anew when what is hidden changes by anything but a label.
    """

    def __init__(self, atlas: Atlas, *, k: int, adapting: Adapting | None = None) -> None:
        self.whole = View(None, atlas, Proposals(atlas, k=k, adapting=adapting))
        self._k, self._adapting = k, adapting
        self._views: dict[str, View] = {}
        self._checked: dict[tuple[str, bool], tuple[int, View]] = {}
        self._lock = threading.RLock()

    def of(self, person: Person | None, policy: Policy) -> View:
        """The view of ``person``; the whole for None."""
        if person is None:
            return self.whole
        atlas = self.whole.atlas
        version = atlas.database.version()
        key = (person.name, person.is_reader and policy.strict)
        with self._lock:
            known = self._checked.get(key)
            if known is not None and known[0] == version:
                return known[1]
            view = self._view(sight_of(atlas, person.name, team=key[1]))
            self._checked[key] = version, view
            return view

    def _view(self, sight: Sight) -> View:
        if sight.clear:
            return self.whole
        # Known answers alone are hidden from everyone alike: one view serves all.
        name = sight.reader if sight.assigned or sight.team else ""
        known = self._views.get(name)
        if known is not None and known.sight is not None and known.sight.mark == sight.mark:
            return known
        if known is not None:
            self._let_go(known.atlas)
        atlas = seen(self.whole.atlas, sight)
        view = View(sight, atlas, Proposals(atlas, k=self._k, adapting=self._adapting))
        self._views[name] = view
        return view

    def _let_go(self, atlas: Atlas) -> None:
        """Drop what is held of a view that another took the place of.

        Who reads from it still may: a connection in use is closed once it is given back.
        """
        if self._adapting is not None:
            self._adapting.forget(atlas)
        atlas.close()

    def close(self) -> None:
        """Close the views; the whole atlas stays open."""
        for view in self._views.values():
            view.atlas.close()
