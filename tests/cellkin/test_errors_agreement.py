"""Rows of docs/errors.md about the agreement of readers."""

from __future__ import annotations

from pathlib import Path


def test_reader_who_shares_no_cell(refused, painted_atlas: Path) -> None:
    refused("agreement-reader-alone", "agreement", painted_atlas, "--reader", "nobody")


def test_agreement_of_an_unknown_dataset(refused, painted_atlas: Path) -> None:
    refused("agreement-dataset", "agreement", painted_atlas, "--dataset", "nothere")
