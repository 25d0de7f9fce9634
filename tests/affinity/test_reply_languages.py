"""Reply headers and the lines that telephones add, in the languages of Gmail and of telephones."""

from __future__ import annotations

import pytest

from matcher.affinity.set_aside import read
from matcher.model import Message, Requirements

HEADERS = {
    "fi": "ma 3. kesäk. 2025 klo 10.12 Anna Virtanen <anna@x.fi> kirjoitti:",
    "hu": "Anna Kovács <anna@x.hu> ezt írta (időpont: 2025. jún. 3., K, 10:12):",
    "ko": "2025년 6월 3일 (화) 오전 10:12, Anna <anna@x.kr>님이 작성:",
    "ar": "في الثلاثاء، ٣ يونيو ٢٠٢٥ في ١٠:١٢ ص تمت كتابة ما يلي بواسطة Anna <anna@x.ae>:",
    "he": "בתאריך יום ג׳, 3 ביוני 2025 ב-10:12 מאת Anna <anna@x.il>:",
    "el": "Στις Τρί 3 Ιουν 2025 στις 10:12 π.μ., ο χρήστης Anna <anna@x.gr> έγραψε:",
    "uk": "вт, 3 черв. 2025 р. о 10:12 Anna <anna@x.ua> пише:",
    "cs": "út 3. 6. 2025 v 10:12 odesílatel Anna <anna@x.cz> napsal:",
    "ro": "mar., 3 iun. 2025 la 10:12, Anna <anna@x.ro> a scris:",
    "da": "Den tir. 3. jun. 2025 kl. 10.12 skrev Anna <anna@x.dk>:",
    "no": "tir. 3. juni 2025 kl. 10:12 skrev Anna <anna@x.no>:",
    "vi": "Vào Th 3, 3 thg 6, 2025 vào lúc 10:12 Anna <anna@x.vn> đã viết:",
    "th": "ในวันที่ อ. 3 มิ.ย. 2025 เวลา 10:12 Anna <anna@x.th> เขียนว่า:",
    "id": "Pada Sel, 3 Jun 2025 pukul 10.12 Anna <anna@x.id> menulis:",
    "bg": "На вт, 3.06.2025 г. в 10:12 Anna <anna@x.bg> написа:",
    "hr": "uto, 3. lip 2025. u 10:12 Anna <anna@x.hr> napisao je:",
    "sk": "ut 3. 6. 2025 o 10:12 Anna <anna@x.sk> napísal(a):",
    "sl": "V V tor., 3. jun. 2025 ob 10:12 je oseba Anna <anna@x.si> napisala:",
    "ca": "Missatge de Anna <anna@x.cat> del dia dt., 3 de juny 2025 a les 10:12:",
    "hi": "मंगल, 3 जून 2025 को 10:12 am बजे को Anna <anna@x.in> ने लिखा:",
    "lt": "2025-06-03, an, 10:12 Anna <anna@x.lt> rašė:",
    "et": "Kuupäev T, 3. juuni 2025 kell 10:12 kirjutas Anna <anna@x.ee>:",
    "fa": "در تاریخ سه\u200cشنبه ۳ ژوئن ۲۰۲۵،\u200f ۱۰:۱۲ Anna <anna@x.ir> نوشت:",
}
SENT_FROM = {
    "hu": "iPhone-ról küldve",
    "el": "Στάλθηκε από το iPhone μου",
    "ro": "Trimis de pe iPhone",
    "sk": "Odoslané z iPhonu",
    "es": "Enviado desde mi iPhone",
    "pl": "Wysłane z iPhone'a",
    "ru": "Отправлено с iPhone",
    "tr": "iPhone'umdan gönderildi",
    "ja": "iPhoneから送信",
    "ko": "나의 iPhone에서 보냄",
    "zh": "发自我的iPhone",
    "fi": "Lähetetty iPhonesta",
    "cs": "Odesláno z iPhonu",
    "nl": "Verstuurd vanaf mijn iPad",
}
OWN = "My bees have swarmed."


def kept_of(text: str) -> str:
    """Return what is compared of a plain mail."""
    aside = {
        at
        for part in read(Message(text, "", Requirements(), media_type="text/plain")).set_aside
        for at in range(part.start, part.end)
    }
    return "".join(sign for at, sign in enumerate(text) if at not in aside).strip()


@pytest.mark.parametrize("language", HEADERS)
def test_what_stands_below_a_reply_header_is_a_quote_in_every_language(language: str) -> None:
    """Also where the quoted lines have no mark, and where the date is in Arabic or Persian digits."""
    quoted = "I love brass bands and trombones.\nAnna\n"
    assert kept_of(f"{OWN}\n\n{HEADERS[language]}\n\n{quoted}") == OWN


@pytest.mark.parametrize("language", SENT_FROM)
def test_the_line_of_a_telephone_is_no_word_of_the_customer(language: str) -> None:
    """In the language that the telephone speaks."""
    assert kept_of(f"{OWN}\n\n{SENT_FROM[language]}\n") == OWN


@pytest.mark.parametrize(
    "line",
    [
        "##- Please type your reply above this line -##",
        "--- Reply above this line ---",
        "##- Bitte geben Sie Ihre Antwort oberhalb dieser Zeile ein -##",
        "##- Veuillez saisir votre réponse au-dessus de cette ligne -##",
        "##- Por favor, escriba su respuesta por encima de esta línea -##",
        "##- Typ uw antwoord boven deze regel -##",
        "##- Введите ответ выше этой строки -##",
        "##- この行より上に返信を入力してください -##",
    ],
)
def test_what_stands_under_the_line_of_a_help_desk_is_a_quote(line: str) -> None:
    """The customer replies above it; at the top of a mail it hides nothing."""
    assert kept_of(f"{OWN}\n\n{line}\n\nI love brass bands.\n") == OWN
    assert kept_of(f"{line}\n\n{OWN}\n") == OWN


def test_a_sentence_about_a_line_is_kept() -> None:
    """It asks for no reply."""
    text = f"{OWN}\nThe label hangs above this line of the table."
    assert kept_of(text) == text
