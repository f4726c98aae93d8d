"""The vocabulary and the ledger: units, ids, clock, zones; goods, pledges, releases, valuation, lines."""
