"""kind clusters that a scenario is played on: what is created, in which order, and what takes it away again."""
