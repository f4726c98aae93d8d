"""A seeded sample world, its devices and its incidents; they speak MQTT and HTTP like real devices and systems."""
