"""Reads figures as Prometheus' own client library does: parse_metrics.py text|openmetrics < FIGURES.

Needs the package prometheus_client. Fails on anything that the library refuses, and on samples without a family."""

import sys

if sys.argv[1] == "openmetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
else:
    from prometheus_client.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.read()))
assert len(families) > 40, len(families)
for family in families:
    assert family.documentation and family.type != "unknown", family
kinds = {family.name: family.type for family in families}
assert kinds["discnt_commands"] == "counter" and kinds["discnt_command_duration_seconds"] == "histogram", kinds
