"""Jupyter notebooks (nbformat 4, and the worksheets of 3): sources and outputs, each at its cell."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import msgspec

from poundlock.adapters.documents import Budget, Leaf, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator


def cells(file: IO[bytes], budget: Budget) -> Iterator[Leaf]:
    """Yield a leaf a cell's source and one an output; then the metadata. Raises: `Unreadable`."""
    data = file.read(budget.single + 1)
    if len(data) > budget.single:
        raise Unreadable("a part of it is larger than is held at once")
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Unreadable("it is not valid JSON") from None
    if not isinstance(tree, dict):
        raise Unreadable("it is no notebook")
    found = tree.get("cells")
    if not isinstance(found, list):
        sheets = tree.get("worksheets")
        found = [
            cell
            for sheet in (sheets if isinstance(sheets, list) else [])
            for cell in (sheet.get("cells") or [] if isinstance(sheet, dict) else [])
        ]
    for number, cell in enumerate(found, 1):
        if not isinstance(cell, dict):
            continue
        budget.enter()
        source = _joined(cell.get("source", cell.get("input", "")))
        if source:
            yield Leaf(f"#cell {number}", source)
        outputs = cell.get("outputs")
        for place, output in enumerate(outputs if isinstance(outputs, list) else [], 1):
            text = "\n".join(_output(output))
            if text:
                yield Leaf(f"#cell {number} output {place}", text)
        if cell.get("metadata"):
            yield Leaf(f"#cell {number} metadata", _written(cell["metadata"]))
    rest = {name: value for name, value in tree.items() if name not in ("cells", "worksheets")}
    yield Leaf("#metadata", _written(rest))


def _written(tree: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(tree)).decode()


def _joined(value: Any) -> str:
    """Give a multi-line text, which stands as one text or as a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _output(output: Any) -> Iterator[str]:
    if not isinstance(output, dict):
        return
    yield _joined(output.get("text", ""))
    data = output.get("data", {})
    for kind, value in data.items() if isinstance(data, dict) else ():
        if kind.startswith("image/") and kind != "image/svg+xml":
            continue
        yield _joined(value) if isinstance(value, list | str) else _written(value)
    for name in ("ename", "evalue"):
        yield _joined(output.get(name, ""))
    trace = output.get("traceback")
    yield "\n".join(line for line in trace if isinstance(line, str)) if isinstance(trace, list) else ""
