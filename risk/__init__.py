"""Cross-checks of what moved against what was traded and approved: rules, alerts, jobs, the fast lane and the schedule."""
