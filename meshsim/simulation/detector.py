"""Envoy's outlier detector for one cluster of one Envoy: streaks of errors, who is out, and until when."""

from collections.abc import Set as AbstractSet
from math import ceil, floor
from typing import final

from meshsim.simulation.traffic_ejection import cap
from meshsim.tables.envoy import Outlier


@final
class Detector:
    """Hosts by address; times in seconds. Errors are reported one by one, in their order.

    As Envoy does it (source/common/upstream/outlier_detection_impl.cc; the cap measured with Envoy 1.39.3): a streak
    that the cap keeps from ejecting begins anew; a sweep every `interval` brings back who has been out long enough;
    each further ejection is longer by `base`, and each sweep that finds a host in makes its next one shorter by that.
    """

    def __init__(self, settings: Outlier, phase: float) -> None:
        """`phase` is the moment of one of the sweeps."""
        self.settings = settings
        self._phase = phase
        self.out: dict[str, float] = {}
        """Who is out → the sweep that brings it back."""
        self._streaks: dict[str, int] = {}
        self._times: dict[str, int] = {}
        self._back: dict[str, float] = {}

    def most(self, hosts: int) -> int:
        """How many of so many hosts may be out at once."""
        return cap(hosts, self.settings.percent)

    def keep(self, hosts: AbstractSet[str], failing: AbstractSet[str]) -> tuple[str, ...]:
        """The hosts that the Envoy holds now: what is gone is forgotten, and an answer ends a streak. Who was out and
        is gone."""
        gone = tuple(sorted(host for host in self.out if host not in hosts))
        for known in (self.out, self._times, self._back):
            for host in [one for one in known if one not in hosts]:
                del known[host]
        self._streaks = {host: errors for host, errors in self._streaks.items() if host in failing}
        return gone

    def answered(self) -> None:
        """Every host answers: all streaks end."""
        self._streaks.clear()

    def full(self, hosts: int) -> bool:
        """Whether nobody else may be out, of so many hosts."""
        return len(self.out) >= self.most(hosts)

    def error(self, host: str, now: float) -> bool:
        """One more error of a host that is in, while another may go; whether it is out now."""
        errors = self._streaks.get(host, 0) + 1
        self._streaks[host] = errors % self.settings.consecutive
        if errors == self.settings.consecutive:
            self._eject(host, now)
        return errors == self.settings.consecutive

    def held_back(self, host: str, errors: int) -> None:
        """So many more errors of a host that is in, while nobody may go: each whole streak comes to nothing."""
        self._streaks[host] = (self._streaks.get(host, 0) + errors) % self.settings.consecutive

    def release(self, now: float) -> tuple[str, ...]:
        """Who comes back by now."""
        due = sorted(host for host, back in self.out.items() if back <= now)
        for host in due:
            self._back[host] = self.out.pop(host)
            self._streaks[host] = 0
        return tuple(due)

    def _eject(self, host: str, now: float) -> None:
        settings, times = self.settings, self._times.get(host, 0)
        if host in self._back:
            times = max(0, times - floor((now - self._back[host]) / settings.interval))
        if settings.base * times < settings.longest:
            times += 1
        self._times[host] = times
        due = now + min(settings.base * times, settings.longest)
        sweeps = ceil((due - self._phase) / settings.interval)
        self.out[host] = max(due, self._phase + sweeps * settings.interval)
