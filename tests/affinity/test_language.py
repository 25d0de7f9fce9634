"""Language of a text: what is told apart, what stays unsure, and what the caller's word counts."""

import logging

import pytest

from matcher.affinity.language import LANGUAGES, language_of

WRITTEN = {
    "ar": "وصل الطرد مفتوحا والزجاجة مكسورة",
    "de": "Das Paket kam offen an, und die Flasche war zerbrochen.",
    "en": "The parcel arrived open and the bottle was broken.",
    "es": "El paquete llegó abierto y la botella estaba rota.",
    "fr": "Le colis est arrivé ouvert et la bouteille était cassée.",
    "it": "Il pacco è arrivato aperto e la bottiglia era rotta.",
    "ja": "荷物が開いた状態で届き、瓶が割れていました。",
    "ko": "소포가 열린 채 도착했고 병이 깨져 있었어요.",
    "nl": "Het pakket kwam open aan en de fles was gebroken.",
    "pl": "Paczka przyszła otwarta, a butelka była rozbita.",
    "pt": "A encomenda chegou aberta e a garrafa estava partida.",
    "ru": "Посылка пришла открытой, а бутылка разбилась.",
    "sv": "Paketet kom fram öppet och flaskan var trasig.",
    "th": "พัสดุมาถึงในสภาพเปิดและขวดแตก",
    "tr": "Paket açık geldi ve şişe kırılmıştı.",
    "zh": "包裹到的时候是打开的，瓶子碎了。",
}


def test_all_languages_of_the_models_are_told_apart() -> None:
    """A sentence in each language is identified as what it is."""
    assert {tag: language_of(text) for tag, text in WRITTEN.items()} == {tag: tag for tag in LANGUAGES}


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("iPhone 15 Pro Maxの画面が割れました", "ja"),
        ("我的 iPhone 屏幕碎了", "zh"),
        ("喜の酒を二本", "ja"),
        ("包裝破損，請退款", "zh"),
        ("Заказ iPhone 15 не пришёл", "ru"),
        ("THE BOTTLE WAS BROKEN AND WET", "en"),
        ("📦📦📦 où est mon colis, s'il vous plaît ?", "fr"),
    ],
)
def test_names_and_signs_of_another_script_do_not_hide_the_language(text: str, tag: str) -> None:
    """A product's name in Latin letters, capitals or emoji leave the language of the rest."""
    assert language_of(text) == tag


@pytest.mark.parametrize("text", ["chalk bag burst", "tango shoes", "board games", "beekeeping", "knitting wool"])
def test_a_few_words_of_somebody_s_interest_are_english(text: str) -> None:
    """Two or three words of everyday English are enough where the interest lexicon has them."""
    assert language_of(text) == "en"


@pytest.mark.parametrize(
    "text", ["", "   ", "ok", "123 456", "👍", "?!", "la la la", "jazz", "Πού είναι το δέμα;", "Де моє замовлення?"]
)
def test_what_is_in_no_language_or_in_several_is_unsure(text: str) -> None:
    """No words, words of many languages, and languages that no model knows have no tag."""
    assert not language_of(text)


def test_the_language_that_the_caller_said_decides_a_word_of_several_languages() -> None:
    """A short text is read as the caller says; a long one as it is written."""
    assert (language_of("merci"), language_of("merci", "fr")) == ("", "fr")
    assert language_of("👍", "fr") == ""
    assert {language_of(text, said) for text in WRITTEN.values() for said in ("", "en", "tlh")} == set(LANGUAGES)
    assert [language_of(WRITTEN["de"], said) for said in ("en", "nl", "tlh")] == ["de"] * 3


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    """A German message with an English letter quoted far below is German."""
    assert language_of(WRITTEN["de"] * 6 + WRITTEN["en"] * 400) == "de"


def test_nothing_of_a_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The library's log holds no word of what a customer wrote, at any level."""
    with caplog.at_level(logging.DEBUG):
        language_of("the zither is out of tune")
    assert not [record for record in caplog.records if "zither" in record.getMessage()]
