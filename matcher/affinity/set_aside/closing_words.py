"""Words of signatures: how a mail ends, by language."""

from __future__ import annotations

import re
from typing import Final

_STRONG: Final = (
    # English
    "kind regards|kindest regards|best regards|warm regards|warmest regards|with kind regards|with best regards|regards"
    "|best wishes|all the best|yours sincerely|sincerely|sincerely yours|yours faithfully|yours truly|respectfully"
    # German
    "|mit freundlichen grüßen|mit freundlichen grüssen|mit freundlichen gruessen|mit freundlichem gruß"
    "|mit besten grüßen|mit herzlichen grüßen|freundliche grüße|freundliche grüsse|viele grüße|viele grüsse|vielen gruß"
    "|liebe grüße|liebe grüsse|beste grüße|herzliche grüße|schöne grüße|sonnige grüße|grüße|gruß|mfg|lg|vg"
    "|hochachtungsvoll"
    # French
    "|cordialement|bien cordialement|très cordialement|sincères salutations|bien à vous|meilleures salutations"
    "|salutations distinguées|salutations|respectueusement|amicalement|bien sincèrement"
    # Spanish
    "|saludos|un saludo|saludos cordiales|cordiales saludos|un cordial saludo|atentamente|muy atentamente|cordialmente"
    "|reciba un cordial saludo"
    # Italian
    "|cordiali saluti|distinti saluti|saluti|un saluto|un cordiale saluto|tanti saluti"
    # Portuguese
    "|atenciosamente|cumprimentos|com os melhores cumprimentos|melhores cumprimentos|att|abraços|um abraço"
    # Dutch
    "|met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|vriendelijke groeten|hartelijke groet"
    "|hartelijke groeten|groet|groeten|mvg|hoogachtend"
    # Swedish, Danish, Norwegian, Finnish
    "|med vänlig hälsning|med vänliga hälsningar|vänlig hälsning|vänliga hälsningar|hälsningar|mvh|med venlig hilsen"
    "|venlig hilsen|med vennlig hilsen|vennlig hilsen|hilsen|de bedste hilsner|ystävällisin terveisin|terveisin"
    "|parhain terveisin"
    # Polish, Czech, Slovak, Hungarian, Romanian
    "|z poważaniem|pozdrawiam|serdecznie pozdrawiam|pozdrawiam serdecznie|pozdrowienia|z wyrazami szacunku"
    "|s pozdravem|s přátelským pozdravem|s pozdravom|üdvözlettel|tisztelettel|cu stimă|cu respect"
    # Russian, Ukrainian, Greek, Turkish
    "|с уважением|с наилучшими пожеланиями|всего доброго|всего наилучшего|з повагою|με εκτίμηση|με φιλικούς χαιρετισμούς"
    "|saygılarımla|saygılarımızla|iyi çalışmalar|sevgiler|selamlar"
    # Japanese, Chinese, Korean, Arabic, Hebrew, Hindi, Vietnamese, Indonesian
    "|敬具|かしこ|此致|此致敬礼|敬礼|祝好|顺祝商祺|敬上|올림|드림|مع أطيب التحيات|تحياتي|مع خالص التحية|בברכה|सादर"
    "|trân trọng|hormat kami|salam hormat"
)
_WEAK: Final = (
    "thanks|thank you|many thanks|thanks a lot|thanks in advance|thank you in advance|thx|cheers|best|love|danke"
    "|vielen dank|besten dank|danke im voraus|merci|merci d'avance|merci beaucoup|gracias|muchas gracias|grazie"
    "|grazie mille|obrigado|obrigada|bedankt|alvast bedankt|dank|tack|tack på förhand|tak|takk|kiitos|dziękuję"
    "|z góry dziękuję|děkuji|спасибо|заранее спасибо|teşekkürler|şimdiden teşekkürler|谢谢|謝謝|ありがとうございます"
    "|よろしくお願いします|よろしくお願いいたします|よろしくお願い致します|감사합니다|شكرا|תודה|धन्यवाद|cảm ơn|terima kasih"
)
_WISHES: Final = (
    "herzlichst|herzlich|einen schönen tag|schönen tag noch|schönes wochenende|have a nice day|have a great day"
    "|have a good day|bonne journée|bonne soirée|belle journée|bonne fin de journée|buena tarde|que tenga un buen día"
    "|buona giornata|buon lavoro|buona serata|tenha um bom dia|bom trabalho|fijne dag|prettige dag|miłego dnia"
    "|ha en bra dag|ha en fin dag|god dag|хорошего дня|iyi günler|kolay gelsin|祝您生活愉快|祝好"
)
STRONG: Final = frozenset(_STRONG.split("|"))
"""Phrases that end a letter: what follows names the writer."""
REGARDS: Final = re.compile(
    r"(?:regards|(?:best|good|warm|kind) wishes|sincerely|grüßen?|grüssen?|gruß|saluti|saludos?|cumprimentos|groeten?|hilsen|hälsning(?:ar)?"
    r"|salutations|terveisin|уважением|saygılar\w*)$"
)
"""The last word of a phrase that ends a letter."""
WEAK: Final = frozenset(f"{_WEAK}|{_WISHES}".split("|"))
"""Phrases that end a letter where a name follows."""

