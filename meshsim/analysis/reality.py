"""What really answers: a late proxy may still send to a pod or a gateway that is gone."""

from dataclasses import replace
from typing import Final, final

from meshsim.analysis.situation import Situation
from meshsim.mesh.health import is_down
from meshsim.model.rule import rule
from meshsim.model.trace import Delivered, Failed, Step, Trace
from meshsim.simulation.deployment import Deployed

GONE: Final = rule(
    "propagation.gone",
    "The proxy has not yet heard that what it sends to is gone, so the connection fails.",
    "envoy response flag UF (upstream connection failure); ztunnel closes the connection",
)


@final
class Reality:
    """The pods and proxies that answer at instant `t`. A terminating pod answers until it is gone."""

    def __init__(self, now: Situation, deployed: Deployed, t: float) -> None:
        self._now = now
        self._down = deployed.mesh.down
        self._leaving = {
            f"{rollout[0]}//Pod/{rollout[1]}/{found.name}-{pod.number}"
            for rollout, state in deployed.states.items()
            for found in state.sets
            for pod in found.pods
            if pod.gone_at is not None and pod.gone_at > t
        }

    def correct(self, trace: Trace) -> Trace:
        """The trace with every way that ends at something gone as a failure."""
        return Trace(roots=tuple(self._step(step, l7=False) for step in trace.roots))

    def _step(self, step: Step, *, l7: bool) -> Step:
        l7 = l7 or step.l7
        if self._hop_gone(step.hop):
            return self._failed(step, f"{step.hop} is gone", l7=False)
        if isinstance(step.outcome, Delivered) and not self._answers(step.outcome.workload):
            return self._failed(step, f"{step.outcome.workload.rpartition('/')[2]} is gone", l7=l7)
        if not step.children:
            return step
        return replace(step, children=tuple(self._step(child, l7=l7) for child in step.children))

    def _failed(self, step: Step, message: str, *, l7: bool) -> Step:
        outcome = Failed(
            code="503" if l7 else "reset",
            flag="UF" if l7 else "ConnectionFailed",
            where=step.hop,
            message=f"{message}, and the proxy does not know it yet",
        )
        return replace(
            step,
            decision=outcome.message,
            rule=GONE,
            children=(),
            outcome=outcome,
            tags=step.tags | {"failed:MS402"},
            route=step.route,
        )

    def _hop_gone(self, hop: str) -> bool:
        kind, _, place = hop.partition(":")
        if kind not in {"waypoint", "eastwest", "gateway"}:
            return False
        cluster = place.split("/")[0]
        return bool(self._down & {hop, f"ingress:{place}" if kind == "gateway" else hop, f"cluster:{cluster}"})

    def _answers(self, uid: str) -> bool:
        pod = self._now.plane.registry.pod_by_uid.get(uid)
        if pod is not None:
            return pod.ready or not is_down(self._down, pod)
        return uid in self._leaving or "//Pod/" not in uid
