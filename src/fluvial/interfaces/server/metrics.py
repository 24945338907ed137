"""What Prometheus reads at ``/metrics``."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Requests by route and status, their seconds, those in flight, and rows by model and question."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("fluvial_requests", "Requests.", ["route", "status"], registry=self.registry)
        self.seconds = Histogram("fluvial_request_seconds", "Seconds to an answer.", ["route"], registry=self.registry)
        self.in_flight = Gauge("fluvial_requests_in_flight", "Requests in flight.", registry=self.registry)
        self.rows = Counter("fluvial_rows", "Rows scored, judged or drawn.", ["model", "what"], registry=self.registry)

    def count(self, route: str, status: int, seconds: float) -> None:
        """One request more."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    @property
    def text(self) -> bytes:
        """In Prometheus' own format."""
        return generate_latest(self.registry)
