"""Kafka's record batches made by hand: of any codec, of transactions, and such as no library would make."""

from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import encode_varint

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = {"none": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
ABORT, COMMIT = b"\x00\x00\x00\x00", b"\x00\x00\x00\x01"
CONTROL_BIT = 0x20
LENGTH_AT, CRC_AT, ATTRIBUTES_AT, RECORDS_AT = 8, 17, 22, 61


def batch(base_offset, content, *, producer=-1, transactional=False, codec=NONE):
    """The bytes of a batch; `content` is (ms after the first, key, value, headers) of each record."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=int(transactional),
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=2**31 - 1,
    )
    for number, (after_ms, key, value, tags) in enumerate(content):
        assert builder.append(number, 1_700_000_000_000 + after_ms, key, value, tags) is not None
    return base_offset.to_bytes(8) + bytes(builder.build())[8:]


def marker(offset, producer, key):
    """A control batch: the end of a transaction. Its checksum is set anew, as the library cannot build one."""
    data = bytearray(batch(offset, [(0, key, b"\x00" * 6, [])], producer=producer, transactional=True))
    data[ATTRIBUTES_AT] |= CONTROL_BIT
    return checked(data)


def checked(data):
    """A batch with its length and its checksum set to what they must be."""
    data = bytearray(data)
    data[LENGTH_AT : LENGTH_AT + 4] = (len(data) - 12).to_bytes(4)
    data[CRC_AT : CRC_AT + 4] = crc32c(data[CRC_AT + 4 :]).to_bytes(4)
    return bytes(data)


def with_records(base_offset, count, records, *, codec=NONE):
    """A batch that claims `count` records, with bytes for them as they are given."""
    data = bytearray(batch(base_offset, [(0, None, b"", [])] * count)[:RECORDS_AT])
    data[ATTRIBUTES_AT] |= codec
    return checked(data + records)


def raw_record(number, value, headers=(), *, key=None):
    """A record's bytes; header names are bytes, whatever they hold."""
    body = bytearray(b"\x00\x00")
    encode_varint(number, body.append)
    for field in (key, value):
        _append(body, field)
    encode_varint(len(headers), body.append)
    for name, content in headers:
        _append(body, name)
        _append(body, content)
    record = bytearray()
    encode_varint(len(body), record.append)
    return bytes(record + body)


def compressed(codec, records):
    """As a producer does it that a broker accepts."""
    return {GZIP: gzip_encode, SNAPPY: snappy_encode, LZ4: lz4_encode, ZSTD: zstd_encode}[codec](records)


def _append(body, field):
    encode_varint(-1 if field is None else len(field), body.append)
    body += field or b""


def crc32c(data):
    """Castagnoli's, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
