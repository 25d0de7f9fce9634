"""Disclaimers: finds the paragraphs that a company's mail server adds."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Final

from matcher.affinity.set_aside.lines import Line
from matcher.affinity.set_aside.replies import Kinds
from matcher.model import AsideKind

LEAST_LENGTH: Final = 100
LEAST_WIDE_LENGTH: Final = 25
"""The same of a paragraph in Han, kana or Hangul: a sign says as much as some letters."""
LONGEST_BANNER: Final = 500

_WIDE: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_MAIL: Final = re.compile(
    r"e-?mail|message|communication|transmission|attachment|nachricht|mitteilung|courriel|mensaje|correo|messaggio"
    r"|mensagem|bericht|wiadomoś|meddeland|besked|melding|viesti|письм|сообщени|лист|e-?posta|ileti|mesaj|邮件|郵件|メール"
    r"|메일|رسالة|הודעה",
    re.IGNORECASE,
)
_CLASSES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"confidential|privileged|vertraulich|confidentiel|confidencial|riservat|confidenzial|vertrouwelijk|poufn"
        r"|konfidentiell|fortrolig|luottamuksel|конфиденциальн|конфіденційн|gizli|机密|保密|機密|기밀|سرية|חסוי",
        r"intended|addressee|empfänger|adressat|destinataire|destinatari|destinatári|geadresseerde|bestemd|adresat"
        r"|odbiorc|mottagare|modtager|mottaker|vastaanottaja|получател|адресат|предназначен|alıcı|收件人|受信者|宛先|수신",
        r"notify|delete|in error|unauthori[sz]ed|prohibited|irrtümlich|löschen|vernichten|par erreur|détruire"
        r"|supprimer|por error|elimin|per errore|cancellar|por engano|apag|verwijder|usun|omyłk|pomyłk|radera|slet"
        r"|удалите|по ошибке|уничтож|silin|yanlışlıkla|删除|刪除|削除|삭제",
    )
)
_LINE: Final = re.compile(
    r"(?:please |bitte |)(?:consider|think of|think about) (?:the environment|before).{0,60}print"
    r"|(?:bitte )?(?:denken|prüfen) sie .{0,40}(?:umwelt|ausdruck)|pensez à l['’]environnement|avant d['’]imprimer"
    r"|antes de imprimir|prima di stampare|denk aan het milieu|virus-free\b|virenfrei\b|sans virus\b|libre de virus"
    r"|this e-?mail has been (?:checked|scanned)|diese e-?mail wurde .{0,30}viren",
    re.IGNORECASE,
)
_BANNER: Final = re.compile(
    r"\W*(?:(?:external|extern|externe|externo|esterno|expéditeur externe)(?:[ -](?:e-?mail|mail|sender))?\W*$"
    r"|(?:caution|warning|attention|external|achtung|vorsicht|attenzione|atención|atenção|let op|this e-?mail)"
    r"\b.{0,80}(?:outside|extern|extér|esterno|buiten))",
    re.IGNORECASE,
)


def mark_disclaimers(lines: list[Line], kinds: Kinds) -> None:
    """Mark the paragraphs of disclaimers, and a banner above the letter.

    The first paragraph of a text is the customer's, unless it is a banner.
    """
    numbers = range(len(lines))
    filled = groupby(numbers, key=lambda number: bool(lines[number].text) and kinds[number] is None)
    paragraphs = [list(run) for full, run in filled if full]
    for place, paragraph in enumerate(paragraphs):
        text = " ".join(lines[number].text for number in paragraph)
        if place == 0:
            aside = len(text) <= LONGEST_BANNER and len(paragraphs) > 1 and _BANNER.match(text) is not None
        else:
            aside = _is_disclaimer(text) or _LINE.match(text) is not None
        if aside:
            for number in paragraph:
                kinds[number] = AsideKind.DISCLAIMER


def _is_disclaimer(text: str) -> bool:
    least = LEAST_WIDE_LENGTH if _WIDE.search(text) else LEAST_LENGTH
    if len(text) < least or not _MAIL.search(text):
        return False
    return sum(pattern.search(text) is not None for pattern in _CLASSES) >= 2
