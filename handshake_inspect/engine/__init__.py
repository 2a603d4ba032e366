"""The one place that knows all stages: captures in, report out."""
