"""EPCIS 2.0: what partners' systems say happened. Pure modules parse, check, canonicalise and hash; store and service keep."""
