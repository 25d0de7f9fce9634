"""Stop words: words too common to count as shared, in the languages that most rosters are written in."""

from __future__ import annotations

from typing import Final

_ENGLISH: Final = """
a about above after again all also am an and any anything are aren't as at be because been before being
below between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down
during each every everything few for from further get gets getting go goes going got had hadn't has
hasn't have haven't having he he'd he'll he's her here here's hers herself hi him himself his how how's i
i'd i'll i'm i've if in into is isn't it it's its itself just let let's like likes lot lots many me more
most much my myself no nor not now of off often on once one only or other our ours ourselves out over own
please really same she she'd she'll she's should shouldn't so some something sometimes such than thank
thanks that that's the their theirs them themselves then there there's these they they'd they'll they're
they've thing things this those through to too under until up us very was wasn't way we we'd we'll we're
we've well were weren't what what's when where which while who who's whom why will with won't would
wouldn't yes yet you you'd you'll you're you've your yours yourself yourselves im ive id dont doesnt
didnt cant wont isnt arent wasnt
"""
_GERMAN: Final = """
aber als am an auch auf aus bei bin bis bist da das dass dein dem den der des die dir du ein eine einem
einen einer eines er es für hab habe haben hat hatte ich ihr ihre im in ist ja jetzt kann kein keine man
mein meine mich mir mit nach nicht noch nur oder schon sehr sein sich sie sind so über um und uns von vor
war was wenn wie wir wird zu zum zur gern gerne mag
"""
_SPANISH: Final = """
al con como de del el ella ellas ellos en era eres es esa ese esta está este esto estoy ha hay he la las
le les lo los más me mi mis mucho muy no nos o para pero por porque que qué se ser si sí sin sobre somos
son soy su sus también te tengo tiene tu tus un una uno y ya yo gusta gustan
"""
_FRENCH: Final = """
ai au aux avec c'est ce ces cette dans de des du elle en est et eux il ils j'ai je la le les leur lui ma
mais me mes moi mon ne nos notre nous on ou par pas pour qu que qui sa se ses son suis sur ta te tes toi
ton tu un une vos votre vous très aime
"""

STOP_WORDS: Final = frozenset(" ".join((_ENGLISH, _GERMAN, _SPANISH, _FRENCH)).split())
