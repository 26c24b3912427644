"""Questions asked of traces: what a call comes to, what was expected, what would repair it."""
