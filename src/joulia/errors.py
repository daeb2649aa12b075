"""The two ways in which joulia says no."""


class JouliaError(Exception):
    """Bad input: one line that says what, where and what is allowed. The CLI exits with 2."""


class Unavailable(Exception):
    """Something that is not here: a runtime, a mode, a meter. Carries the reason and the remedy."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}; {remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy


class Unstable(Exception):
    """A simulation that left the numbers it can be trusted in: names field, place and step."""


def suggest(kind: str, given: str, allowed: list[str]) -> JouliaError:
    """The error for a name that does not exist, with the nearest one that does."""
    import difflib

    near = difflib.get_close_matches(given, allowed, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return JouliaError(f"unknown {kind} '{given}'{hint} Allowed: {', '.join(allowed) or 'none'}")
