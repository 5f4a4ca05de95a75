"""The first fields of a form as it arrives: which model it names, told before the form is whole. Knows bytes only.

Source: RFC 7578 (multipart/form-data), RFC 2046 5.1.1 (boundaries).
"""

import re
from email.message import Message
from typing import Final

_MOST: Final = 64 * 1024  # bytes that are looked at
_NAME: Final = re.compile(rb'(?i)^content-disposition:[^\r\n]*?;[ \t]*name="?([^";\r\n]*)', re.MULTILINE)
_FILENAME: Final = re.compile(rb"(?i)^content-disposition:[^\r\n]*?;[ \t]*filename\*?=", re.MULTILINE)
_MODEL: Final = b"model"
_END_OF_FIELDS: Final = b"\r\n\r\n"


class FirstFields:
    """What stands before the first file of a form. `head` is all that was fed."""

    def __init__(self, boundary: bytes) -> None:
        self.head = bytearray()
        self._line = b"--" + boundary + b"\r\n"
        self._end = b"\r\n--" + boundary
        self._next = self._line  # the part's beginning, the end of its fields, the end of its value, in turn
        self._sought = 0  # it does not begin before here
        self._part = 0  # where the fields begin that are being read
        self._value: int | None = None  # where the model's name begins
        self._span: slice | None = None

    @property
    def model(self) -> str | None:
        """Its name, where one was found that is text."""
        if self._span is None:
            return None
        try:
            return self.head[self._span].decode()
        except UnicodeDecodeError:
            return None

    def feed(self, chunk: bytes) -> bool:
        """Takes the next bytes; True while more of them may tell."""
        self.head += chunk
        return self._more() and len(self.head) < _MOST

    def renamed(self, model: str) -> bytes:
        """The head with another name in the place of the one that was found."""
        head = self.head.copy()
        if self._span is not None:
            head[self._span] = model.encode()
        return bytes(head)

    def _more(self) -> bool:
        while (found := self.head.find(self._next, self._sought)) >= 0:
            if self._next is self._line:
                self._part = found + len(self._line)
                self._seek(_END_OF_FIELDS, self._part)
            elif self._next is _END_OF_FIELDS:
                if not self._read(bytes(self.head[self._part : found]), found + len(_END_OF_FIELDS)):
                    return False
            elif self._value is not None:
                self._span = slice(self._value, found)
                return False
            else:
                self._seek(self._line, found)
        self._sought = max(self._sought, len(self.head) - len(self._next) + 1)
        return True

    def _read(self, fields: bytes, value: int) -> bool:
        """What a part's fields say of it; False for a file."""
        if _FILENAME.search(fields):
            return False
        named = _NAME.search(fields)
        if named is not None and named[1] == _MODEL:
            self._value = value
        self._seek(self._end, value)
        return True

    def _seek(self, what: bytes, start: int) -> None:
        self._next, self._sought = what, start


def first_fields(content_type: str) -> FirstFields | None:
    """None for what is no form, or one that does not say where its parts end."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/form-data" or not boundary or not boundary.isascii():
        return None
    return FirstFields(boundary.encode())
