"""Skipped cells come after all others, also once the annotator was stopped and started again."""

from __future__ import annotations


def ids(browser, count: int = 12) -> list[int]:
    queue = browser.client.application.extensions["desk"].reader("ann").queue
    return queue.upcoming(count)


def test_what_was_skipped_stays_behind_after_a_restart(make_app, drawn, browse_as) -> None:
    first = browse_as(make_app(drawn, dataset="new").test_client())
    skipped = []
    for _ in range(2):
        cell = first.next()["id"]
        first.post(f"/api/v1/cells/{cell}/skip")
        skipped.append(cell)
    first.client.application.extensions["desk"].close()
    again = browse_as(make_app(drawn, dataset="new").test_client())
    assert ids(again)[-2:] == skipped
    assert again.get("/api/v1/next").json["progress"]["skipped"] == 2
    again.label(skipped[0], "neutrophil")
    assert ids(again)[-1] == skipped[1]


def test_undo_of_a_skip_is_kept_too(make_app, drawn, browse_as) -> None:
    first = browse_as(make_app(drawn, dataset="new").test_client())
    cell = first.next()["id"]
    first.post(f"/api/v1/cells/{cell}/skip")
    first.post("/api/v1/undo")
    first.client.application.extensions["desk"].close()
    again = browse_as(make_app(drawn, dataset="new").test_client())
    assert again.get("/api/v1/next").json["progress"]["skipped"] == 0


def test_a_skipped_cell_of_another_data_set_or_labelled_meanwhile_is_gone(
    make_app, drawn, browse_as
) -> None:
    from index import Atlas, NewLabel
    from index.reviewing import skip

    with Atlas.open(drawn) as atlas:
        for cell in (1, 25, 26):  # 1 is of data set lab and labelled
            skip(atlas, "ann", cell)
        atlas.add_labels([NewLabel(26, "neutrophil", "bob", "single")])
    again = browse_as(make_app(drawn, dataset="new").test_client())
    assert again.get("/api/v1/next").json["progress"]["skipped"] == 1
