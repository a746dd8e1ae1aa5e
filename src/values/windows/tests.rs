use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

fn window(from: &str, to: &str, days: &[Day]) -> Window {
    Window::new(
        TimeOfDay::parse(from).unwrap(),
        TimeOfDay::parse(to).unwrap(),
        days,
    )
    .unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn overlap(first: usize, second: usize, duplicate: bool) -> Overlap {
    Overlap {
        first,
        second,
        duplicate,
    }
}

#[test]
fn is_open_from_its_start_and_closed_at_its_end() {
    // 2026-01-05 is a Monday.
    let windows = Windows::new(vec![window("8:00", "10:00", &[Day::Mon])]);
    for (time, open) in [
        ("2026-01-05T07:59:59.999Z", false),
        ("2026-01-05T08:00:00Z", true),
        ("2026-01-05T09:59:59.999Z", true),
        ("2026-01-05T10:00:00Z", false),
        ("2026-01-06T09:00:00Z", false),
        ("1969-12-29T09:59:59.5Z", true),
        ("1969-12-29T07:59:59.5Z", false),
    ] {
        assert_eq!(windows.contains(at(time)), open, "{time}");
    }
}

#[test]
fn crosses_midnight_and_belongs_to_the_day_it_opens() {
    let windows = Windows::new(vec![window("22:00", "2:00", &[Day::Sun])]);
    for (time, open) in [
        ("2026-01-04T01:00:00Z", false),
        ("2026-01-04T22:00:00Z", true),
        ("2026-01-05T01:59:00Z", true),
        ("2026-01-05T02:00:00Z", false),
        ("2026-01-05T22:00:00Z", false),
    ] {
        assert_eq!(windows.contains(at(time)), open, "{time}");
    }
}

#[test]
fn opens_every_day_without_days_and_always_without_windows() {
    let daily = Windows::new(vec![window("8:00", "9:00", &[])]);
    assert!((4..11).all(|day| daily.contains(at(&format!("2026-01-{day:02}T08:30:00Z")))));
    assert!(Windows::default().contains(at("2026-01-05T08:00:00Z")));
    assert_eq!(Windows::default().next_opening(at("2026-01-05T08:00:00Z")), None);
}

#[test]
fn tells_the_next_opening() {
    let windows = Windows::new(vec![
        window("8:00", "10:00", &[Day::Mon]),
        window("23:30", "0:30", &[Day::Fri]),
    ]);
    for (after, next) in [
        ("2026-01-05T07:00:00Z", "2026-01-05T08:00:00Z"),
        ("2026-01-05T07:59:59.999999999Z", "2026-01-05T08:00:00Z"),
        ("2026-01-05T08:00:00Z", "2026-01-09T23:30:00Z"),
        ("2026-01-05T08:00:00.5Z", "2026-01-09T23:30:00Z"),
        ("2026-01-09T23:45:00Z", "2026-01-12T08:00:00Z"),
    ] {
        assert_eq!(windows.next_opening(at(after)), Some(at(next)), "{after}");
    }
    let weekly = Windows::new(vec![window("8:00", "10:00", &[Day::Mon])]);
    assert_eq!(
        weekly.next_opening(at("2026-01-05T08:00:00Z")),
        Some(at("2026-01-12T08:00:00Z"))
    );
    assert_eq!(weekly.next_opening(Timestamp::MAX), None);
}

#[test]
fn finds_windows_that_share_time() {
    let windows = Windows::new(vec![
        window("8:00", "10:00", &[Day::Mon]),
        window("9:00", "11:00", &[Day::Mon, Day::Tue]),
        window("10:00", "12:00", &[Day::Sun]),
        window("8:00", "10:00", &[Day::Mon, Day::Mon]),
        window("23:00", "8:30", &[Day::Sun]),
    ]);
    assert_eq!(
        windows.overlaps(),
        [
            overlap(0, 1, false),
            overlap(0, 3, true),
            overlap(0, 4, false),
            overlap(1, 3, false),
            overlap(3, 4, false)
        ]
    );
}

#[test]
fn takes_all_days_for_no_days() {
    let windows = Windows::new(vec![
        window("8:00", "10:00", &[]),
        window("8:00", "10:00", &Day::ALL),
    ]);
    assert_eq!(windows.overlaps(), [overlap(0, 1, true)]);
}

#[test]
fn does_not_take_neighbours_for_overlapping() {
    let windows = Windows::new(vec![window("8:00", "10:00", &[]), window("10:00", "8:00", &[])]);
    assert_eq!(windows.overlaps(), []);
}

#[test]
fn rejects_a_window_that_ends_when_it_starts() {
    let eight = TimeOfDay::parse("8:00").unwrap();
    assert_eq!(
        Window::new(eight, eight, &[]).unwrap_err().to_string(),
        "\"08:00\" is also the start of the window, write another time than in `from`"
    );
}

#[test]
fn compares_no_more_windows_than_the_schema_allows() {
    let many = Windows::new(vec![window("8:00", "10:00", &[]); 5_000]);
    assert_eq!(many.overlaps().len(), 64 * 63 / 2);
}

fn any_window() -> impl Strategy<Value = Window> {
    (0u16..1440, 1u16..1440, proptest::collection::vec(0usize..7, 0..7)).prop_map(|(from, length, days)| {
        let time = |minutes: u16| TimeOfDay::parse(&format!("{}:{:02}", minutes / 60, minutes % 60)).unwrap();
        let days: Vec<Day> = days.into_iter().map(|day| Day::ALL[day]).collect();
        Window::new(time(from), time((from + length) % 1440), &days).unwrap()
    })
}

proptest! {
    #[test]
    fn agrees_with_the_calendar(window in any_window(), seconds in -100_000_000_000i64..100_000_000_000) {
        let time = Timestamp::from_second(seconds).unwrap();
        let utc = time.to_zoned(TimeZone::UTC);
        let minute = u16::try_from(i32::from(utc.hour()) * 60 + i32::from(utc.minute())).unwrap();
        let today = Day::ALL[usize::try_from(utc.weekday().to_monday_zero_offset()).unwrap()];
        let yesterday = Day::ALL[(today as usize + 6) % 7];
        let opens = |day: Day| window.days().any(|other| other == day);
        let (from, to) = (window.from().minutes(), window.to().minutes());
        let open = if from < to {
            opens(today) && from <= minute && minute < to
        } else {
            opens(today) && from <= minute || opens(yesterday) && minute < to
        };
        prop_assert_eq!(Windows::new(vec![window.clone()]).contains(time), open);
    }

    #[test]
    fn the_next_opening_is_later_and_open(
        windows in proptest::collection::vec(any_window(), 1..4),
        nanoseconds in -100_000_000_000_000_000_000i128..100_000_000_000_000_000_000,
    ) {
        let windows = Windows::new(windows);
        let after = Timestamp::from_nanosecond(nanoseconds).unwrap();
        let next = windows.next_opening(after).unwrap();
        prop_assert!(next > after && windows.contains(next));
        if !windows.contains(after) {
            // Closed until then: sampled, as a week of minutes is long.
            let minutes = (next.as_second() - after.as_second()) / 60;
            for step in 0..50 {
                let between = after.as_second() + minutes * step / 50 * 60;
                prop_assert!(!windows.contains(Timestamp::from_second(between).unwrap()));
            }
        }
    }

    #[test]
    fn overlaps_exactly_where_a_minute_is_shared(a in any_window(), b in any_window()) {
        let shared = (0..WEEK).any(|minute| a.contains(minute) && b.contains(minute));
        prop_assert_eq!(a.overlaps(&b), shared);
    }
}
