"""The report: frozen models, their JSON Schema, and building them from rows and verdicts."""
