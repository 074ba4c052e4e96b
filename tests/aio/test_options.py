"""The keywords of the stream functions are those of the protocol functions, by name and type."""

import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rudp
from rudp.aio.options import ConnectOptions, ServeOptions
from rudp.trace import Capture


@pytest.mark.parametrize(
    ("options", "function"),
    [(ConnectOptions, rudp.create_connection), (ServeOptions, rudp.create_server)],
)
def test_the_same_keywords(options: type, function: Callable[..., Any]) -> None:
    watching = {"Path": Path, "Capture": Capture}  # which are imported when somebody watches
    keywords = {
        name: kind
        for name, kind in typing.get_type_hints(function, localns=watching).items()
        if name in inspect.signature(function).parameters
        and inspect.signature(function).parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert typing.get_type_hints(options, localns=watching) == keywords
