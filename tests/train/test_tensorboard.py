#!/usr/bin/env python3
"""Event files of TensorBoard against the run's log: test_tensorboard.py LATENTCL

Read by the few lines below, which check every CRC, and by TensorBoard's own EventAccumulator where Python has it."""
import json
import math
import os
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import in_folder, read_safetensors, refused, run, write_digits


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    crc ^= 0xffffffff
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def records(path):
    data, at = path.read_bytes(), 0
    while at < len(data):
        length, = struct.unpack_from("<Q", data, at)
        assert struct.unpack_from("<I", data, at + 8)[0] == crc32c(data[at:at + 8]), (path, at)
        body = data[at + 12:at + 12 + length]
        assert len(body) == length and struct.unpack_from("<I", data, at + 12 + length)[0] == crc32c(body), (path, at)
        yield body
        at += 16 + length


def fields(message):
    """(number, value) of each field of a protocol-buffer message; bytes stay bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            value |= (message[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not message[at - 1] & 128:
                return value
    while at < len(message):
        key = varint()
        if key & 7 == 0:
            value = varint()
        elif key & 7 in (1, 5):
            size = 8 if key & 7 == 1 else 4
            value, = struct.unpack_from("<d" if size == 8 else "<f", message, at)
            at += size
        else:
            size = varint()
            value = message[at:at + size]
            at += size
        yield key >> 3, value


def events(folder):
    """Of each file: (wall time, step, {tag: value}, other fields)"""
    for path in sorted(Path(folder).glob("events.out.tfevents.*")):
        for i, record in enumerate(records(path)):
            event = dict(fields(record))
            assert (event.get(3) == b"brain.Event:2") == (i == 0), "a file begins with its version"
            values = {}
            for _, value in fields(event.pop(5, b"")):
                value = dict(fields(value))
                tag = value.pop(1).decode()
                kind, = value
                values[tag] = (kind, value[kind])
            yield event[1], event.get(2, 0), values, event


def told(folder):
    """What every scalar says by tag and step; each once."""
    found = {}
    for _, step, values, _ in events(folder):
        for tag, (kind, value) in values.items():
            if kind == 2:
                assert (tag, step) not in found, ("twice", tag, step)
                found[tag, step] = value
    return found


def logged(run_folder):
    """The same from log.jsonl."""
    found = {}

    def add(step, group, metrics):
        found.update({(f"{group}{name}", step): value for name, value in metrics.items() if name != "n"})
    for line in map(json.loads, open(run_folder + "/log.jsonl")):
        if line["event"] == "step":
            found["learning_rate", line["step"]] = line["lr"]
            add(line["step"], "train/", {k: v for k, v in line.items() if k not in ("event", "step", "lr", "time", "seconds")})
            last = line["step"]
        elif line["event"] == "epoch":
            last = line["step"]
            found["epoch/learning_rate", last] = line["lr"]
            found["epoch/images_per_second", last] = line["images_per_second"]
            add(last, "epoch/", line["train"])
            add(last, "validation/", line["validation"])
        elif line["event"] == "test":
            add(last, "test/", line["metrics"])
    return found


def compare(run_folder, folder):
    a, b = told(folder), logged(run_folder)
    assert a.keys() == b.keys(), (sorted(a.keys() - b.keys())[:4], sorted(b.keys() - a.keys())[:4])
    assert all(math.isclose(a[k], b[k], rel_tol=1e-6, abs_tol=1e-30) for k in a), "values differ"
    return a


def with_tensorboard(folder, expected):
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        print("without TensorBoard's own reader (pip install tensorboard)")
        return
    seen = EventAccumulator(folder, size_guidance={"scalars": 0, "histograms": 0, "images": 0})
    seen.Reload()
    tags = seen.Tags()
    assert {(t, e.step): e.value for t in tags["scalars"] for e in seen.Scalars(t)} == expected
    assert tags["images"] == ["reconstructions"] and seen.Images("reconstructions")[0].encoded_image_string[1:4] == b"PNG"
    weight = seen.Histograms("enc.fc1.weight")[-1].histogram_value
    assert weight.num == 64 * 512 == sum(weight.bucket) and weight.min < 0 < weight.max == weight.bucket_limit[-1]
    print("TensorBoard's EventAccumulator reads the same")


def main():
    write_digits("data")
    small = ["--set", "arch=mlp", "--set", "validation=40", "--data", "data", "--batch", "30", "--quiet"]
    begun = time.time()
    run("train", "semantic-noise", *small, "--epochs", "30", "--out", "whole", "--tensorboard", "whole-tb")
    whole = compare("whole", "whole-tb")
    assert ("train/loss", 50) in whole and ("validation/error_percent", 120) in whole and ("test/loss", 120) in whole, sorted(whole)[:9]
    found = list(events("whole-tb"))
    times = [e[0] for e in found]
    assert begun <= times[0] and times == sorted(times) and times[-1] <= time.time()
    name, = os.listdir("whole-tb")
    assert f".{socket.gethostname()}." in name or "/" in socket.gethostname(), name
    images = {tag: dict(fields(v)) for _, _, values, _ in found for tag, (kind, v) in values.items() if kind == 4}
    png = images["reconstructions"]
    assert png[4][:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", png[4][16:24]) == (png[2], png[1]) and png[3] == 1, images.keys()
    histogram = [dict(fields(v)) for _, _, values, _ in found for tag, (kind, v) in values.items() if kind == 5 and tag == "enc.fc1.weight"][-1]
    counts = struct.unpack("<64d", histogram[7])
    head, data = read_safetensors("whole/best.safetensors")
    a, b = head["enc.fc1.weight"]["data_offsets"]
    weight = struct.unpack(f"<{(b - a) // 4}f", data[a:b])
    assert histogram[1] == min(weight) and histogram[2] == max(weight) and histogram[3] == len(weight) == sum(counts)
    assert math.isclose(histogram[4], math.fsum(weight), rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(histogram[5], math.fsum(w * w for w in weight), rel_tol=1e-9)
    limits = struct.unpack("<64d", histogram[6])
    assert sum(counts[:32]) == sum(w < limits[31] for w in weight) or abs(sum(counts[:32]) - sum(w < limits[31] for w in weight)) < 3
    with_tensorboard("whole-tb", whole)

    # Stopped twice: what was written after the checkpoint, here a record cut in its middle, is gone, and nothing is there twice.
    run("train", "semantic-noise", *small, "--epochs", "30", "--out", "parts", "--tensorboard", "parts-tb", "--max-steps", "42")
    first, = Path("parts-tb").iterdir()
    with open(first, "ab") as file:
        file.write(list(records(first))[-1][:20])
    run("train", "--resume", "--out", "parts", "--quiet", "--tensorboard", "parts-tb", "--max-steps", "77")
    run("train", "--resume", "--out", "parts", "--quiet", "--tensorboard", "parts-tb")
    assert len(os.listdir("parts-tb")) == 3
    starts = [(e[1], e[3][7]) for e in events("parts-tb") if 7 in e[3]]
    assert starts == [(43, b"\x08\x01"), (78, b"\x08\x01")], starts  # from there on a reader forgets what it has
    parts = compare("parts", "parts-tb")
    rates = "epoch/images_per_second"
    assert {k: v for k, v in parts.items() if k[0] != rates} == {k: v for k, v in whole.items() if k[0] != rates}
    with_tensorboard("parts-tb", parts)

    # The name in a checkpoint is no path.
    run("train", "semantic-noise", *small, "--out", "named", "--tensorboard", "named-tb", "--max-steps", "2")
    name, = os.listdir("named-tb")
    checkpoint = next(f for f in Path("named").iterdir() if f.is_file() and name.encode() in f.read_bytes())
    checkpoint.write_bytes(checkpoint.read_bytes().replace(name.encode(), name[:21].encode() + b"/" + name[22:].encode()))
    assert "event file must be called" in refused("train", "--resume", "--out", "named", "--tensorboard", "named-tb")

    # Nothing is made where it cannot be, and a run without them has none.
    Path("file").write_text("")
    assert "file" in refused("train", "semantic-noise", *small, "--out", "no", "--tensorboard", "file/tb") and not Path("no/config.json").exists()
    run("train", "semantic-noise", *small, "--out", "none", "--max-steps", "1")
    assert not list(Path("none").glob("events*"))


in_folder(main)
