"""The report of coverage: nothing below ten customers of a day, every number rounded to 5, and what rises."""

from __future__ import annotations

from matcher.listening.coverage_report import Sharing, coverage, rounded
from matcher.listening.listened_entries import Listened
from matcher.model.coverage import Coverage, EntryKind, Unasked
from matcher.store.listening import EntryCount, HeardDay

LAST = 100
CATS = Listened(EntryKind.INTEREST, "cats", "cats")
CHESS = Listened(EntryKind.INTEREST, "chess", "chess")
GIFT = Listened(EntryKind.THEME, "gift", "gifts")
SHARING = Sharing({"i:cats": ["ann", "ben"], "i:chess": ["ann"]})


def report(*days: HeardDay) -> Coverage:
    """Return the report of 28 days."""
    return coverage("default", days, (LAST - 27, LAST), [CATS, CHESS, GIFT], SHARING, listening=True)


def day(number: int, contacts: int, **counts: tuple[int, int, int]) -> HeardDay:
    """Return a day; counts: contacts, those for whom nobody was free, people."""
    keys = {"cats": "i:cats", "chess": "i:chess", "gift": "t:gift"}
    return HeardDay(number, contacts, {keys[name]: EntryCount(*count) for name, count in counts.items()})


def test_nine_customers_a_day_are_never_shown_however_many_days_there_are() -> None:
    """They may be the same nine. With ten on one of the days the entry is shown, with all its contacts."""
    nine = [day(LAST - number, 100, cats=(9, 0, 9)) for number in range(20)]
    assert report(*nine).entries == ()
    (cats,) = report(*nine, day(LAST - 20, 100, cats=(12, 3, 10))).entries
    assert (cats.contacts, cats.most_customers, cats.nobody_free) == (190, 10, 0)
    assert (cats.this_week, cats.week_before) == (None, 65)


def test_numbers_are_rounded_to_five() -> None:
    """12 is 10, 13 is 15."""
    assert [rounded(count) for count in (0, 2, 3, 7, 8, 12, 13, 1_002)] == [0, 0, 5, 5, 10, 10, 15, 1_000]


def test_whose_interests_nobody_asks_for_and_who_shares_what() -> None:
    """Chess was brought up by few: nobody, as far as may be said."""
    shown = report(day(LAST, 200, cats=(40, 22, 33), chess=(4, 0, 4), gift=(60, 0, 51)))
    assert [(one.id, one.sharing_agents, one.nobody_free) for one in shown.entries] == [("gift", 0, 0), ("cats", 2, 20)]
    assert shown.unasked == (Unasked("ann", "chess", "chess"),)
    assert (shown.contacts, shown.days_heard) == (200, 1)


def test_what_rises_is_a_share_above_chance_and_not_a_busier_week() -> None:
    """Twice the contacts with the same share rise by nothing; twice the share rises."""
    before = [day(LAST - 7 - number, 1_000, cats=(20, 0, 20)) for number in range(21)]
    busier = [day(LAST - number, 2_000, cats=(40, 0, 40)) for number in range(7)]
    more = [day(LAST - number, 1_000, cats=(40, 0, 40)) for number in range(7)]
    (same,), (rising,) = report(*before, *busier).entries, report(*before, *more).entries
    assert (same.rising, same.this_week, same.week_before) == (False, 280, 140)
    assert (rising.rising, rising.this_week, rising.week_before) == (True, 280, 140)
