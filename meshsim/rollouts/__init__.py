"""The Argo Rollouts canary controller as a pure reconcile on plain values.

    state = state_of(rollout, docs, version="1.9", gatewayapi_version="0.15")
    state = deploy(state)                       # applied and settled; `observe(state)` if it has a status
    state = hold(state, index)                  # a probe; `probe_steps(rollout)` gives ((weight, index), …)
    state = commands.promote(state)             # set_image promote abort retry pause resume undo scale give_result
    state, history = advance(state, to, pod_ready=10, pod_terminate=0)
    next_due(state), at_rest(state), shown(state)

A `State` is immutable: `rollout` (no status), `status` (Argo's words, times in seconds), `sets` (ReplicaSet: name,
hash, revision, replicas, created, available, pods, deadline, template, labels, order), `objects` {ObjectKey: doc},
`writes` (Write: key, path, value, at, by), `error` (RolloutError: message, reason, hint, cannot_execute), `notes`,
`now`, `woken`; properties `stable`, `current`, `template`, `template_hash`, `docs()`, `object(kind, name)`.
What another controller or a fault changes goes in with `dataclasses.replace(state, …).wake()`.

`advance` returns (state, [Entry(t, n, kind, state, edits, note)]): kind `sync` with n counting the syncs of instant t
from 1, or `pods` for pods that changed after sync n. `reconcile(state)` is one sync.

On plain values alone: `template_hash`, `desired_counts`, `at_desired`, `weight_at`, `services_at`, `write_httproute`,
`write_virtualservice`, `write_destinationrule`. `check(rollout, docs)` says why it could not execute (MS404),
`not_modelled(rollout)` what is left out.
"""

from typing import TYPE_CHECKING, Any

from meshsim.rollouts import commands
from meshsim.rollouts.advance import Entry, advance, run_to_rest
from meshsim.rollouts.due import at_rest, next_due
from meshsim.rollouts.errors import RolloutError
from meshsim.rollouts.gatewayapi import write_httproute
from meshsim.rollouts.istio import write_destinationrule, write_virtualservice
from meshsim.rollouts.phase import Shown, shown
from meshsim.rollouts.reconcile import Sync, reconcile
from meshsim.rollouts.replicaset import Pod, ReplicaSet, replica_set
from meshsim.rollouts.settle import deploy, hold, next_revision, observe, settled
from meshsim.rollouts.state import State, Write, state_of
from meshsim.rollouts.steps import probe_steps
from meshsim.rollouts.template_hash import template_hash
from meshsim.rollouts.validate import check, not_modelled

if TYPE_CHECKING:
    from meshsim.rollouts.formulas import at_desired, desired_counts, services_at, weight_at

__all__ = [
    "Entry",
    "Pod",
    "ReplicaSet",
    "RolloutError",
    "Shown",
    "State",
    "Sync",
    "Write",
    "advance",
    "at_desired",
    "at_rest",
    "check",
    "commands",
    "deploy",
    "desired_counts",
    "hold",
    "next_due",
    "next_revision",
    "not_modelled",
    "observe",
    "probe_steps",
    "reconcile",
    "replica_set",
    "run_to_rest",
    "services_at",
    "settled",
    "shown",
    "state_of",
    "template_hash",
    "weight_at",
    "write_destinationrule",
    "write_httproute",
    "write_virtualservice",
]


def __getattr__(name: str) -> Any:
    """The formulas on plain values: a run of the controller needs none of them, so they load when asked for."""
    if name in {"at_desired", "desired_counts", "services_at", "weight_at"}:
        from meshsim.rollouts import formulas

        return getattr(formulas, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
