"""Time: Rollouts, users' commands and faults move a Mesh from moment to moment."""
