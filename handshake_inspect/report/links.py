"""Where the documentation explains a word of a report."""

VERDICTS = "docs/verdicts.md"


def explained_at(word: str) -> str:
    """Page and anchor that explain an outcome, a cause or a finding: each of these words has one section."""
    return f"{VERDICTS}#{word}"
