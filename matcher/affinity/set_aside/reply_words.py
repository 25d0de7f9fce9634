"""Words of reply headers: how mail programs introduce what they quote, by language."""

from __future__ import annotations

import re
from typing import Final

WROTE: Final = re.compile(
    r"\bwrote\b|\bschrieb\b|\bgeschrieben\b|\ba\s+écrit\b|\bescribi[óo]\b|\bha\s+scritto\b|\bescreveu\b|\bschreef\b"
    r"|\bgeschreven\b|\bskrev\b|\bnapisał|\bpisze\b|\bkirjoitti\b|\bnapsal|\bnapísal|\bezt\s+írta|\ba\s+scris\b|έγραψε"
    r"|\bнаписал|\bпишет\b|\bписал|\bпише\b|\bнаписав|\bнаписа\b|\byazdı\b|\bva\s+escriure\b|\bje\s+napisa|\brašė\b"
    r"|\brakstīja\b|\bkirjutas\b|\bđã\s+viết\b|\bmenulis\b|写道|寫道|のメール|書きました|작성|כתב|كتب|كتابة|نوشت"
    r"|ने\s+लिखा|เขียน",
    re.IGNORECASE,
)
"""The verb of "On 3 June Anna wrote:"."""

ORIGINAL: Final = re.compile(
    r"original\s+(?:message|e-?mail)|ursprüngliche\s+nachricht|message\s+d['’]origine|mensaje\s+original"
    r"|messaggio\s+originale|mensagem\s+original|oorspronkelijk\s+bericht|wiadomość\s+oryginalna|oryginalna\s+wiadomość"
    r"|ursprungligt\s+meddelande|oprindelig\s+meddelelse|opprinnelig\s+melding|alkuperäinen\s+viesti|původní\s+zpráva"
    r"|исходное\s+сообщение|orijinal\s+(?:mesaj|ileti)|原始邮件|原始郵件|元のメッセージ|원본\s*메[시일]|الرسالة\s+الأصلية"
    r"|הודעה\s+מקורית|forwarded\s+(?:message|by)|weitergeleitete\s+nachricht|message\s+transféré|mensaje\s+reenviado"
    r"|messaggio\s+inoltrato|mensagem\s+(?:encaminhada|reencaminhada)|doorgestuurd\s+bericht|przekazana\s+wiadomość"
    r"|vidarebefordrat\s+(?:meddelande|mejl)|videresendt|välitetty\s+viesti|пересланное\s+сообщение"
    r"|пересылаемое\s+сообщение|yönlendirilen|iletilmiş|转发的?邮件|轉寄的?郵件|転送メッセージ|전달된\s*메[시일]",
    re.IGNORECASE,
)
"""What stands between the dashes above a quoted or forwarded mail."""

BEGIN_FORWARDED: Final = re.compile(
    r"^(?:begin forwarded message|anfang der weitergeleiteten (?:e-?mail|nachricht)|début du message (?:transféré|réexpédié)"
    r"|inicio del mensaje reenviado|inizio messaggio inoltrato|início da mensagem (?:encaminhada|reencaminhada)"
    r"|begin doorgestuurd bericht|vidarebefordrat brev|начало переадресованного сообщения|下面是被转发的邮件"
    r"|転送されたメッセージ)\s*[:：]?\s*$",
    re.IGNORECASE,
)

ABOVE_THIS_LINE: Final = re.compile(
    r"above this line|oberhalb dieser (?:linie|zeile)|über dieser (?:linie|zeile)|au[- ]dessus de cette ligne"
    r"|(?:por )?encima de esta línea|sopra (?:a )?questa (?:riga|linea)|acima d(?:esta|e esta) linha|boven deze (?:regel|lijn)"
    r"|powyżej tej lini[ij]|ovanför (?:den här|denna) (?:raden|linjen|rad|linje)|over denne (?:linje|linjen)"
    r"|выше этой (?:строки|линии|черты)|bu (?:satırın|çizginin) üst|この行より上|この線より上|此行(?:之上|上方|以上)|이 줄 위",
    re.IGNORECASE,
)
REPLY: Final = re.compile(
    r"repl[yi]|respon[ds]|answer|antwort|répon[ds]|respuesta|contest|rispo[ns]|antwoord|odpow|svar|отве[тч]|yanıt|cevap"
    r"|返信|返答|回复|回覆|답장|회신",
    re.IGNORECASE,
)
"""With the words above, the line under which a help desk keeps what it quotes."""

_FROM: Final = (
    "from|von|de|da|van|od|från|fra|lähettäjä|от|від|kimden|gönderen|feladó|de la|από|差出人|送信者|发件人|寄件者|寄件人"
    "|發件人|보낸 사람|보낸사람|من|מאת|từ|จาก|dari|expéditeur|remitente|mittente|remetente|afzender|absender|nadawca|avsändare"
)
_SENT: Final = (
    "sent|date|gesendet|datum|envoyé|envoyé le|date|enviado|enviado el|fecha|inviato|data|enviada|enviada em|enviado em"
    "|verzonden|wysłano|skickat|sendt|dato|lähetetty|päivämäärä|päiväys|отправлено|дата|надіслано|gönderildi|tarih"
    "|gönderilme tarihi|odesláno|elküldve|dátum|trimis|στάλθηκε|ημερομηνία|送信日時|日時|日付|发送时间|日期|寄件日期|傳送日期"
    "|時間|时间|보낸 날짜|날짜|تم الإرسال|التاريخ|נשלח|תאריך|ngày|đã gửi|ส่งเมื่อ|วันที่|dikirim|tanggal|dne"
)
_TO: Final = (
    "to|an|à|a|para|aan|do|till|til|vastaanottaja|кому|kime|alıcı|komu|címzett|către|προς|宛先|收件人|收件者|받는 사람|받는사람"
    "|إلى|אל|đến|ถึง|kepada|destinataire|destinatario|destinatário|cc|kopie|copie|copia|kopia|kopio|копия|bilgi|抄送|副本"
    "|참조|bcc|reply-to|antwort an"
)
_SUBJECT: Final = (
    "subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|ämne|emne|aihe|тема|konu|předmět|predmet|tárgy|subiect"
    "|θέμα|件名|主题|主旨|主題|제목|الموضوع|נושא|chủ đề|เรื่อง|perihal|subjek|subyek"
)
LABELS: Final = {
    label: role
    for role, labels in (("from", _FROM), ("sent", _SENT), ("to", _TO), ("subject", _SUBJECT))
    for label in labels.split("|")
}
"""The labels of a header block ("From:", "Sent:"), in lower case, with what they label."""
