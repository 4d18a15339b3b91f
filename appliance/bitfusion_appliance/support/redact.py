"""Takes secrets out of text: by the structure of YAML and JSON where there is one, by pattern elsewhere, and those that are known by value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import yaml

STAND_IN = "***"
_NAMES = r"password|passwd|passphrase|secret|token|credential|authorization|cookie|private_?key|api_?key|session_?key|access_?key"
_SECRET_NAME = re.compile(rf"(?:{_NAMES})|^(?:key|psk)$", re.IGNORECASE)
# A name, a separator and a value, as settings files and logs write them.
_ASSIGNMENT = re.compile(rf"""(?ix) (["']?[\w.-]*(?:{_NAMES})[\w.-]*["']? \s* [:=] \s*) ("(?:[^"\\]|\\.)*" | '[^']*' | [^\s,;"'}}]+)""")
_OVF_PROPERTY = re.compile(rf"""(?i)(key="[^"]*(?:{_NAMES})[^"]*"\s+[\w:]*value=")[^"]*""")
_BEARER = re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}")
_WEB_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_URL_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
_SHADOW = re.compile(r"\$(?:y|6|5|2[aby]|1)\$[./A-Za-z0-9$=,]+")
_SHORTEST_KNOWN = 4


@dataclass
class Redactor:
    """Counts what it takes out. `known`: secrets of this machine, wherever they stand."""

    known: tuple[str, ...] = ()
    count: int = 0

    def text(self, text: str) -> str:
        """Any text: JSON lines by structure, the rest by pattern."""
        cleaned = "\n".join(self._line(line) for line in self._blocks(text).split("\n"))
        return self._known(cleaned)

    def settings(self, text: str) -> str:
        """A YAML or JSON document; one that is broken is treated as text."""
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError:
            return self.text(text)
        if not isinstance(document, (dict, list)):
            return self.text(text)
        return self.text(yaml.safe_dump(self._walk(document), sort_keys=False, allow_unicode=True))

    def _blocks(self, text: str) -> str:
        return self._replace(_PRIVATE_KEY, rf"-----BEGIN \1-----{STAND_IN}", text)

    def _line(self, line: str) -> str:
        start = line.find("{")
        if start >= 0 and line.rstrip().endswith("}"):
            try:
                return line[:start] + json.dumps(self._walk(json.loads(line[start:])), ensure_ascii=False)
            except ValueError:
                pass  # not JSON after all
        return self._patterns(line)

    def _patterns(self, line: str) -> str:
        line = self._replace(_ASSIGNMENT, _keep_quotes, line)
        line = self._replace(_OVF_PROPERTY, rf"\g<1>{STAND_IN}", line)
        line = self._replace(_BEARER, rf"\g<1>{STAND_IN}", line)
        line = self._replace(_WEB_TOKEN, STAND_IN, line)
        line = self._replace(_URL_USER, rf"\g<1>{STAND_IN}@", line)
        return self._replace(_SHADOW, STAND_IN, line)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._field(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._walk(inner) for inner in value]
        return self._known(self._patterns(self._blocks(value))) if isinstance(value, str) else value

    def _field(self, name: str, value: Any) -> Any:
        if _SECRET_NAME.search(name) and value not in (None, "", True, False) and not _is_place(name):
            self.count += 1
            return STAND_IN
        return self._walk(value)

    def _known(self, text: str) -> str:
        for secret in self.known:
            # A value may stand in JSON or XML with its quotes escaped.
            for form in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], *_escaped(secret)}:
                self.count += text.count(form)
                text = text.replace(form, STAND_IN)
        return text

    def _replace(self, pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str], text: str) -> str:
        text, count = pattern.subn(by, text)
        self.count += count
        return text


def known_secrets(values: Iterable[str]) -> tuple[str, ...]:
    """Those that are long enough to be told from other words, the longest first."""
    return tuple(sorted({value for value in values if len(value) >= _SHORTEST_KNOWN}, key=len, reverse=True))


def _escaped(secret: str) -> set[str]:
    markup = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {markup, markup.replace('"', "&quot;"), secret.replace("'", "''")}


def _is_place(name: str) -> bool:
    """A file's name, an address or a length of time is not the secret itself."""
    return name.lower().endswith(("_file", "_url", "_days", "_path"))


def _keep_quotes(match: re.Match[str]) -> str:
    quote = match[2][0] if match[2][0] in "\"'" else ""
    return f"{match[1]}{quote}{STAND_IN}{quote}"
