"""The films that a lab draws for itself."""

from __future__ import annotations

import json

from mini_rcnn.classroom import lab
from mini_rcnn.data.phantoms.phantom_folder import MANIFEST


def test_films_of_an_earlier_version_are_drawn_anew(tmp_path, monkeypatch):
    """Whoever brings the lab up to date has such a folder, and never chose it."""
    monkeypatch.setattr(lab, "ROOT", tmp_path)
    monkeypatch.setenv("MINI_RCNN_RSNA", "")
    first = lab.start_lab("01", films=2)
    manifest = tmp_path / "data" / "phantoms-lab-2" / MANIFEST
    before = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**before, "version": "an earlier one"}), encoding="utf-8")
    again = lab.start_lab("01", films=2)
    assert [record.id for record in again.records] == [record.id for record in first.records]
    assert json.loads(manifest.read_text(encoding="utf-8")) == before
