"""Reading Kubernetes manifests: values that remember file, line and column, and what was not read."""
