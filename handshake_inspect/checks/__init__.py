"""Rules held against a report: what a build may depend on."""
