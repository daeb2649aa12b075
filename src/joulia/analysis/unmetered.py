"""Why there are no joules, each reason once."""

from __future__ import annotations

from collections.abc import Sequence

from joulia.records.record import Record


def unmetered(records: Sequence[Record]) -> list[str]:
    """That valid cases have no joules, with every reason; of how many where others have some."""
    valid = [record for record in records if record.status == "valid"]
    without = [record for record in valid if record.energy is None]
    if not without:
        return []
    reasons = sorted({record.energy_reason for record in without if record.energy_reason})
    many = "" if len(without) == len(valid) else f" of {len(without)} of {len(valid)} cases"
    return [f"No joules{many}: {'; '.join(reasons) or 'no reason was kept'}"]
