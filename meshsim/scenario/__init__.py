"""The scenario file: its schema, and loading it with the manifests that it names into a Mesh."""
