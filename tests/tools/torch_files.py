"""Files of torch.save without torch, for tests and fuzzers: a small assembler for pickles, and the two containers."""
import io
import pickle
import struct
import zipfile

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value):
    return pickle.dumps(value, 2)[2:-1]


def integers(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def ordered_dict(items=b""):
    return name("collections", "OrderedDict") + b")R(" + items + b"u"


def storage(kind, key, numel, view=None):
    parts = (text("storage"), name("torch", kind), text(key), text("cpu"), integer(numel), view or b"")
    return b"(" + b"".join(parts) + b"tQ"


def tensor(stored, shape, stride, offset=0):
    return (name("torch._utils", "_rebuild_tensor_v2") + b"(" + stored + integer(offset) + integers(shape)
            + integers(stride) + b"\x89" + ordered_dict() + b"tR")


def entry(key, value):
    return text(key) + value


def whole(body):
    return b"\x80\x02" + body + b"."


def zip_file(body, storages, byteorder=b"little", **options):
    """The bytes of a file of torch >= 1.6: storages are {key: bytes}."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        archive.writestr("archive/data.pkl", whole(body))
        archive.writestr("archive/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
        archive.writestr("archive/version", "3\n")
    return stream.getvalue()


def legacy_file(body, storages, magic=MAGIC, protocol=PROTOCOL, little_endian=True):
    """The bytes of a file of an older torch: storages are [(key, element count, bytes)]."""
    system = {"protocol_version": protocol, "little_endian": little_endian, "type_sizes": {"int": 4}}
    start = b"".join(pickle.dumps(part, 2) for part in (magic, protocol, system))
    keys = pickle.dumps([key for key, _, _ in storages], 2)
    order = "<q" if little_endian else ">q"
    contents = b"".join(struct.pack(order, count) + data for _, count, data in storages)
    return start + whole(body) + keys + contents


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def one_tensor(shape=(2,), stride=(1,), offset=0, kind="FloatStorage", numel=2, key="fc.w"):
    """Of a head, which may have any name and shape, where `key` says nothing else."""
    return ordered_dict(entry(key, tensor(storage(kind, "0", numel), shape, stride, offset)))
