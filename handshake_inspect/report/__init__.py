"""The report: frozen models, their JSON Schema, and the code that builds them from tracker rows and verdicts."""
