"""Read `params.yaml`: its values, and their lines for messages.

DVC's own YAML library reads it, so that `010` or `no` means the same to both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node
from ruamel.yaml.reader import ReaderError

from pipeline.base.errors import UserError
from pipeline.base.files import read_bytes
from pipeline.base.masking import one_line

# Deeper than any configuration. Deep nesting would overflow the C parser's stack.
DEEPEST = 20


class Params(NamedTuple):
    """The values of a YAML file, and its nodes, which hold line numbers."""

    path: Path
    values: dict[str, Any]
    document: Node

    def place(self, key: str) -> str:
        """Return file, line and column of a key such as `training.epochs`, or of its parent."""
        node, mark = self.document, self.document.start_mark
        for part in key.split("."):
            children = node.value if isinstance(node, MappingNode) else []
            for name, value in children:
                if name.value == part:
                    node, mark = value, name.start_mark
        return _place(self.path, mark.line, mark.column)


def read_params(path: Path) -> Params:
    """Return what `params.yaml` holds.

    Raises:
        UserError: it is missing or is no YAML mapping; the message names line and column.
    """
    content = b""
    try:
        content = read_bytes(path)
        text = content.decode()
        _refuse_endless(text)
        values, document = YAML(typ="safe").load(text), YAML(typ="safe").compose(text)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; it holds the experiment") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{_after(path, content[: error.start])}: not in UTF-8") from None
    except ReaderError as error:
        # For a character that YAML does not allow, the error has a position but no line.
        before = content.decode()[: error.position].encode()
        raise UserError(f"{_after(path, before)}: {error.reason}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(path, mark.line, mark.column) if mark else str(path)
        raise UserError(f"{place}: {one_line(error.problem or error.context)}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must map names to values")
    return Params(path, values, document)


def _refuse_endless(text: str) -> None:
    """Refuse aliases, which can expand without end, and deep nesting."""
    depth = 0
    for event in YAML(typ="safe").parse(text):
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if isinstance(event, AliasEvent):
            raise MarkedYAMLError(problem="aliases are not allowed", problem_mark=event.start_mark)
        if depth > DEEPEST:
            raise MarkedYAMLError(problem="too deeply nested", problem_mark=event.start_mark)


def _after(path: Path, content: bytes) -> str:
    lines = content.split(b"\n")
    return _place(path, len(lines) - 1, len(lines[-1].decode(errors="replace")))


def _place(path: Path, line: int, column: int) -> str:
    return f"{path}, line {line + 1}, column {column + 1}"
