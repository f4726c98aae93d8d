"""The store: pool, migrations, editions, SQL loader, the embedded server. Knows no domain word."""
