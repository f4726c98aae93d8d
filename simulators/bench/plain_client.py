"""The limit beside one read a message: a stock paho client that takes messages at QoS 1 and does nothing with them.

`python -m simulators.bench.plain_client URL CLIENT_ID FILTER COUNT`: says "ready" when subscribed, and the time of the last message when it has
them all.
"""

from __future__ import annotations

import sys
import time
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode


def main(url: str, client_id: str, topic_filter: str, count: int) -> int:
    """Exit code 0 when every message came."""
    parts = urlsplit(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    taken = 0

    def on_connect(c: mqtt.Client, u: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        c.subscribe(topic_filter, qos=1)

    def on_subscribe(c: mqtt.Client, u: Any, mid: int, reasons: list[ReasonCode], properties: Properties | None) -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    def on_message(c: mqtt.Client, u: Any, message: mqtt.MQTTMessage) -> None:
        nonlocal taken
        taken += 1
        if taken == count:
            sys.stdout.write(f"{time.time()}\n")
            sys.stdout.flush()
            c.disconnect()

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.connect(parts.hostname or "127.0.0.1", parts.port or 1883)
    client.loop_forever()
    return 0 if taken == count else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
