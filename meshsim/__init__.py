"""meshsim: is the canary split that Argo Rollouts manages applied for this client, or silently bypassed, and why?"""

__version__ = "0.1.0"
