"""How a graph's faults are told: by place, short, and safe to print."""

from __future__ import annotations

from onnx import NodeProto

LONGEST_NAME = 80


class GraphError(ValueError):
    """The graph cannot be read or priced; the text says why and names the place."""


def quoted(name: str) -> str:
    """`name` from a file nobody trusts, printable and cut to a readable length."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:LONGEST_NAME])
    return f"“{shown}{'…' if len(name) > LONGEST_NAME else ''}”"


def node_title(node: NodeProto) -> str:
    return f"Node {quoted(node.name or ', '.join(node.output))} ({quoted(node.op_type)[1:-1]})"


def first_line(error: BaseException) -> str:
    """The first line of what a library said, cut to a readable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    return "".join(letter if letter.isprintable() else "?" for letter in lines[0][:300])
