"""`chuantou bench`: measures this installation's code beside the physical limit of the same machine in the same run (docs/performance.md)."""
