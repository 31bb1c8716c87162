"""The sizes that a message of an Arrow stream unpacks to, read before anything is unpacked: pyarrow asks nobody.

A message is a flatbuffer, and a body. Each compressed buffer of the body begins with its size when unpacked:
arrow.apache.org/docs/format/Columnar.html#compression.
"""

import struct

HEADER_TYPE, HEADER, DATA, BUFFERS, COMPRESSION = 1, 2, 1, 2, 3  # the numbers of fields
DICTIONARY, ROWS = 2, 3  # types of messages
STORED = -1  # the size of a buffer that was not worth compressing


def unpacked_size(metadata: memoryview, body: memoryview) -> int:
    """Return the bytes of the compressed buffers of a message when unpacked; struct.error if it is damaged."""
    message = _whole("<I", metadata, 0)
    kind = _find(metadata, message, HEADER_TYPE)
    header = _follow(metadata, message, HEADER)
    if kind is None or header is None or metadata[kind] not in (DICTIONARY, ROWS):
        return 0
    rows = _follow(metadata, header, DATA) if metadata[kind] == DICTIONARY else header
    if rows is None or _find(metadata, rows, COMPRESSION) is None:
        return 0
    vector = _follow(metadata, rows, BUFFERS)
    if vector is None:
        return 0
    total = 0
    for k in range(_whole("<I", metadata, vector)):
        offset, length = struct.unpack_from("<qq", metadata, vector + 4 + 16 * k)
        if length:
            size = _whole("<q", body, offset)
            total += length if size == STORED else max(size, 0)
    return total


def _find(buffer: memoryview, table: int, field: int) -> int | None:
    """Return where a field of a table lies; None if the table has none."""
    known = table - _whole("<i", buffer, table)
    if 4 + 2 * field >= _whole("<H", buffer, known):
        return None
    offset = _whole("<H", buffer, known + 4 + 2 * field)
    return table + offset if offset else None


def _follow(buffer: memoryview, table: int, field: int) -> int | None:
    """Return where the table or vector lies that a field refers to; None if there is none."""
    place = _find(buffer, table, field)
    return None if place is None else place + _whole("<I", buffer, place)


def _whole(form: str, buffer: memoryview, offset: int) -> int:
    number: int = struct.unpack_from(form, buffer, offset)[0]
    return number
