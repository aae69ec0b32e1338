"""Logs for a person or a machine, and metrics in Prometheus' form."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from responder.process_settings import Log

_CONTROL = {c: f"\\x{c:02x}" for c in (*range(32), 127, *range(128, 160))}


def _escaped(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """What attackers wrote must not move a terminal's cursor or forge a line."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = value.translate(_CONTROL)
    return event


def configure_logging(settings: Log) -> None:
    """One structured log on standard error."""
    colour = settings.form == "console" or (settings.form == "auto" and sys.stderr.isatty())
    level = getattr(logging, settings.level.upper())
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if colour else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _escaped,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s", force=True)
    # Temporal's loggers print failures in clear, with what a provider or an alert said in them.
    for name in ("temporalio.activity", "temporalio.worker", "temporalio.workflow"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class Metrics:
    """The metrics of one process; names follow Prometheus' practice, never with ids as labels."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._webhooks = Counter(
            "responder_webhook_requests",
            "Deliveries by source and outcome.",
            ("source", "outcome"),
            registry=self.registry,
        )
        self._ack = Histogram(
            "responder_webhook_ack_seconds",
            "From a delivery's first byte to its answer.",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1, 3),
        )
        self._gauges: dict[str, Gauge] = {}

    def webhook(self, source: str, outcome: str, seconds: float) -> None:
        """Count one delivery."""
        self._webhooks.labels(source, outcome).inc()
        self._ack.observe(seconds)

    def gauge(
        self, name: str, help_text: str, values: Mapping[tuple[tuple[str, str], ...], float]
    ) -> None:
        """Set a gauge to what was just counted; *values* are keyed by sorted label pairs."""
        labels = [key for key, _ in next(iter(values))] if values else []
        if name not in self._gauges:
            self._gauges[name] = Gauge(name, help_text, labels, registry=self.registry)
        gauge = self._gauges[name]
        if labels:
            gauge.clear()
        for pairs, value in values.items():
            (gauge.labels(**dict(pairs)) if pairs else gauge).set(value)

    def page(self) -> bytes:
        """Everything, in Prometheus' text form."""
        return generate_latest(self.registry)