_DEVICE: Final = (
    r"(?:my |meinem |mon |mi |mio |il mio |meu |mijn |min |моего |我的\s?|나의 )?"
    r"(?:i-?phon[eu]|i-?pad|android|samsung|galaxy|huawei|xiaomi|blackberry|smartphone|handy|mobile|mobil|phone|telefon"
    r"|mail for|yahoo|outlook|gmx|web\.de|gmail|proton|tablet|windows|huawei)"
)
MOBILE: Final = re.compile(
    rf"(?:(?:sent|mailed) (?:from|via|with|using) {_DEVICE}"
    rf"|(?:gesendet|verschickt) (?:von|mit|mittels|über) (?:der |dem )?{_DEVICE}|von {_DEVICE}.{{0,30}} gesendet"
    rf"|envoyé (?:de|depuis|à partir de|avec) {_DEVICE}|enviado (?:desde|con|do|de|pelo|a partir do) {_DEVICE}"
    rf"|inviato (?:da|dal|con) {_DEVICE}|(?:verstuurd|verzonden) (?:vanaf|vanuit|via|met) {_DEVICE}"
    rf"|wysłan[eoy] (?:z|przez) {_DEVICE}|skickat från {_DEVICE}|sendt fra {_DEVICE}|lähetetty .{{0,20}}"
    rf"|odesláno z {_DEVICE}|στάλθηκε από (?:το )?{_DEVICE}|odoslané z {_DEVICE}|trimis (?:de pe|din) {_DEVICE}|отправлено (?:с|из) {_DEVICE}|отправлено из .{{0,30}}почты.{{0,30}}|надіслано з {_DEVICE}"
    r"|i-?(?:phone|pad)-?r[óő]l küldve|i-?phone['’]?.{0,8} gönderildi|.{0,20}['’]?(?:dan|den) gönderildi|i-?phone ?から送信|.{0,20}から送信"
    r"|[发發]自我的.{0,30}|從我的.{0,20}傳送|나의 .{0,20}에서 보냄|أ?ُ?رسلت من .{0,30}|נשלח מה.{0,30}"
    r"|get outlook for|outlook für .{3,10} beziehen|holen sie sich outlook|télécharger outlook pour|obtener outlook para"
    r"|obtenir outlook pour|scarica outlook per|ottieni outlook per|obter o outlook para|baixar outlook|outlook voor"
    r"|hämta outlook för|pobierz (?:program )?outlook|скачать outlook|yahoo mail: )",
    re.IGNORECASE,
)
"""The line that a telephone or a mail program adds."""
