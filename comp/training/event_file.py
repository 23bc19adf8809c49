"""Numbers for TensorBoard, written without it: an event file is a sequence of protocol buffers with checksums.

The formats are those of `tensorflow/core/util/event.proto` and of TFRecord
(https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details). The packages that write them load a framework:
tensorboard loads TensorFlow, tensorboardX PyTorch. A process that trains with the other one must not do that.
"""

import struct
import time
from collections.abc import Mapping
from pathlib import Path

NAME = "events.out.tfevents."
POLYNOMIAL = 0x82F63B78  # of CRC-32C (Castagnoli), its bits reversed


class EventFile:
    """The event file of a run that starts, or goes on from the checkpoint of `step`: TensorBoard then drops what comes after that step."""

    def __init__(self, folder: Path, step: int) -> None:
        if step == 0:
            for old in folder.glob(f"{NAME}*"):
                old.unlink(missing_ok=True)
        self.path = folder / f"{NAME}{time.time():.6f}"
        start = _field(7, _field(1, 1))  # session_log: {status: START}
        self._write(_event(0, _field(3, b"brain.Event:2")), _event(step + 1, start))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append the values of a step, each under its tag."""
        scalars = (_field(1, _field(1, tag.encode()) + _field(2, struct.pack("<f", value), 5)) for tag, value in values.items())
        self._write(_event(step, _field(5, b"".join(scalars))))

    def _write(self, *events: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(map(_record, events)))


def _event(step: int, content: bytes) -> bytes:
    return _field(1, struct.pack("<d", time.time()), 1) + _field(2, step) + content


def _field(number: int, value: int | bytes, wire_type: int = 2) -> bytes:
    """A field of a protocol buffer: a whole number, bytes with their length, or bytes of a type of fixed length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | wire_type) + (_varint(len(value)) if wire_type == 2 else b"") + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    """CRC-32C, masked as in TFRecord."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ POLYNOMIAL * (crc & 1)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
