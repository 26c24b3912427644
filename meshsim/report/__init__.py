"""What people and programs get to see: an answer or an explanation, printed.

`view` turns values of the model into neutral words for people; `terminal` and `markdown` lay them out; `data` is the
answer as JSON or YAML; `formats` is the registry of all of them.
"""
