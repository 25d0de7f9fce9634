"""Signs without meaning in a text: addresses of the web and of mail, encoded files, numbers of orders, style sheets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from matcher.model import AsideKind, SetAside

_WIDE: Final = "\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff01-\uff9f\u0e00-\u0eff"
# Signs of these scripts end an address, unless they stand right behind a slash or an equals sign.
_TAIL: Final = rf"(?:[^\s<>\"{_WIDE}]|(?<=[/=])[{_WIDE}])*+"
_TOP: Final = "com|org|net|io|de|fr|es|it|pt|nl|pl|se|co|uk|eu|at|ch|ru|jp|cn|tr|br|info|app|shop"
_URL: Final = re.compile(
    rf"<?(?:\b(?:https?|ftp)://|\bwww\.(?=\w)|\b(?:mailto|cid|tel):(?=[\w+])){_TAIL}>?"
    rf"|(?<![\w.@-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}(?:{_TOP})/{_TAIL}",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"<?(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}+@(?:[A-Za-z0-9-]{1,63}+\.)++[A-Za-z]{2,24}>?")
_TRAILING: Final = ">.,;:!?)]}'\"’”»*_"

_BLOCK: Final = re.compile(
    r"(?:data:[\w/+.-]{1,60};base64,)?(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{60,}+(?:\r?\n[A-Za-z0-9+/]{60,}+)*+"
    r"(?:\r?\n(?:[A-Za-z0-9+/]{2,59}={1,2}|[A-Za-z0-9+/]{20,59})(?=\s|$))?={0,2}"
    r"|(?:data:[\w/+.-]{1,60};base64,)?(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40,}+={0,2}"
)
_HEX: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:[0-9a-fA-F]{24,}+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?![A-Za-z0-9])"
)

# A letter and a digit run of five or more: ORD-2024-00123, 1Z999AA10123456784. WH-1000XM5 is the name of a thing.
# A small letter behind it makes it no code; it is read along, so that a chain of parts is tried once: tried again from
# each of its parts, 256 KiB of "A-A-…-Aa" would take minutes, and a customer can send that.
_CODE: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z0-9]++(?:[-/_.][A-Z0-9]++)*+[a-z]?")
_HASH: Final = re.compile(r"(?<![\w#&])[#№]\s?(?:[A-Z]{1,5}-?)?\d{3,}+(?:[-/]\d++)*+(?![A-Za-z])")
_NAMED: Final = re.compile(
    r"(?<!\w)(?:n[º°o]|no\.|nr\.?|num(?:ber|ero|éro|er)?|número|nummer|numer|номер|№|sipariş no|番号|单号"
    r"|訂單號|订单号|order|bestellung|bestellnummer|auftrag|auftragsnummer|rechnung|rechnungsnummer|kundennummer|commande|pedido"
    r"|factura|facture|ordine|fattura|bestelling|zamówienie|beställning|заказ|sipariş|ticket|invoice|tracking|parcel"
    r"|shipment|case|reference|ref\.?)\s?[:：#.]?\s?((?:[A-Z]{1,5}-?)?\d[\dA-Z/-]{3,}+)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_PHONE: Final = re.compile(r"(?<![\w.,+])\+?\(?\d[\d ()/.\-]{6,24}\d(?!\w)")
_DATE: Final = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}")
_ACCOUNT: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
# "model XR-20000" names a thing.
_MODEL: Final = re.compile(
    r"\b(?:model|modell|modèle|modelo|modello|type|typ|version|модель)(?:\s(?:is|ist|est|es|è|é|no|number|nr))?\W{1,3}$",
    re.IGNORECASE,
)
LONGEST_BEFORE: Final = 24
LEAST_PHONE_DIGITS: Final = 9
LEAST_CODE_RUN: Final = 5
LEAST_BARE_DIGITS: Final = 8

_STYLE: Final = re.compile(r"(?<![^\s;}>])[.#@*\w][\w.#@*:,> \t-]{0,120}+\{([^{}]{0,4000}+)\}")
_PROPERTY: Final = re.compile(
    r"(?:^|[;\s])(?:margin|padding|font|color|background|border|display|width|line-height|mso-)[\w-]*\s*:"
)
_IMAGE: Final = re.compile(
    r"\[(?:image|inline image|cid|bild|imagen|immagine|imagem|obraz)\b[^\]\n]{0,200}\]", re.IGNORECASE
)


def signs(text: str) -> list[SetAside]:
    """Return the parts of a text that name no thing, in order and without overlaps."""
    found: list[SetAside] = []
    for kind, find in _FINDERS:
        found += [SetAside(kind, start, end) for start, end in find(text)]
    found.sort(key=lambda aside: (aside.start, -aside.end))
    kept: list[SetAside] = []
    for aside in found:
        if not kept or aside.start >= kept[-1].end:
            kept.append(aside)
    return kept


def _urls(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_URL, _ADDRESS):
        for found in pattern.finditer(text):
            start, end = found.span()
            if text[start] == "<" and text[end - 1] == ">":
                yield start, end
                continue
            start += text[start] == "<"
            # A bracket that closes one of the address belongs to it.
            trailing = _TRAILING.replace(")", "") if text.find("(", start, end) >= 0 else _TRAILING
            yield start, start + len(text[start:end].rstrip(trailing))


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    for found in _BLOCK.finditer(text):
        block = found.group()
        if any(map(str.isdigit, block)) and any(map(str.isupper, block)) and any(map(str.islower, block)):
            yield found.span()
    for found in _HEX.finditer(text):
        if any(map(str.isdigit, found.group())):
            yield found.span()


def _codes(text: str) -> Iterator[tuple[int, int]]:
    for found in _CODE.finditer(text):
        code = found.group()
        if code[-1].islower():
            continue
        longest = max(map(len, re.findall(r"\d+", code)), default=0)
        letters = any(map(str.isalpha, code))
        if letters and _MODEL.search(text, max(0, found.start() - LONGEST_BEFORE), found.start()):
            continue
        if (letters and longest >= LEAST_CODE_RUN and len(code) >= LEAST_BARE_DIGITS) or (
            not letters and longest >= LEAST_BARE_DIGITS and not code.endswith("0000")
        ):
            yield found.span()


def _numbers(text: str) -> Iterator[tuple[int, int]]:
    yield from _codes(text)
    for found in _HASH.finditer(text):
        yield found.span()
    for found in _NAMED.finditer(text):
        if sum(map(str.isdigit, found.group(1))) >= LEAST_CODE_RUN - 1:
            yield found.span(1)
    for found in _ACCOUNT.finditer(text):
        yield found.span()
    for found in _PHONE.finditer(text):
        number = found.group()
        digits = sum(map(str.isdigit, number))
        if digits >= LEAST_PHONE_DIGITS and number[0] in "+0(" and not _DATE.search(number):
            yield found.span()


def _styles(text: str) -> Iterator[tuple[int, int]]:
    for found in _STYLE.finditer(text):
        if _PROPERTY.search(found.group(1)):
            yield found.span()


def _images(text: str) -> Iterator[tuple[int, int]]:
    for found in _IMAGE.finditer(text):
        yield found.span()


_FINDERS: Final[tuple[tuple[AsideKind, Callable[[str], Iterator[tuple[int, int]]]], ...]] = (
    (AsideKind.STYLE, _styles),
    (AsideKind.MARKUP, _images),
    (AsideKind.URL, _urls),
    (AsideKind.BASE64, _blocks),
    (AsideKind.NUMBER, _numbers),
)
