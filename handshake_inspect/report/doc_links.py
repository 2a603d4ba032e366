"""Where a word of a report is explained."""


def explained_by(word: str) -> str:
    """The command that explains an outcome, a cause or a finding."""
    return f"hsi help {word}"
