"""The Mesh: clusters with their objects, settings and links, immutable, and the pods that its workloads imply."""
