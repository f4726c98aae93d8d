"""The protobuf message of Sparkplug B 3.0 as far as we read it. Field numbers are the specification's; fields not named here are passed over.

Built from a table, so that no code has to be generated. Data sets and templates stay bytes.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "chuantou.sparkplug"
_METRIC = (
    ("name", 1, _F.TYPE_STRING),
    ("alias", 2, _F.TYPE_UINT64),
    ("timestamp", 3, _F.TYPE_UINT64),
    ("datatype", 4, _F.TYPE_UINT32),
    ("is_historical", 5, _F.TYPE_BOOL),
    ("is_null", 7, _F.TYPE_BOOL),
)
VALUES = (
    ("int_value", 10, _F.TYPE_UINT32),
    ("long_value", 11, _F.TYPE_UINT64),
    ("float_value", 12, _F.TYPE_FLOAT),
    ("double_value", 13, _F.TYPE_DOUBLE),
    ("boolean_value", 14, _F.TYPE_BOOL),
    ("string_value", 15, _F.TYPE_STRING),
    ("bytes_value", 16, _F.TYPE_BYTES),
    ("dataset_value", 17, _F.TYPE_BYTES),
    ("template_value", 18, _F.TYPE_BYTES),
)


def _payload_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="chuantou/sparkplug_b.proto", package=_PACKAGE, syntax="proto2")
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    for name, number, kind in _METRIC:
        metric.field.add(name=name, number=number, type=kind, label=_F.LABEL_OPTIONAL)
    metric.oneof_decl.add(name="value")
    for name, number, kind in VALUES:
        metric.field.add(name=name, number=number, type=kind, label=_F.LABEL_OPTIONAL, oneof_index=0)
    payload.field.add(name="timestamp", number=1, type=_F.TYPE_UINT64, label=_F.LABEL_OPTIONAL)
    payload.field.add(name="metrics", number=2, type=_F.TYPE_MESSAGE, label=_F.LABEL_REPEATED, type_name=f".{_PACKAGE}.Payload.Metric")
    payload.field.add(name="seq", number=3, type=_F.TYPE_UINT64, label=_F.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload: Any = _payload_class()


def rebirth_request(at_ms: int) -> bytes:
    """The NCMD payload that asks an edge node to say its births again."""
    payload = Payload(timestamp=at_ms)
    payload.metrics.add(name="Node Control/Rebirth", timestamp=at_ms, datatype=11, boolean_value=True)
    return bytes(payload.SerializeToString())


DATATYPES = (
    "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float", "Double", "Boolean", "String", "DateTime", "Text", "UUID",
)  # fmt: skip
_KIND_OF = {
    **dict.fromkeys(("Int8", "Int16", "Int32", "UInt8", "UInt16", "UInt32"), ("int_value", 32)),
    **dict.fromkeys(("Int64", "UInt64", "DateTime"), ("long_value", 64)),
    "Float": ("float_value", 0),
    "Double": ("double_value", 0),
    "Boolean": ("boolean_value", 0),
}


def from_rendering(rendered: dict[str, Any]) -> bytes:
    """The payload that the specification writes as JSON: timestamp, seq, metrics with name, alias, dataType, value. Raises ValueError, KeyError, TypeError."""
    payload = Payload()
    for name in ("timestamp", "seq"):
        if name in rendered:
            setattr(payload, name, rendered[name])
    for said in rendered.get("metrics", ()):
        metric = payload.metrics.add()
        for name in ("name", "alias", "timestamp"):
            if name in said:
                setattr(metric, name, said[name])
        kind, bits = _KIND_OF.get(said["dataType"], ("string_value", 0))
        metric.datatype = DATATYPES.index(said["dataType"]) + 1
        value = said.get("value")
        if value is None:
            metric.is_null = True
        else:
            setattr(metric, kind, value & ((1 << bits) - 1) if bits else value)
    return bytes(payload.SerializeToString())
