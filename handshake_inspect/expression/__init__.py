"""Filter expressions over connections (`-Y`): parsing, predicates, and reports limited to matching connections."""
