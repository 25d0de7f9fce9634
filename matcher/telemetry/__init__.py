"""Telemetry of a process: its metrics, and its log, which holds no word of a customer."""

from matcher.telemetry.calls import CallIds, begin_call, current_call, leave_call
from matcher.telemetry.logs import (
    PRIVATE_FIELDS,
    configure_logs,
    drop_private_fields,
    fault_fields,
    log_faults_without_text,
    log_loop_fault,
    log_uncaught_faults,
)
from matcher.telemetry.metrics import MetricRow, Telemetry, markdown
from matcher.telemetry.sites import OTHER, SiteLabels, SiteMeasure

__all__ = [
    "OTHER",
    "PRIVATE_FIELDS",
    "CallIds",
    "MetricRow",
    "SiteLabels",
    "SiteMeasure",
    "Telemetry",
    "begin_call",
    "configure_logs",
    "current_call",
    "drop_private_fields",
    "fault_fields",
    "leave_call",
    "log_faults_without_text",
    "log_loop_fault",
    "log_uncaught_faults",
    "markdown",
]
