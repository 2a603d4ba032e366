"""From connections to verdicts: outcome, cause, certainty and findings, computed over columns."""
